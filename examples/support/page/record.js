// Reads what the client keeps in this browser, for the buttons that need the tokens themselves.
// Any script of this origin could do the same: the header transport trusts the page's scripts.
import { key } from './client.js';

export const record = () =>
  new Promise((resolve) => {
    const open = indexedDB.open('@hallpass/web');
    open.onerror = () => resolve({});
    // If there is no database yet, the client creates it.
    open.onupgradeneeded = () => open.transaction.abort();
    open.onsuccess = () => {
      const get = open.result.transaction('records').objectStore('records').get(key());
      get.onsuccess = () => resolve(get.result ?? {});
      get.onerror = () => resolve({});
      open.result.close();
    };
  });
