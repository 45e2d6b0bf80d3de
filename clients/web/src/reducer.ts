/**
 * Decides when to renew, what an answer means, and what a caller gets; the shell acts on it.
 *
 * A function of (state, event, now, random) to (state, effects). It reads no clock, holds no timer and knows no
 * page, so that a test can run it through years of suspended laptops in a second.
 */
import { TOLERANCE, type Clock, type SessionRecord, type Write, backoff, claimed, lost, sound } from './record.js';

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

export type Event =
  /** The timer fired. */
  | { readonly type: 'tick' }
  /** The page was shown, focused or thawed, the network came back, or another tab sent a message. */
  | { readonly type: 'wake'; readonly online?: boolean }
  /** A caller wants a token, and perhaps brings the one that a resource server refused. */
  | { readonly type: 'get'; readonly caller: unknown; readonly rejected?: string | undefined }
  /**
   * A write was done (`won`) or its condition did not hold; `found` is what the store had, `record` what it has now.
   * If the store could not be used (`failed`), `record` is what was known of it.
   */
  | {
      readonly type: 'stored';
      readonly write: Write;
      readonly found?: unknown;
      readonly record: unknown;
      readonly won: boolean;
      readonly failed?: boolean;
    }
  | ({ readonly type: 'answer' } & Answer);

export type Effect =
  /** Run the write in one transaction after `delay` milliseconds; then `stored`. */
  | readonly ['store', Write, number?]
  /** Wait for the lock, then run the claim, with `locked` if it was granted; then `stored`. */
  | readonly ['lock', Write]
  | readonly ['release']
  /** Ask the token endpoint; then `answer`. */
  | readonly ['send', string?]
  /** End the session of a token that will not be used. */
  | readonly ['revoke', string]
  /** Let the other tabs know that there is a new generation. */
  | readonly ['tell']
  /** Dispatch `tick` after so many milliseconds, instead of any earlier request; never if `Infinity`. */
  | readonly ['timer', number]
  | readonly ['give', unknown, string]
  | readonly ['deny', unknown, Failure]
  | readonly ['emit', 'activity' | 'refreshed' | 'signedOut' | 'refreshError' | 'switched', object];

/** Why a caller gets no token. */
export type Failure =
  | { readonly name: 'LoginRequired'; readonly reason: string }
  | { readonly name: 'RefreshUnavailable'; readonly retryAt: number };

interface Waiter {
  /** Handed back with `give` or `deny`, and of no meaning here. */
  readonly caller: unknown;
  readonly until: number;
}

export interface State {
  /** The transport, as the application chose it. */
  readonly carrier: string;
  /** The store was read at least once. */
  ready?: boolean;
  record?: SessionRecord | undefined;
  /** The access token that a resource server refused. */
  rejected?: string | undefined;
  /** The refresh in flight: the record that its claim made, which says when it was sent; empty before that. */
  flight?: Partial<SessionRecord> | undefined;
  waiters: readonly Waiter[];
  /** Between 0 and 1, drawn anew for each token; set with `ready`. */
  jitter?: number;
  /** Wall less monotonic time when the token was taken over; set with `ready`. */
  gap?: number;
  /** Monotonic time of the last renewal that this tab saw. */
  since: number;
  /** Monotonic time before which another tab's unanswered refresh is left alone. */
  hold: number;
  /** The network came back after the last attempt. */
  online?: boolean;
  /** Monotonic time of the next look at the store; `Infinity` if none is wanted. */
  look: number;
  /** Monotonic time before which there is none. */
  again: number;
}

export const initial = (carrier: string): State => ({
  carrier,
  waiters: [],
  since: -1 / 0,
  hold: 0,
  look: 0,
  again: 0,
});

/** From 20 % of the life before its end, at least 5 s and at most 120 s, but never in its first half. */
const margin = (life: number): number => Math.min(Math.max(life / 5, 5e3), 12e4, life / 2);

/** The token came from the future, or the wall clock moved by itself: its age cannot be known. */
const suspect = (s: State, record: SessionRecord, now: Clock): boolean =>
  now.wall < record.issuedAtWall - TOLERANCE || Math.abs(now.wall - now.mono - s.gap!) > TOLERANCE;

const live = (s: State, now: Clock): boolean => {
  const record = s.record;
  return (
    !!record?.access &&
    record.access != s.rejected &&
    // Servers count whole seconds, so the last one may not be there.
    (suspect(s, record, now) ||
      now.wall - record.issuedAtWall < record.lifeMs - Math.min(1e3, record.lifeMs / 2))
  );
};

