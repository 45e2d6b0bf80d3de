/** Renewal over many lifetimes, by one tab and by several, in real time. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { call, heard, login, sleep, token, until } from './browser.js';
import { REFRESH, inBrowser, withoutLocks } from './within.js';

const within = inBrowser();

// Nearly all of it is waiting.
describe('in real time', { concurrency: 3 }, () => {
  test('one visible tab over many lifetimes: every request passes, one renewal a lifetime', () =>
    within({ accessTtl: 8 }, async (site, open) => {
      const page = await open();
      const begin = Date.now();
      await login(page);
      while (site.count(REFRESH) < 5) {
        assert.equal(await call(page), 200);
        await sleep(100);
      }
      assert.equal(site.count('/api/me', 401), 0);
      const renewals = site.count(REFRESH);
      // A token of 8 s is due after 3.5 to 4 s.
      const most = (Date.now() - begin) / 3500 + 1;
      assert.ok(renewals <= most, `${renewals} of ${most}`);
    }));

  test('fifty parallel requests with a dead token: one renewal, and all of them with the new one', () =>
    // For the server both tokens live on while a slow machine gets the fifty through.
    within({ accessTtl: 300 }, async (site, open) => {
      site.fault = (path) => (path == '/auth/login' ? { patch: { expires_in: 2 } } : undefined);
      const first = await open();
      await login(first);
      await first.evaluate(() => auth.dispose());
      const before = site.count(REFRESH);
      await sleep(2e3);
      const page = await open();
      const statuses = await page.evaluate(() =>
        Promise.all(Array.from({ length: 50 }, () => auth.fetch('/api/me').then((response) => response.status))),
      );
      assert.deepEqual(new Set(statuses), new Set([200]));
      assert.equal(site.count(REFRESH) - before, 1);
      const sent = site.seen.filter((entry) => entry.path == '/api/me').map((entry) => entry.authorization);
      assert.equal(sent.length, 50);
      assert.deepEqual(new Set(sent), new Set([`Bearer ${await token(page)}`]));
    }));

  for (const [name, flags, options] of [
    ['under the lock, grace 0', { accessTtl: 8, grace: 0 }, {}],
    ['without locks, grace 10 s', { accessTtl: 8, grace: 10 }, { before: withoutLocks }],
  ] as const)
    test(`five tabs ${name}: as many renewals as one tab makes, and no reuse`, () =>
      within(flags, async (site, open) => {
        const pages = [];
        for (let i = 0; i < 5; i++) pages.push(await open(options));
        const begin = Date.now();
        await login(pages[0]!);
        for (const page of pages) await until(async () => (await heard(page, 'refreshed')).length > 0);
        while (site.count(REFRESH) < 3) {
          const statuses: unknown[] = await Promise.all(pages.map((page) => call(page)));
          assert.deepEqual(new Set(statuses), new Set([200]));
          await sleep(200);
        }
        // A token of 8 s is due after 3.5 to 4 s.
        const most = 1.1 * ((Date.now() - begin) / 3500 + 1);
        assert.ok(site.count(REFRESH) <= most, `${site.count(REFRESH)} of ${most}`);
        assert.equal(site.count('/api/me', 401), 0);
      }));

  test('an origin that is not secure: no locks there, and two tabs still renew once', () =>
    within({ accessTtl: 3, grace: 10, host: 'app.test' }, async (site, open) => {
      const [one, two] = [await open(), await open()];
      assert.deepEqual(await one.evaluate(() => [isSecureContext, 'locks' in navigator]), [false, false]);
      const begin = Date.now();
      await login(one);
      await sleep(7000);
      await until(() => site.count(REFRESH) >= 2);
      assert.deepEqual([await call(one), await call(two)], [200, 200]);
      const renewals = site.count(REFRESH);
      // A token of 3 s is due after 1.3 to 1.5 s.
      const most = 1.1 * ((Date.now() - begin) / 1300 + 1);
      assert.ok(renewals <= most, `${renewals} of ${most}`);
    }));

  test('a lifetime of 1 s: no storm, and no request without a token', () =>
    within({ accessTtl: 1 }, async (site, open) => {
      const page = await open();
      const begin = Date.now();
      await login(page);
      while (Date.now() < begin + 5e3) {
        assert.notEqual(await call(page), 'LoginRequired');
        await sleep(50);
      }
      const most = (Date.now() - begin) / 1e3 + 2;
      assert.ok(site.count(REFRESH) <= most, `${site.count(REFRESH)} of ${most}`);
    }));
});

