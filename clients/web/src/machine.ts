/**
 * Decides when to renew, what an answer means, and what a caller gets; the shell acts on it.
 *
 * It learns the time, chance and what happens from the shell alone, holds no timer and knows no page, so that a test can
 * run it through years of suspended laptops in a second.
 */
import { TOLERANCE, type Clock, type SessionRecord, type Write, backoff, claimed, lost, max, min } from './record.js';

/** What the token endpoint said; `status` is 0 if no answer came. */
export interface Answer {
  readonly status: number;
  readonly body?: TokenBody | undefined;
  readonly retryAfterMs?: number;
  /** The device had no network when the request was sent, so the server has not seen it. */
  readonly offline?: boolean;
}

/** The members of a token response or of its error that matter here; anything may be missing or of a wrong type. */
export interface TokenBody {
  readonly access_token?: string;
  readonly refresh_token?: string;
  readonly expires_in?: number;
  readonly refresh_expires_in?: number;
  readonly refresh_grace?: number;
  readonly session_id?: string;
  readonly session_expires_in?: number;
  readonly error?: string;
  readonly reason?: string;
}

/**
 * A write was done (`won`) or its condition did not hold; `found` is what the store had, `record` what it has now.
 * If the store could not be used (`failed`), `record` is what was known of it.
 */
export interface Stored {
  readonly write: Write;
  readonly found?: SessionRecord | undefined;
  readonly record: SessionRecord | undefined;
  readonly won: boolean;
  readonly failed?: boolean;
}

/** Why a caller gets no token. */
export type Failure =
  | { readonly name: 'LoginRequired'; readonly reason: string }
  | { readonly name: 'RefreshUnavailable'; readonly retryAt: number };

/** What the shell does for the machine. */
export interface Shell {
  clock(): Clock;
  /** A random number between 0 and 1. */
  chance(): number;
  /** Runs the write in one transaction after `delay` milliseconds; then `stored`. */
  store(write: Write, delay?: number): void;
  /** Waits for the lock, then runs the claim, with `locked` if it was granted; then `stored`. */
  lock(claim: Write): void;
  release(): void;
  /** Asks the token endpoint; then `answer`. */
  ask(refresh?: string): void;
  /** Ends the session of a token that will not be used. */
  drop(token: string): void;
  /** Lets the other tabs know that there is a new generation. */
  tell(): void;
  /** Calls `tick` after so many milliseconds, instead of any earlier request; never if `Infinity`. */
  timer(ms: number, waited: number): void;
  /** Tells the application once the step is done; until then the detail may change. */
  emit(name: 'activity' | 'refreshed' | 'signedOut' | 'refreshError' | 'switched', detail: object): void;
}

/** What the shell tells the machine. */
export interface Machine {
  /** The timer fired. */
  tick(): void;
  /** The page was shown, focused or thawed, the network came back (`online`), or another tab sent a message. */
  wake(online?: boolean): void;
  /** A caller wants a token, and perhaps brings the one that a resource server refused. */
  want(give: (token: string) => void, deny: (why: Failure) => void, refused?: string): void;
  answer(answer: Answer): void;
  stored(stored: Stored): void;
  /** Nobody gets a token any more. Neither `answer` nor `stored` may follow. */
  stop(): void;
}


/** When the access token ends, by the wall clock. */
const expiry = (record: SessionRecord): number => record.issuedAtWall + record.lifeMs;

/** Neither a tombstone nor a mark that a stranger's question has left. */
const signedIn = (record: SessionRecord | undefined): boolean => record?.lifeMs! > 0;

/** Nobody knows if the server has seen the request: no answer came, no whole one, or a gateway's. */
export const unheard = (status = 0): boolean => status < 300 || status == 502 || status == 504;

/** The fields that a good token response sets, anchored at the moment when it was asked for. */
export const accept = (
  transport: string,
  body: TokenBody,
  sent: number,
  older?: Partial<SessionRecord>,
): Partial<SessionRecord> => ({
  retry: undefined,
  // > The authorization server MAY issue a new refresh token (RFC 6749 section 6): without one the old one stays.
  refresh: transport == 'header' ? body.refresh_token || older?.refresh : undefined,
  refreshLifeMs: (body.refresh_expires_in || body.session_expires_in || 0) * 1e3,
  lostAtWall: 0,
  issuedAtWall: sent,
  session: body.session_id,
  graceMs: (body.refresh_grace || 0) * 1e3,
  lifeMs: (body.expires_in! > 0 ? body.expires_in! : 300) * 1e3,
  access: body.access_token,
});