/** Milliseconds until a refresh is due; `Infinity` if there is nothing to renew. */
const dueIn = (s: State, now: Clock): number => {
  const { carrier, record } = s;
  const wait = Math.max(backoff(record, now.wall, s.online), s.hold - now.mono);
  // The server may have rotated at a request whose answer nobody has. It recognises the repetition only within the grace,
  // which may end before the token has aged.
  const unanswered = record?.sentAtWall || record?.lostAtWall;
  if (!s.ready || record?.end) return 1 / 0;
  // The cookie of a page that has no token may be good; that is asked only for somebody who waits.
  if (!record || !(carrier == 'cookie' ? record.access || unanswered : carrier == 'header' && record.refresh))
    return carrier == 'cookie' && s.waiters.length ? wait : 1 / 0;
  // A token that nobody can use is not spared by the distance that good ones keep.
  const urgent = !live(s, now) || suspect(s, record, now);
  const early = margin(record.lifeMs) * (1 + s.jitter! / 8);
  return Math.max(
    wait,
    urgent
      ? 0
      : Math.min(record.issuedAtWall + record.lifeMs - early - now.wall, unanswered ? claimed(record, now.wall) : 1 / 0),
    // Not even a resource server that refuses every token makes a storm of renewals.
    s.since + Math.max(1e3, urgent || unanswered ? 0 : record.lifeMs / 10) - now.mono,
  );
};

/** The fields that a good token response sets, anchored at the moment when it was asked for. */
export const accept = (
  transport: string,
  body: TokenBody,
  sent: number,
  older?: Partial<SessionRecord>,
): Partial<SessionRecord> => ({
  access: body.access_token,
  // > The authorization server MAY issue a new refresh token (RFC 6749 section 6): without one the old one stays.
  refresh: transport == 'header' ? body.refresh_token || older?.refresh : undefined,
  session: body.session_id,
  lifeMs: (body.expires_in! > 0 ? +body.expires_in! : 300) * 1e3,
  refreshLifeMs: (body.refresh_expires_in ?? body.session_expires_in ?? 0) * 1e3,
  issuedAtWall: sent,
  graceMs: (body.refresh_grace || 0) * 1e3,
  retry: undefined,
  sentAtWall: 0,
  lostAtWall: 0,
});

export const reduce = (state: State, event: Event, now: Clock, random: number): [State, Effect[]] => {
  const s = { ...state };
  const out: Effect[] = [];

  if (event.type == 'wake') {
    s.look = s.again;
    s.online ||= !!event.online;
  } else if (event.type == 'get') {
    // If the token has been replaced since, the caller gets the new one, without a request.
    if (event.rejected && event.rejected == s.record?.access) s.rejected = event.rejected;
    s.waiters = [...s.waiters, { caller: event.caller, until: now.mono + 1e4 }];
  } else if (event.type == 'answer') {
    out.push(sort(s, event, now, random));
  } else if (event.type == 'stored') {
    stored(s, event, now, random, out);
  }

  plan(s, now, out);
  return [s, out];
};

/** What an answer of the token endpoint does to the record. */
const sort = (s: State, answer: Answer, now: Clock, random: number): Effect => {
  const { flight } = s;
  const { status, body, retryAfterMs = 0, offline } = answer;
  const { gen, graceMs = 0, retry, sentAtWall } = flight!;
  const fails = retry?.fails ?? 0;
  const error = body?.error;
  if (status < 300 && body?.access_token?.trim?.())
    return ['store', { kind: 'commit', gen, patch: accept(s.carrier, body, sentAtWall!, flight) }];
  // Without a body the only thing that can be wrong with the request is its cookie: it is gone.
  if (
    (status == 400 || status == 401) &&
    (error == 'invalid_grant' || (error == 'invalid_request' && s.carrier == 'cookie'))
  )
    // The tab that won may not have told yet.
    return ['store', { kind: 'end', gen, patch: { end: body!.reason || error } }, 50];
  // Any other 4xx says that the client is set up wrongly, which time alone does not heal.
  const wrong = /^4(?!08|25|29)/.test('' + status);
  // > Retry-After […] how long the user agent ought to wait (RFC 9110 section 10.2.3): a floor, spread upwards.
  // One wrong answer must not keep a client away for a day.
  let waitMs = Math.min(36e5, retryAfterMs + Math.max(250, random * Math.min(wrong ? 3e5 : 6e4, 1e3 * 2 ** fails)));
  const lostAtWall = lost(flight, now.wall, !offline && (status < 300 || status == 502 || status == 504) ? sentAtWall : 0);
  if (offline) waitMs = 6e4;
  // The server may have rotated before the answer was lost, and recognises the repetition only within the grace; so
  // it comes within half of that, and what follows in steps of an eighth, whatever the back-off has grown to and Retry-After says.
  if (lostAtWall && graceMs)
    waitMs = Math.min(waitMs, Math.max(graceMs / 8, lostAtWall + graceMs / 2 - now.wall));
  return [
    'store',
    {
      kind: 'fail',
      gen,
      patch: {
        retry: {
          fails: fails + 1,
          atWall: now.wall,
          waitMs,
          offline,
          status,
          error,
        },
        sentAtWall: 0,
        lostAtWall,
      },
    },
  ];
};

