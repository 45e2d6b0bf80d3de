/** What tabs of one browser do to each other: the lock, the back/forward cache, and another user's login. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { call, heard, launch, login, openTab, sleep, token, until } from './browser.js';
import { type Site, startSite } from './site.js';
import { REFRESH, inBrowser } from './within.js';

const within = inBrowser();

/** Asks for a renewal without waiting for it. */
const renew = (page: Page) => page.evaluate(async () => void auth.getToken(await auth.getToken()).catch(() => {}));

const at = (site: Site, path: string) => site.seen.filter((entry) => entry.path == path).at(-1)!.at;

describe('a renewal in flight in another tab', { concurrency: 2 }, () => {
  for (const [name, path, body] of [
    ['a login', '/auth/login', () => auth.login({ username: 'alice', password: 'wonderland' })],
    ['a step-up', '/auth/step-up', () => auth.stepUp({ password: 'wonderland' })],
    ['a logout', '/auth/logout', () => auth.logout()],
  ] as const)
    test(`${name} waits until its answer is there`, () =>
      within({ accessTtl: 300 }, async (site, open) => {
        const [page, other] = [await open({ auth: { transport: 'cookie' } }), await open({ auth: { transport: 'cookie' } })];
        await login(page);
        await until(async () => !/ /.test(await token(other)));
        await sleep(1100);
        site.fault = (path) => (path == REFRESH ? { delayMs: 2000 } : undefined);
        await renew(page);
        await until(() => site.sent(REFRESH) == 1);
        await other.evaluate<unknown>(body as () => Promise<unknown>);
        // The proxy holds the answer back for so long.
        assert.ok(at(site, path) - at(site, REFRESH) >= 1900, `${at(site, path) - at(site, REFRESH)}`);
        if (path != '/auth/logout') assert.equal(await call(other), 200);
        assert.equal(site.count(REFRESH), 1);
      }));

  test('a renewal waits for a login that is under way', () =>
    within({ accessTtl: 300 }, async (site, open) => {
      const [page, other] = [await open(), await open()];
      await login(page);
      await until(async () => !/ /.test(await token(other)));
      await sleep(1100);
      site.fault = (path) => (path == '/auth/login' ? { delayMs: 2000 } : undefined);
      const second = login(page);
      await until(() => site.sent('/auth/login') == 2);
      const fresh = other.evaluate(async () => auth.getToken(await auth.getToken()));
      const { access_token } = await second;
      // It takes over what the login brought.
      assert.equal(await fresh, access_token);
      assert.equal(site.sent(REFRESH), 0);
    }));
});

describe('another login', { concurrency: 2 }, () => {
  test('in another tab is a switch, and no renewal', () =>
    within({}, async (site, open) => {
      const [page, other] = [await open(), await open()];
      const first = await login(page);
      await until(async () => (await heard(other, 'refreshed')).length == 1);
      const second = await page.evaluate(() => auth.login({ username: 'bob', password: 'builder' }));
      for (const each of [page, other]) {
        await until(async () => (await heard(each, 'switched')).length == 1);
        assert.equal((await heard(each, 'switched'))[0]!.session, second.session_id);
        assert.equal((await heard(each, 'refreshed')).length, 1);
        assert.deepEqual(await heard(each, 'signedOut'), []);
      }
      // The first session has ended on the server.
      await until(() => site.count('/auth/revoke', 200) == 1);
      const headers = { authorization: `Bearer ${first.access_token}` };
      assert.equal((await fetch(site.server.url + '/api/me', { headers })).status, 401);
      assert.equal(await call(other), 200);
    }));

  test('of the same user after a logout is no switch', () =>
    within({}, async (_site, open) => {
      const page = await open();
      await login(page);
      await page.evaluate(() => auth.logout());
      await login(page);
      assert.deepEqual(await heard(page, 'switched'), []);
      assert.equal((await heard(page, 'refreshed')).length, 2);
    }));
});

test('a step-up renews the session in place, for every tab, and is refused with the wrong password', () =>
  within({}, async (site, open) => {
    const [page, other] = [await open(), await open()];
    const { session_id } = await login(page);
    await until(async () => !/ /.test(await token(other)));
    const status = await page.evaluate(() => auth.stepUp({ password: 'wrong' }).catch((error) => error.status));
    assert.equal(status, 401);
    assert.equal(await call(page), 200);
    const response = await page.evaluate(() => auth.stepUp({ password: 'wonderland' }));
    assert.equal(response.session_id, session_id);
    await until(async () => (await token(other)) == response.access_token);
    await sleep(1100);
    await renew(other);
    await until(() => site.count(REFRESH, 200) == 1);
    assert.deepEqual(await heard(other, 'signedOut'), []);
  }));

describe('the back/forward cache', { concurrency: 2 }, () => {
  /** A browser that has one, with three tabs that are signed in. */
  const cached = async (body: (site: Site, pages: [Page, Page, Page]) => Promise<void>) => {
    const browser = await launch({ ignoreDefaultArgs: ['--disable-back-forward-cache'] });
    const site = await startSite({ accessTtl: 300 });
    try {
      const context = await browser.newContext();
      const tab = () => openTab(context, site);
      const pages: [Page, Page, Page] = [await tab(), await tab(), await tab()];
      await login(pages[0]);
      for (const page of pages) await until(async () => !/ /.test(await token(page)));
      await sleep(1100);
      await body(site, pages);
    } finally {
      await browser.close();
      await site.stop();
    }
  };

  /** Milliseconds until a forced renewal is done. */
  const timed = (page: Page) =>
    page.evaluate(async () => {
      const begin = performance.now();
      await auth.getToken(await auth.getToken());
      return performance.now() - begin;
    });

  const pending = (page: Page, count: number) =>
    until(() => page.evaluate(async (count) => (await navigator.locks.query()).pending!.length == count, count));

  const slowly = (site: Site, delayMs: number) => {
    site.fault = (path) => {
      if (path != REFRESH) return;
      site.fault = () => undefined;
      return { delayMs };
    };
  };

  test('a page that goes there while its renewal is in flight does not keep the lock', () =>
    cached(async (site, [page, other]) => {
      slowly(site, 6000);
      await renew(page);
      await until(() => site.sent(REFRESH) == 1);
      const waiting = timed(other);
      await pending(other, 1);
      await page.goto(site.url + '/__e2e.html?next');
      const waited = await waiting;
      assert.ok(waited < 5000, `${waited}`);
      assert.equal(await call(other), 200);
    }));

  test('a page that goes there while it waits for the lock is not given it', () =>
    cached(async (site, [page, waiter, other]) => {
      slowly(site, 3000);
      await renew(page);
      await until(() => site.sent(REFRESH) == 1);
      await renew(waiter);
      await pending(page, 1);
      await waiter.goto(site.url + '/__e2e.html?next');
      const waiting = timed(other);
      await until(() => site.count(REFRESH, 200) == 1);
      const waited = await waiting;
      assert.ok(waited < 7000, `${waited}`);
      assert.equal(await call(other), 200);
    }));
});
