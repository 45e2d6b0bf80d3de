/**
 * The one record that all tabs share, and every way in which it may change.
 *
 * Each change is a function of the record as it is in the store at that moment, so that a store only has to
 * run it in one transaction. Nothing here knows a browser.
 */

/** Short, because they are in every third line. */
export const { min, max } = Math;

/** Both clocks, read together, in milliseconds: what the device says it is, and one that only moves forward. */
export interface Clock {
  readonly wall: number;
  readonly mono: number;
}

/**
 * What is kept for a session.
 *
 * `gen` grows by one at every change of tokens and is the only order between tabs. Fields keep their meaning for
 * ever and a later version may only add some: what a version does not know, it carries along at a renewal.
 */
export interface SessionRecord {
  readonly v: number;
  readonly gen: number;
  /** The access token; absent in a tombstone, and with the transport `session`. */
  readonly access?: string | undefined;
  /** The refresh token; only with the transport `header`. */
  readonly refresh?: string | undefined;
  readonly session?: string | undefined;
  /** Life of the access token, from the moment its request was sent. */
  readonly lifeMs: number;
  /** Life of the refresh token, from the same moment; 0 if the server does not say. */
  readonly refreshLifeMs?: number | undefined;
  /** This device's wall clock when the request was sent that brought the tokens. */
  readonly issuedAtWall: number;
  /** How long the server recognises a refresh whose answer was lost; 0 means unknown, or not at all. */
  readonly graceMs?: number | undefined;
  /** The back-off that all tabs keep; absent after a good answer. */
  readonly retry?: Retry | undefined;
  /** A refresh or a step-up was sent at this wall time and has not been answered yet. */
  readonly sentAtWall?: number | undefined;
  /** The oldest refresh within the grace that was sent and brought no answer: the server may have rotated at it. */
  readonly lostAtWall?: number | undefined;
  /** Why the session has ended. A record with it is a tombstone. */
  readonly end?: string | undefined;
}

/** No attempt before `atWall + waitMs`: two fields, so that a clock that was set back shows. */
export interface Retry {
  /** Failed attempts since the last good one. */
  readonly fails: number;
  readonly atWall: number;
  readonly waitMs: number;
  /** The device had no network when the last attempt began. */
  readonly offline?: boolean | undefined;
  /** What the server answered; 0 if no answer came. */
  readonly status: number;
  readonly error?: string | undefined;
}

/** A change of the record. */
export interface Write {
  /**
   * - `read` changes nothing.
   * - `claim`: about to ask the token endpoint; leaves a mark, so that a tab that dies now is missed in time.
   * - `mark`: the same before a step-up, which waits for nothing; with a patch, that it was answered.
   * - `commit`: new tokens for this session; from a step-up without `gen`, to replace those of a refresh that came between,
   *   but with refresh tokens not those of another session.
   * - `fail`: no answer that helps; the same tokens, and a back-off.
   * - `set`: another session, whatever was there.
   * - `end`: no session any more.
   */
  readonly kind: 'claim' | 'commit' | 'end' | 'fail' | 'mark' | 'read' | 'set';
  /** The generation that the record must still have, 0 if there must be none; without it any will do. */
  readonly gen?: number | undefined;
  readonly patch?: Partial<SessionRecord> | undefined;
  /** Of a claim: the lock is held, so that no other tab's request is in flight. */
  readonly locked?: boolean;
  /** Of a claim: the network came back after the last attempt. */
  readonly online?: boolean | undefined;
}

/** The record, or `undefined` for anything that no version of this library wrote. */
export const sound = (found: any): SessionRecord | undefined =>
  found?.gen >= 0 && found.lifeMs >= 0 && found.issuedAtWall >= 0 ? found : undefined;

/** How far two readings of one device's clock may differ before the clock counts as changed. */
export const TOLERANCE = 5e3;

/** Milliseconds of `span` that are left since `start`; 0 for a start in the future, which only a changed clock makes. */
const left = (start: number, span: number, wall: number): number =>
  wall < start - TOLERANCE ? 0 : max(0, start + span - wall);

/** Milliseconds before any tab may try again; the return of the network ends a wait for it. */
export const backoff = (record: SessionRecord | undefined, wall: number, online?: boolean): number => {
  const retry = record?.retry;
  return !retry || (retry.offline && online) ? 0 : left(retry.atWall, retry.waitMs, wall);
};

/**
 * Milliseconds for which another tab's unanswered refresh or step-up is left alone. Its own time limit is 7 s, but
 * within half of the grace somebody must repeat it: later the server takes the repetition for a theft.
 */
export const patience = (record: SessionRecord | undefined): number => min(7500, (record?.graceMs || 15e3) / 2);

/** How much of that is left. */
export const claimed = (record: SessionRecord | undefined, wall: number): number =>
  left(record?.sentAtWall ?? 0, patience(record), wall);

/** When the oldest refresh was sent that the server may still recognise, else `sent`. */
export const lost = (record: Partial<SessionRecord> | undefined, wall: number, sent: number | undefined): number | undefined =>
  left(record?.lostAtWall ?? 0, record?.graceMs || 0, wall) ? record?.lostAtWall : sent;

/** What `write` makes of the stored record, or `undefined` if its condition does not hold. */
export const apply = (write: Write, record: SessionRecord | undefined, now: Clock): SessionRecord | undefined => {
  const { kind, gen, patch, locked, online } = write;
  const was = record?.gen ?? 0;
  const another = kind == 'end' || kind == 'set';
  if (
    kind == 'read' || (kind == 'mark' && !record) || (kind != 'set' && (record?.end || (gen ?? (patch?.refresh && record?.session != patch.session ? 0 : was)) != was)) ||
    (kind == 'claim' && (backoff(record, now.wall, online) || (!locked && claimed(record, now.wall))))
  )
    return;
  return {
    v: 1,
    lifeMs: 0,
    issuedAtWall: now.wall,
    // Whatever a later version keeps beside the tokens of this session stays.
    ...(!another && record),
    // An answer removes the mark.
    sentAtWall: 0,
    ...(patch ?? {
      sentAtWall: now.wall,
      // A mark that is still there was left by a tab that died.
      lostAtWall: lost(record, now.wall, record?.sentAtWall),
    }),
    // After a lost store the count starts at the clock, so that it does not meet an older one again.
    gen: (was || now.wall) + (another || kind == 'commit' ? 1 : 0),
  };
};
