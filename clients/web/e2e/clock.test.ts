/** Renewal by the browser's clock, which the tests turn: hours pass in seconds. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { call, heard, login, start, token, until } from './browser.js';
import { REFRESH, inBrowser, withoutLocks } from './within.js';

const within = inBrowser();

/**
 * Lets the clock run, which is one for all tabs of a profile, in steps that give the network and the disk their real time.
 *
 * The time limits of a request (7 s) and of the store (2 s) run by that clock too, so a step in which a renewal may begin
 * is shorter than both. A renewal may itself wait for the clock, as a repetition does; so while one is in flight the clock
 * goes on, at less than its real pace.
 */
const pass = async (pages: Page[], ms: number, step = 1000) => {
  for (let passed = 0; passed < ms; passed += step) {
    await pages[0]!.clock.runFor(step);
    let looks = 0;
    await until(async () => {
      const busy = await Promise.all(pages.map((page) => page.evaluate(() => globalThis.busy)));
      if (!busy.includes(true)) return true;
      if (++looks > 50) await pages[0]!.clock.runFor(10);
      return false;
    });
  }
};

describe('with the clock in hand', () => {
  const clock = Date.now();

  for (const [name, grace, before] of [
    ['under the lock, grace 0', 0, undefined],
    ['without locks, grace 10 s', 10, withoutLocks],
  ] as const)
    test(`five tabs ${name}, a hundred renewals: no reuse, at most 1.1 times those of one tab`, () =>
      within({ accessTtl: 10, grace }, async (site, open) => {
        const alone = await open({ clock, ...(before && { before }) });
        await login(alone);
        await pass([alone], 100e3);
        const one = site.count(REFRESH);
        const pages = [alone];
        while (pages.length < 5) pages.push(await open(before && { before }));
        const already = site.count(REFRESH);
        await pass(pages, 520e3);
        const five = site.count(REFRESH) - already;
        assert.ok(one >= 18, `${one}`);
        assert.ok(five >= 100, `${five}`);
        assert.ok(five <= 1.1 * 5.2 * one, `${five} of five tabs for 5.2 × ${one}`);
        // For the server only moments have passed, so with a grace it gives the same token again and again.
        const rotations = () => site.happened('refreshed') + (grace && site.happened('replayed'));
        await until(() => rotations() >= site.count(REFRESH));
        assert.equal(rotations(), site.count(REFRESH));
        for (const page of pages) assert.deepEqual(await heard(page, 'signedOut'), []);
        // A tab looks at the store at most once a second, so news of the last renewal may still be on its way.
        let tokens = new Set<string>();
        for (let i = 0; i < 40 && tokens.size != 1; i++) {
          await pass(pages, 500, 500);
          tokens = new Set(await Promise.all(pages.map(token)));
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
        await pass([page], 60e3);
        assert.equal(site.count(REFRESH), 1);
      }));

  test('a device clock that jumps a day back: the token is tried, and one renewal follows', () =>
    within({ accessTtl: 300 }, async (site, open) => {
      const first = await open({ clock });
      const pages = [first, await open()];
      await login(pages[0]!);
      await pass(pages, 30e3);
      await first.clock.setSystemTime(clock - 864e5);
      assert.equal(await call(pages[0]!), 200);
      await pass(pages, 60e3);
      assert.equal(site.count(REFRESH), 1);
      for (const page of pages) assert.equal(await call(page), 200);
    }));

  test('a lifetime of 30 days: no timer overflows', () =>
    within({}, async (site, open) => {
      const page = await open({ clock });
      site.fault = (path) => (path == '/auth/login' ? { patch: { expires_in: 30 * 86400 } } : undefined);
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
      await pass([page], 600e3);
      const errors = await heard(page, 'refreshError');
      assert.ok(errors.length >= 5 && errors.length <= 11, `${errors.length}`);
      assert.ok(errors.every((error) => error.status === 0));
      assert.equal(site.sent(REFRESH), 0);
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
      const attempts = site.sent(REFRESH);
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
