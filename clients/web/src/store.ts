/** Where the record is kept. */
import type { SessionRecord } from './record.js';

/**
 * A place for the record.
 *
 * `update` reads what is there, hands it to `change` and puts what that returns, all in one transaction that no other
 * tab can enter; if `change` returns `undefined` nothing is written. It resolves, once that is durable, with what is
 * there then. It may reject, but only if nothing was written; the client then tries again, and gives the store 2 s in
 * all.
 */
export interface Store {
  update(change: (found: unknown) => SessionRecord | undefined): Promise<unknown>;
}

/** Keeps the record as long as the page lives. */
export const memory = (record?: unknown): Store => ({
  update: async (change) => (record = change(record) ?? record),
});

/**
 * Keeps the record in IndexedDB, the only storage that two tabs cannot both change at once.
 *
 * Opened for each use: an open connection keeps a page out of the back/forward cache and blocks deletions.
 */
export const indexedDb = (key: string): Store => ({
  update: (change) =>
    new Promise((resolve, reject) => {
      const open = indexedDB.open('@hallpass/web');
      open.onupgradeneeded = () => open.result.createObjectStore('records');
      open.onerror = reject;
      open.onsuccess = () => {
        const db = open.result;
        try {
          // Strict, because a commit that a power cut undoes is a refresh token used twice.
          const transaction = db.transaction('records', 'readwrite', { durability: 'strict' });
          const records = transaction.objectStore('records');
          const get = records.get(key);
          let record: unknown;
          get.onsuccess = () => {
            const next = change((record = get.result));
            if (next) records.put((record = next), key);
          };
          transaction.oncomplete = () => resolve(record);
          transaction.onabort = reject;
        } catch (error) {
          reject(error);
        }
        db.close();
      };
    }),
});