/** Adopts the record of the store, then continues with what was written. */
const stored = (
  s: State,
  { write, won, found, record, failed }: Event & { type: 'stored' },
  now: Clock,
  random: number,
  out: Effect[],
): void => {
  const { kind, patch } = write;
  // The old refresh token is spent, so the new one must get into the store: again, until it does or another tab's has.
  if (failed && (kind == 'commit' || kind == 'renew')) return void out.push(['store', write, 1e3]);
  const was = s.record;
  const is = (s.record = sound(record));
  const changed = was?.gen !== is?.gen;
  if (!s.ready || changed) {
    s.rejected = undefined;
    s.jitter = random;
    s.gap = now.wall - now.mono;
    s.hold = 0;
    s.online = false;
    if (s.ready) {
      s.since = now.mono;
      if (signedIn(s, is))
        out.push([
          'emit',
          signedIn(s, was) && is!.session != was!.session ? 'switched' : 'refreshed',
          { session: is!.session, expiresAt: is!.issuedAtWall + is!.lifeMs },
        ]);
      else if (signedIn(s, was)) out.push(['emit', 'signedOut', { reason: is?.end ?? 'storage' }]);
    }
    s.ready = true;
  }

  // Only the tab that wrote tells the others, so that messages do not bounce.
  if (won && changed) out.push(['tell']);
  if (kind == 'claim' && won) {
    s.flight = is;
    out.push(['send', is!.refresh!]);
  } else if (write.gen! >= 0) {
    s.flight = undefined;
    out.push(['release']);
  }
  if (kind == 'claim' && !won) s.hold = now.mono + claimed(is, now.wall);
  // End what another session replaced, and what came too late. Not within one session: two tabs may hold the same token,
  // and revoking that would end it.
  const loser = won ? kind == 'set' && sound(found) : patch;
  const token = loser && (loser.refresh || loser.access);
  if (token && is && (is.end || is.session != loser.session)) out.push(['revoke', token]);
  // While the store fails this tab gives out what it has, and renews nothing that others would find there.
  if (failed) s.look = s.again = s.hold = now.mono + 5e3;
  const retry = kind == 'fail' ? patch!.retry : failed && kind == 'claim' && { status: 0, fails: 1, error: 'storage' };
  if (retry && (won || failed)) {
    s.online = false;
    out.push([
      'emit',
      'refreshError',
      { ...retry, retryAt: now.wall + Math.max(backoff(is, now.wall), s.hold - now.mono) },
    ]);
  }
};

const signedIn = (s: State, record: SessionRecord | undefined): boolean =>
  !!record && !record.end && (!!record.access || s.carrier == 'session');

/** The next step and the next timer, the same after every event. */
const plan = (s: State, now: Clock, out: Effect[]): void => {
  const due = dueIn(s, now);
  let wait = s.flight ? 1 / 0 : due;
  if (wait <= 0) {
    s.flight = {};
    wait = 1 / 0;
    // The generation from before the wait: if the tab adopts newer tokens meanwhile, the claim must fail.
    out.push(['lock', { kind: 'claim', gen: s.record?.gen ?? 0, online: s.online }]);
  }
  s.waiters = s.waiters.filter(({ caller, until }) => {
    if (live(s, now)) out.push(['give', caller, s.record!.access!]);
    else if (s.ready && due == 1 / 0)
      out.push(['deny', caller, { name: 'LoginRequired', reason: s.record ? s.record.end || 'expired' : 'none' }]);
    else if (now.mono < until) return (wait = Math.min(wait, until - now.mono));
    else out.push(['deny', caller, { name: 'RefreshUnavailable', retryAt: now.wall + Math.max(0, s.ready ? due : 0) }]);
    return 0;
  });
  if (s.look > now.mono) wait = Math.min(wait, s.look - now.mono);
  else {
    s.look = 1 / 0;
    s.again = now.mono + 1e3;
    out.push(['store', { kind: 'read' }]);
  }
  // Longer timers overflow (2**31 ms fire at once), or drift while a device sleeps.
  out.push(['timer', wait < 1 / 0 ? Math.min(wait, 6e4) : wait]);
};
