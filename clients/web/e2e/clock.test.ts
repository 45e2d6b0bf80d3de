/** Renewal by the browser's clock, which the tests turn: hours pass in seconds. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { call, heard, launch, login, openTab, sleep, start, token, until } from './browser.js';
import { isMock } from './servers.js';
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

/**
 * Lets the clock run, which is one for all tabs of a profile, in steps that give the network its real time. The time
 * limit of a request runs by that clock too, so a step in which one may begin must be shorter than 7 s.
 */
const pass = async (pages: Page[], ms: number, step = 1000) => {
  for (let passed = 0; passed < ms; passed += step) {
    await pages[0]!.clock.runFor(step);
    for (let i = 0; i < 200; i++) {
      const busy = await Promise.all(pages.map((page) => page.evaluate(() => globalThis.busy)));
      if (!busy.includes(true)) break;
      await sleep(5);
    }
  }
};

describe('with the clock in hand', () => {
  const clock = Date.now();

  test('five tabs, grace 0, a hundred rotations: no reuse, at most 1.1 times the renewals of one tab', () =>
    within({ accessTtl: 10, grace: 0 }, async (site, open) => {
      const alone = await open({ clock });
      await login(alone);
      await pass([alone], 100e3, 1250);
      const one = site.count(REFRESH);
      const pages = [alone];
      while (pages.length < 5) pages.push(await open());
      const before = site.count(REFRESH);
      await pass(pages, 500e3, 1250);
      const five = site.count(REFRESH) - before;
      assert.ok(one >= 18, `${one}`);
      assert.ok(five >= 100, `${five}`);
      assert.ok(five <= 1.1 * 5 * one, `${five} of five tabs for 5 × ${one}`);
      if (isMock) assert.equal(site.server.log().filter((line) => line == 'rotate').length, site.count(REFRESH));
      const tokens = new Set<string>();
      for (const page of pages) {
        assert.deepEqual(await heard(page, 'signedOut'), []);
        tokens.add(await token(page));
      }
      assert.equal(tokens.size, 1, `${[...tokens]}`);
    }));

  for (const [name, offset] of [
    ['an hour fast', 36e5],
    ['an hour slow', -36e5],
  ] as const)
    test(`a device clock that is ${name} changes nothing`, () =>
      within({ accessTtl: 300 }, async (site, open) => {
        const page = await open({ clock: Date.now() + offset });
        await login(page);
        await pass([page], 200e3, 50e3);
        assert.equal(site.count(REFRESH), 0);
        assert.equal(await call(page), 200);
        await pass([page], 60e3, 5e3);
        assert.equal(site.count(REFRESH), 1);
      }));

  test('a device clock that jumps a day back: the token is tried, and one renewal follows', () =>
    within({ accessTtl: 300 }, async (site, open) => {
      const first = await open({ clock });
      const pages = [first, await open()];
      await login(pages[0]!);
      await pass(pages, 30e3, 5e3);
      await first.clock.setSystemTime(clock - 864e5);
      assert.equal(await call(pages[0]!), 200);
      await pass(pages, 60e3, 5e3);
      assert.equal(site.count(REFRESH), 1);
      for (const page of pages) assert.equal(await call(page), 200);
    }));

  test('a lifetime of 30 days: no timer overflows', () =>
    within({ accessTtl: 30 * 86400 }, async (site, open) => {
      const page = await open({ clock });
      await login(page);
      await pass([page], 3600e3, 600e3);
      assert.equal(site.count(REFRESH), 0);
      for (let day = 0; day < 30; day++) await page.clock.fastForward(86400e3);
      await until(() => site.count(REFRESH) == 1);
    }));

  test('offline for ten minutes across the expiry: a probe a minute, then one renewal', () =>
    within({ accessTtl: 300 }, async (site, open) => {
      const page = await open({ clock });
      await login(page);
      await pass([page], 200e3, 50e3);
      await page.context().setOffline(true);
      await pass([page], 600e3, 5e3);
      const errors = await heard(page, 'refreshError');
      assert.ok(errors.length >= 5 && errors.length <= 11, `${errors.length}`);
      assert.ok(errors.every((error) => error.status === 0));
      assert.equal(site.count(REFRESH), 0);
      await page.context().setOffline(false);
      await until(() => site.count(REFRESH) == 1);
      await until(async () => (await heard(page, 'refreshed')).length == 2);
      assert.equal(await call(page), 200);
      assert.deepEqual(await heard(page, 'signedOut'), []);
    }));

  test('the lid closed for two hours, and the network late: callers wait and get their token', () =>
    within({ accessTtl: 300 }, async (site, open) => {
      const page = await open({ clock });
      await login(page);
      await page.context().setOffline(true);
      await page.clock.fastForward(7200e3);
      const waiting = page.evaluate(() => auth.getToken());
      await pass([page], 3e3, 1e3);
      await page.context().setOffline(false);
      await until(() => site.count(REFRESH) >= 1);
      assert.match(await waiting, /./);
      assert.equal(site.count(REFRESH), 1);
      assert.deepEqual(await heard(page, 'signedOut'), []);
    }));

  test('503 for 30 s: attempts grow rarer, nobody is logged out, and then it goes on', () =>
    within({ accessTtl: 60 }, async (site, open) => {
      const page = await open({ clock });
      await login(page);
      site.fault = (path) => (path == REFRESH ? { status: 503, body: '{"error":"temporarily_unavailable"}' } : undefined);
      await pass([page], 75e3, 500);
      const attempts = site.count(REFRESH);
      assert.ok(attempts >= 3 && attempts <= 20, `${attempts}`);
      assert.deepEqual(await heard(page, 'signedOut'), []);
      site.fault = () => undefined;
      await pass([page], 60e3, 1e3);
      assert.equal(await call(page), 200);
      assert.deepEqual(await heard(page, 'signedOut'), []);
    }));

  test('429 with Retry-After: all tabs together keep it', () =>
    within({ accessTtl: 60 }, async (site, open) => {
      const first = await open({ clock });
      const pages = [first, await open(), await open()];
      await login(pages[0]!);
      const times: number[] = [];
      let now = 0;
      site.fault = (path) => {
        if (path != REFRESH) return;
        times.push(now);
        return { status: 429, headers: { 'retry-after': '20' } };
      };
      for (; now < 180e3; now += 1e3) await pass(pages, 1e3);
      assert.ok(times.length >= 3, `${times}`);
      times.forEach((time, i) => i && assert.ok(time - times[i - 1]! >= 19e3, `${times}`));
    }));

  test('a page that opens after a long time renews before its first request', () =>
    within({ accessTtl: 300 }, async (site, open) => {
      const page = await open({ clock });
      await login(page);
      await page.evaluate(() => auth.dispose());
      await page.clock.fastForward(864e5);
      const later = await open();
      await page.close();
      assert.equal(await call(later), 200);
      assert.equal(site.count(REFRESH), 1);
      await start(later);
      assert.match(await token(later), /./);
      assert.equal(site.count(REFRESH), 1);
    }));
});
