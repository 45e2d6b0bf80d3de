/** Writes the record one change after the other, and decides what to do if the store fails or does not answer. */
import type { Stored } from './machine.js';
import { type Clock, type SessionRecord, type Write, apply, sound } from './record.js';
import { type Store, memory } from './store.js';

/** Runs one write; `known` is the record as this tab knows it, and `limit` aborts when the store has had its time. */
export type Keeper = (write: Write, known: SessionRecord | undefined, limit: AbortSignal) => Promise<Stored>;

/** Rejects when `signal` aborts. */
export const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    signal.throwIfAborted();
    signal.onabort = () => reject(signal.reason);
  });

/**
 * Keeps the record in `home`, or in memory if that fails.
 *
 * A call that rejects is repeated. If none works, the tab goes on in memory, but not with a refresh token that `home`
 * still has: to use it here would make it stale there, and the next tab that reads it would look like a thief. Such a
 * write has `failed`, and the session is left to the tabs that can store it.
 */
export const keeper = (home: Store, clock: () => Clock, sleep: (ms: number) => Promise<unknown>): Keeper => {
  let store = home;
  return async (write, known, limit) => {
    const { kind } = write;
    let found: SessionRecord | undefined;
    let next: SessionRecord | undefined;
    let failed = false;
    const change = (is: unknown) => (next = apply(write, (found = sound(is)), clock()));
    const attempt = () =>
      // A store that answers too late changes nothing any more.
      Promise.race([store.update((is) => (limit.aborted ? undefined : change(is))), aborted(limit)]);
    const again = async () => {
      limit.throwIfAborted();
      await sleep(100);
      return attempt();
    };
    // A login is a new beginning.
    if (kind == 'set') store = home;
    const record = await attempt().catch(again).catch(again).catch(() => {
      // A login that was handed over in time may be stored in the end, and counts as stored.
      if (kind == 'end' || (kind == 'set' ? !limit.aborted || !next : kind != 'read' && !known?.refresh))
        return (store = memory(known)).update(change);
      failed = true;
      return kind == 'set' ? next : known;
    });
    return { write, failed, found, record: sound(record), won: !failed && !!next };
  };
};
