/** An IndexedDB that is full, refused, broken for a moment, or never answers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { call, heard, login, sleep, start, token, until } from './browser.js';
import type { Site } from './site.js';
import { REFRESH, inBrowser } from './within.js';

const within = inBrowser();

declare global {
  // In the page.
  var idb: { fault: 'hangs' | 'put' | 'throws' | undefined; left: number };
}

/** For `TabOptions.before`: an IndexedDB of which the next `idb.left` calls go wrong in the manner of `idb.fault`. */
const breakable = () => {
  globalThis.idb = { fault: undefined, left: 0 };
  const { open } = IDBFactory.prototype;
  const { put } = IDBObjectStore.prototype;
  const wrong = (fault: typeof idb.fault) => idb.fault == fault && idb.left-- > 0;
  IDBFactory.prototype.open = function (...args) {
    if (wrong('throws')) throw new DOMException('Internal error opening backing store', 'UnknownError');
    // A request that nobody serves.
    if (wrong('hangs')) return new EventTarget() as IDBOpenDBRequest;
    return open.apply(this, args);
  };
  IDBObjectStore.prototype.put = function (...args) {
    const request = put.apply(this, args);
    if (wrong('put')) this.transaction.abort();
    return request;
  };
};

const arm = (page: Page, fault: typeof idb.fault, left: number) =>
  page.evaluate(([fault, left]) => void Object.assign(idb, { fault, left }), [fault, left] as const);

/** Forces a renewal, and waits for what comes of it. */
const renew = (page: Page) =>
  page.evaluate(async () => {
    const old = await auth.getToken();
    return auth.getToken(old).then(
      (token) => (token == old ? 'the same' : 'renewed'),
      (error) => String(error.name),
    );
  });

describe('storage', { concurrency: 2 }, () => {
  const works = async (site: Site, page: Page) => {
    await login(page);
    assert.equal(await call(page), 200);
    await until(() => site.count(REFRESH) >= 1);
    assert.equal(await call(page), 200);
    assert.deepEqual(await heard(page, 'signedOut'), []);
  };

  test('that is full: the page works in memory', () =>
    within({ accessTtl: 4 }, async (site, open, context) => {
      const page = await open();
      const session = await context.newCDPSession(page);
      await session.send('Storage.overrideQuotaForOrigin', { origin: site.url, quotaSize: 1 });
      await works(site, page);
      assert.equal(await token(await open()), 'LoginRequired none');
    }));

  test('that is refused: the page works in memory', () =>
    within({ accessTtl: 4 }, async (site, open) => {
      const before = () => {
        IDBFactory.prototype.open = () => {
          throw new DOMException('no', 'SecurityError');
        };
      };
      await works(site, await open({ before }));
    }));

  test('that holds nonsense is no session, and a login repairs it', () =>
    within({}, async (_site, open) => {
      const page = await open();
      await login(page);
      await page.evaluate(
        () =>
          new Promise<void>((resolve) => {
            const open = indexedDB.open('@hallpass/web');
            open.onsuccess = () => {
              const transaction = open.result.transaction('records', 'readwrite');
              transaction.objectStore('records').put('nonsense', 'auth');
              transaction.oncomplete = () => resolve();
              open.result.close();
            };
          }),
      );
      const next = await open();
      assert.equal(await token(next), 'LoginRequired none');
      await login(next);
      assert.equal(await call(next), 200);
    }));

  for (const fault of ['throws', 'put', 'hangs'] as const)
    for (let calls = 1; calls <= 3; calls++)
      test(`in which ${calls} of its calls go wrong (${fault}) at a renewal: after a reload the session goes on`, () =>
        within({ accessTtl: 300, grace: 0, tolerance: 0 }, async (site, open) => {
          const page = await open({ before: breakable });
          await login(page);
          await sleep(1100);
          await arm(page, fault, calls);
          assert.match(await renew(page), /renewed|RefreshUnavailable/);
          await page.reload();
          await start(page);
          assert.equal(await call(page), 200);
          await sleep(1100);
          assert.equal(await renew(page), 'renewed');
          assert.deepEqual(await heard(page, 'signedOut'), []);
          assert.ok(site.happened('refreshed') >= 1);
        }));

  test('that is full from one moment to the next: the session stays as it is stored', () =>
    within({ accessTtl: 300, grace: 0, tolerance: 0 }, async (site, open) => {
      const page = await open({ before: breakable });
      await login(page);
      await sleep(1100);
      await arm(page, 'put', 1e9);
      assert.equal(await renew(page), 'RefreshUnavailable');
      assert.equal((await heard(page, 'refreshError'))[0]!.error, 'storage');
      assert.equal(site.sent(REFRESH), 0);
      await page.reload();
      await start(page);
      assert.equal(await renew(page), 'renewed');
      assert.deepEqual(await heard(page, 'signedOut'), []);
    }));

  test('that never answers from the start: a login and a logout are done all the same', () =>
    within({}, async (site, open) => {
      const page = await open({ before: breakable });
      await arm(page, 'hangs', 1e9);
      await login(page);
      assert.equal(await call(page), 200);
      assert.equal(await page.evaluate(() => auth.logout()), true);
      assert.equal(site.count('/auth/logout', 204), 1);
      assert.equal(await token(page), 'LoginRequired logout');
    }));
});

