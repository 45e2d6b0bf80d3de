/** Renewal over many lifetimes, by one tab and by several, in real time. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { call, launch, login, openTab, sleep } from './browser.js';
import { type Site, startSite } from './site.js';

let browser: Browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

const REFRESH = '/auth/refresh';

/** Runs `body` with a site and a fresh browser profile. */
const within = async (
  flags: Parameters<typeof startSite>[0],
  body: (site: Site, open: (options?: Parameters<typeof openTab>[2]) => Promise<Page>) => Promise<void>,
) => {
  const site = await startSite(flags);
  const context = await browser.newContext();
  try {
    await body(site, (options) => openTab(context, site, options));
    assert.ok(!site.server.log().some((line) => /\breused\b/.test(line)) , 'a reuse was detected');
  } finally {
    await context.close();
    await site.stop();
  }
};

const withoutLocks = () => Object.defineProperty(navigator, 'locks', { value: undefined });

describe('in real time', () => {
  test('one visible tab over many lifetimes: every request passes, one renewal a lifetime', () =>
    within({ accessTtl: 2 }, async (site, open) => {
      const page = await open();
      await login(page);
      const end = Date.now() + 10e3;
      while (Date.now() < end) {
        assert.equal(await call(page), 200);
        await sleep(100);
      }
      assert.equal(site.count('/api/me', 401), 0);
      const renewals = site.count(REFRESH);
      assert.ok(renewals >= 5 && renewals <= 10, `${renewals}`);
    }));

  test('fifty parallel requests with a dead token: one renewal, no 401', () =>
    within({ accessTtl: 4 }, async (site, open) => {
      const first = await open();
      await login(first);
      await first.close();
      await sleep(4100);
      const page = await open();
      const statuses = await page.evaluate(() =>
        Promise.all(Array.from({ length: 50 }, () => auth.fetch('/api/me').then((response) => response.status))),
      );
      assert.deepEqual(new Set(statuses), new Set([200]));
      assert.equal(site.count('/api/me', 401), 0);
      assert.equal(site.count(REFRESH), 1);
    }));

  test('five tabs without locks, grace 10 s: as many renewals as one tab makes, and no reuse', () =>
    within({ accessTtl: 4, grace: 10 }, async (site, open) => {
      const pages = [];
      for (let i = 0; i < 5; i++) pages.push(await open({ before: withoutLocks }));
      await login(pages[0]!);
      const begin = Date.now();
      while (Date.now() < begin + 12e3) {
        await Promise.all(pages.map((page) => call(page)));
        await sleep(200);
      }
      // A token of 4 s is due after 1.75 to 2 s.
      const most = 1.1 * ((Date.now() - begin) / 1750 + 1);
      assert.ok(site.count(REFRESH) >= 4 && site.count(REFRESH) <= most, `${site.count(REFRESH)} of ${most}`);
      assert.equal(site.count('/api/me', 401), 0);
    }));

  test('an origin that is not secure: no locks there, and two tabs still renew once', () =>
    within({ accessTtl: 3, grace: 10, host: 'app.test' }, async (site, open) => {
      const [one, two] = [await open(), await open()];
      assert.deepEqual(await one.evaluate(() => [isSecureContext, 'locks' in navigator]), [false, false]);
      await login(one);
      await sleep(7000);
      assert.deepEqual([await call(one), await call(two)], [200, 200]);
      const renewals = site.count(REFRESH);
      assert.ok(renewals >= 2 && renewals <= 6, `${renewals}`);
    }));

  test('a lifetime of 1 s: no storm, and no request without a token', () =>
    within({ accessTtl: 1 }, async (site, open) => {
      const page = await open();
      await login(page);
      const begin = Date.now();
      while (Date.now() < begin + 5e3) {
        assert.notEqual(await call(page), 'LoginRequired');
        await sleep(50);
      }
      assert.ok(site.count(REFRESH) <= 7, `${site.count(REFRESH)}`);
    }));
});

