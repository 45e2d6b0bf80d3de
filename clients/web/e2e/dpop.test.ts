/** A key that the browser keeps: one for all tabs, out of reach of scripts, and needed for each use of a token. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { call, login, sleep, token, until } from './browser.js';
import { isMock } from './servers.js';
import { REFRESH, inBrowser } from './within.js';

const within = inBrowser();

/** Puts a client that proves a key in the place of the page's. */
const proving = (page: Page): Promise<void> =>
  page.evaluate(
    async ([auth, dpop]) => {
      globalThis.auth.dispose();
      const { createAuth } = (await import(auth)) as typeof import('../src/index.js');
      const { dpopFetch } = (await import(dpop)) as typeof import('../src/dpop.js');
      globalThis.auth = createAuth({ transport: 'header', fetch: dpopFetch() });
    },
    ['/__e2e/auth.js', '/__e2e/dpop.js'] as const,
  );

/** What a script gets of the key, and whether it may be exported. */
const steal = (page: Page): Promise<string> =>
  page.evaluate(async () => {
    const db = await new Promise<IDBDatabase>((resolve) => {
      const open = indexedDB.open('@hallpass/web/dpop');
      open.onsuccess = () => resolve(open.result);
    });
    const key = await new Promise<{ privateKey: CryptoKey }>((resolve) => {
      const get = db.transaction('keys').objectStore('keys').get('auth');
      get.onsuccess = () => resolve(get.result);
    });
    db.close();
    return crypto.subtle.exportKey('jwk', key.privateKey).then(
      () => 'exported',
      (error) => error.name,
    );
  });

/** The status of a call with a copy of the token. */
const copied = (page: Page, scheme: string, token: string): Promise<number> =>
  page.evaluate(
    async ([scheme, token]) => (await fetch('/api/me', { headers: { authorization: `${scheme} ${token}` } })).status,
    [scheme, token] as const,
  );

describe('a key of the browser', { skip: isMock && 'the mock server demands no proof' }, () => {
  test('is one for all tabs, and without it a copy of the token is worth nothing', () =>
    within({ accessTtl: 300, grace: 0, tolerance: 0 }, async (site, open) => {
      const pages = [await open(), await open()] as const;
      for (const page of pages) await proving(page);
      const [page, other] = pages;
      assert.equal((await login(page)).token_type, 'DPoP');
      // The other tab hears of it a moment later.
      await until(async () => !/ /.test(await token(other)));
      for (const page of pages) assert.equal(await call(page), 200);
      const access = await token(other);
      for (const scheme of ['Bearer', 'DPoP']) assert.equal(await copied(page, scheme, access), 401, scheme);
      assert.equal(await steal(page), 'InvalidAccessError');

      // The other tab renews, and both go on.
      await sleep(1100);
      await other.evaluate(async () => void (await auth.getToken(await auth.getToken())));
      assert.equal(site.count(REFRESH, 200), 1);
      await until(async () => (await token(page)) != access);
      for (const page of pages) assert.equal(await call(page), 200);
      assert.ok(await page.evaluate(() => auth.logout()));
      // The other tab hears of this too a moment later.
      await until(async () => /^LoginRequired/.test(await token(other)));
    }));

  test('stays in every tab if somebody mistypes the password', () =>
    within({ accessTtl: 300, grace: 0, tolerance: 0 }, async (site, open) => {
      const pages = [await open(), await open()] as const;
      for (const page of pages) await proving(page);
      const [page, other] = pages;
      await login(page);
      const refused = await page.evaluate(() =>
        auth.login({ username: 'alice', password: 'wrong' }).then(
          () => 'logged in',
          (error) => error.error,
        ),
      );
      assert.equal(refused, 'invalid_credentials');
      await sleep(1100);
      await other.evaluate(async () => void (await auth.getToken(await auth.getToken())));
      assert.equal(site.count(REFRESH, 200), 1);
      for (const page of pages) assert.equal(await call(page), 200);
    }));

  test('is made by the next login, and a session from before goes on without', () =>
    within({ accessTtl: 300, grace: 0, tolerance: 0 }, async (site, open) => {
      const page = await open();
      assert.equal((await login(page)).token_type, 'Bearer');
      await proving(page);
      assert.equal(await call(page), 200);
      await sleep(1100);
      await page.evaluate(async () => void (await auth.getToken(await auth.getToken())));
      assert.equal(site.count(REFRESH, 200), 1);
      assert.equal(await call(page), 200);
      assert.equal((await login(page)).token_type, 'DPoP');
      assert.equal(await call(page), 200);
    }));

  test('is proven by a device whose clock is wrong', () =>
    within({ accessTtl: 300, grace: 0, tolerance: 0 }, async (_site, open) => {
      for (const minutes of [10, -10]) {
        const page = await open();
        await page.evaluate((minutes) => {
          const now = Date.now.bind(Date);
          Date.now = () => now() + minutes * 6e4;
        }, minutes);
        await proving(page);
        assert.equal((await login(page)).token_type, 'DPoP');
        assert.equal(await call(page), 200);
      }
    }));
});