/** `carrier` is the transport, as the application chose it. */
export const machine = (carrier: string, shell: Shell): Machine => {
  /** Both clocks at the present step. */
  let wall: number;
  let mono: number;
  let record: SessionRecord | undefined;
  /** The store was read at least once. */
  let ready: boolean | undefined;
  /** The access token that a resource server refused. */
  let rejected: string | undefined;
  /** The refresh in flight: the record that its claim made, which says when it was sent; empty before that. */
  let flight: Partial<SessionRecord> | undefined;
  let waiters: (readonly [(token: string) => void, (why: Failure) => void, until: number])[] = [];
  /** Between 0 and 1, drawn anew for each token; set with `ready`. */
  let jitter: number;
  /** Wall less monotonic time when the token was taken over; set with `ready`. */
  let gap: number;
  /** Monotonic time of the last renewal that this tab saw. */
  let since = -1 / 0;
  /** Monotonic time before which another tab's unanswered refresh is left alone; nothing is asked before the first read. */
  let hold = 1 / 0;
  /** The network came back after the last attempt. */
  let online: boolean | undefined;
  /** Monotonic time of the next look at the store; `Infinity` if none is wanted. */
  let look: number;
  /** Monotonic time before which there is none. */
  let again: number;

  /** The token came from the future, or the wall clock moved by itself: its age cannot be known. */
  const suspect = () => Math.abs(wall - mono - gap) > TOLERANCE || wall < record!.issuedAtWall - TOLERANCE;

  const live = () =>
    record?.access &&
    record.access != rejected &&
    // Servers count whole seconds, so the last one may not be there.
    (suspect() || wall < expiry(record) - min(1e3, record.lifeMs / 2));

  /** Milliseconds until a refresh is due; `Infinity` if there is nothing to renew. */
  const dueIn = () => {
    // The server may have rotated at a request whose answer nobody has. It recognises the repetition only within the grace,
    // which may end before the token has aged.
    const unanswered = record?.sentAtWall || record?.lostAtWall;
    if (
      record?.end ||
      // The cookie of a page that has no token may be good; that is asked only for somebody who waits.
      !(carrier == 'cookie' ? record?.access || unanswered || waiters.length : carrier == 'header' && record?.refresh)
    )
      return 1 / 0;
    // A token that nobody can use is not spared by the distance that good ones keep.
    const urgent = !live() || suspect();
    return max(
      backoff(record, wall, online),
      hold - mono,
      urgent
        ? 0
        : min(
            // From 20 % of the life before its end, at least 5 s and at most 120 s, but never in its first half.
            expiry(record!) - min(max(record!.lifeMs / 5, 5e3), 12e4, record!.lifeMs / 2) * (1 + jitter / 8) - wall,
            unanswered ? claimed(record, wall) : 1 / 0,
          ),
      // Not even a resource server that refuses every token makes a storm of renewals.
      since + max(1e3, urgent || unanswered ? 0 : record!.lifeMs / 10) - mono,
    );
  };

  /** The next step and the next timer, the same after every event. */
  const plan = () => {
    const due = dueIn();
    let wait = flight ? 1 / 0 : due;
    if (wait <= 0) {
      flight = {};
      wait = 1 / 0;
      // The generation from before the wait: if the tab adopts newer tokens meanwhile, the claim must fail.
      shell.lock({ kind: 'claim', gen: record?.gen ?? 0, online });
    }
    waiters = waiters.filter(([give, deny, until]) => {
      if (carrier == 'session' ? ready : live()) give(carrier == 'session' ? '' : record!.access!);
      else if (due == 1 / 0 && ready) deny({ reason: record ? record.end || 'expired' : 'none', name: 'LoginRequired' });
      else if (mono < until) return (wait = min(wait, until - mono));
      else deny({ name: 'RefreshUnavailable', retryAt: wall + max(0, ready ? due : 0) });
    });
    if (look > mono) wait = min(wait, look - mono);
    else {
      look = 1 / 0;
      again = mono + 1e3;
      shell.store({ kind: 'read' });
    }
    // Longer timers overflow (2**31 ms fire at once), or drift while a device sleeps.
    shell.timer(wait < 1 / 0 ? min(wait, 6e4) : wait, waiters.length);
  };

  /** A step of the machine: what happens, then the plan. */
  const step =
    <Args extends unknown[]>(happen: (...args: Args) => void) =>
    (...args: Args) => {
      const stored = args[0] as Partial<Stored> | undefined;
      const activity = { write: stored?.write?.kind, won: stored?.won };
      // Heard before what the step causes, with what is known after it.
      shell.emit('activity', activity);
      ({ wall, mono } = shell.clock());
      happen(...args);
      plan();
      Object.assign(activity, { busy: !!flight, known: { ...record, access: 0, refresh: 0 } });
    };

  return {
    tick: step(() => {}),
    wake: step((back) => {
      look = again;
      online ||= back;
    }),
    want: step((give, deny, refused) => {
      // If the token has been replaced since, the caller gets the new one, without a request.
      if (refused == record?.access) rejected = refused;
      waiters.push([give, deny, mono + 1e4]);
    }),
    /** What an answer of the token endpoint does to the record. */
    answer: step(({ status, body, retryAfterMs = 0, offline }: Answer) => {
      const { gen, retry, graceMs, sentAtWall } = flight!;
      const fails = retry?.fails || 0;
      const error = body?.error;
      if (status < 300 && body?.access_token?.trim?.())
        return shell.store({ kind: 'commit', gen, patch: accept(carrier, body, sentAtWall!, flight) });
      // Without a body the only thing that can be wrong with the request is its cookie: it is gone.
      if (
        (status == 400 || status == 401) &&
        (error == 'invalid_grant' || (error == 'invalid_request' && carrier == 'cookie'))
      )
        // The tab that won may not have told yet.
        return shell.store({ kind: 'end', gen, patch: { end: body!.reason || error } }, 50);
      // Any other 4xx says that the client is set up wrongly, which time alone does not heal.
      const most = /^4(?!08|25|29)/.test(status as never) ? 3e5 : 6e4;
      // > Retry-After […] how long the user agent ought to wait (RFC 9110 section 10.2.3): a floor, spread upwards.
      // One wrong answer must not keep a client away for a day.
      let waitMs = offline
        ? 6e4
        : min(36e5, retryAfterMs + max(250, shell.chance() * min(most, 2 ** fails * 1e3)));
      const lostAtWall = lost(flight, wall, offline || !unheard(status) ? 0 : sentAtWall);
      // The server may have rotated before the answer was lost, and recognises the repetition only within the grace; so
      // it comes within half of that, and what follows in steps of an eighth, whatever the back-off has grown to and Retry-After says.
      if (lostAtWall && graceMs) waitMs = min(waitMs, max(graceMs / 8, lostAtWall + graceMs / 2 - wall));
      shell.store({
        kind: 'fail',
        gen,
        patch: { lostAtWall, retry: { status, error, fails: fails + 1, atWall: wall, waitMs, offline } },
      });
    }),
    /** Adopts the record of the store, then continues with what was written. */
    stored: step(({ write, won, found, record: next, failed }: Stored) => {
      const { kind, patch } = write;
      // The old refresh token is spent, so the new one must get into the store: again, until it does or another tab's has.
      if (failed && kind == 'commit') return shell.store(write, 1e3);
      const was = record;
      record = next;
      const changed = was?.gen !== record?.gen;
      if (!ready || changed) {
        online = false;
        gap = wall - mono;
        rejected = undefined;
        hold = 0;
        jitter = shell.chance();
        if (ready) {
          since = mono;
          if (signedIn(record))
            shell.emit(signedIn(was) && record!.session != was!.session ? 'switched' : 'refreshed', {
              expiresAt: expiry(record!),
              session: record!.session,
            });
          else if (signedIn(was)) shell.emit('signedOut', { reason: record?.end || 'storage' });
        }
        ready = true;
      }
  
      // Only the tab that wrote tells the others, so that messages do not bounce.
      if (won && changed) shell.tell();
      if (kind == 'claim' && won) {
        flight = record;
        shell.ask(record!.refresh);
      } else if (write.gen! >= 0) {
        flight = undefined;
        // If another tab's refresh is in flight now, it is left alone.
        hold = mono + claimed(record, wall);
        shell.release();
      }
      // End what another session replaced, and what came too late. Not within one session: two tabs may hold the same token,
      // and revoking that would end it.
      const loser = won ? kind == 'set' && found : patch;
      const token = loser && (loser.refresh || loser.access);
      if (token && record && (record.end || record.session != loser.session)) shell.drop(token);
      // While the store fails this tab gives out what it has, and renews nothing that others would find there.
      if (failed) look = again = hold = mono + 5e3;
      const retry = kind == 'claim' && failed ? { status: 0, fails: 1, error: 'storage' } : patch?.retry;
      if (retry && (won || failed)) {
        online = false;
        shell.emit('refreshError', { ...retry, retryAt: wall + max(backoff(record, wall), hold - mono) });
      }
    }),
    stop: step(() => {
      record = { end: 'disposed' } as SessionRecord;
      ready = true;
      look = 1 / 0;
    }),
  };
};
