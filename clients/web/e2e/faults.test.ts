/** What goes wrong between the browser and the server, and in the browser itself. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Page } from 'playwright-core';
import { call, endSession, heard, listSessions, login, openTab, sleep, token, until } from './browser.js';
import type { Site } from './site.js';
import { REFRESH, inBrowser } from './within.js';

const within = inBrowser();

/** Asks for a renewal without waiting for it. */
const renew = (page: Page) => page.evaluate(async () => void auth.getToken(await auth.getToken()).catch(() => {}));

/** A fault for the next refresh alone. */
const once = (site: Site, fault: ReturnType<Site['fault']>) => {
  site.fault = (path) => {
    if (path != REFRESH) return;
    site.fault = () => undefined;
    return fault;
  };
};

describe('a lost answer', { concurrency: 2 }, () => {
  test('dropped after the commit: asked for again within the grace, nobody is logged out', () =>
    within({ accessTtl: 300, grace: 40 }, async (site, open) => {
      const page = await open();
      await login(page);
      await sleep(1000);
      once(site, 'drop');
      await renew(page);
      await until(() => site.count(REFRESH) == 2);
      await until(async () => (await heard(page, 'refreshed')).length == 2);
      const [first, second] = site.seen.filter((entry) => entry.path == REFRESH);
      assert.ok(second!.at - first!.at <= 20200);
      assert.equal(await call(page), 200);
      assert.deepEqual(await heard(page, 'signedOut'), []);
    }));

  test('the tab closed at that moment, and reopened within the grace: the session goes on', () =>
    // Only the first token is due soon, and that only for the client: the server's lives on, however slow the machine is.
    within({ accessTtl: 300, grace: 60 }, async (site, open) => {
      site.fault = (path) =>
        path == REFRESH ? { delayMs: 30000 } : path == '/auth/login' ? { patch: { expires_in: 8 } } : undefined;
      const page = await open();
      await login(page);
      await until(() => site.count(REFRESH, 200) == 1);
      await page.close();
      site.fault = () => undefined;
      await sleep(1000);
      const next = await open();
      assert.equal(await call(next), 200);
      await until(() => site.happened('replayed') == 1);
      assert.equal(site.happened('refreshed'), 1);
    }));

  test('the tab closed at that moment, and reopened after the grace: a login is required', () =>
    within({ accessTtl: 2, grace: 1, tolerance: 0, reused: 1 }, async (site, open) => {
      const page = await open();
      await login(page);
      site.fault = (path) => (path == REFRESH ? { delayMs: 30000 } : undefined);
      await until(() => site.count(REFRESH, 200) == 1);
      await page.close();
      site.fault = () => undefined;
      await sleep(2500);
      const next = await open();
      assert.match(await token(next), /^LoginRequired reused/);
      assert.deepEqual(await heard(next, 'signedOut'), [{ reason: 'reused' }]);
    }));

  test('the tab that holds the lock crashes: another one goes on', () =>
    within({ accessTtl: 300, grace: 60 }, async (site, open, context) => {
      const page = await open();
      await login(page);
      const other = await open();
      const rejected = await token(other);
      await sleep(1000);
      once(site, { delayMs: 30000 });
      await renew(page);
      await until(() => site.count(REFRESH, 200) == 1);
      const session = await context.newCDPSession(page);
      session.send('Page.crash').catch(() => {});
      const fresh = await other.evaluate((rejected) => auth.getToken(rejected), rejected);
      assert.notEqual(fresh, rejected);
      assert.equal(await call(other), 200);
    }));

  test('the page of a captive portal in place of the answer: nobody is logged out', () =>
    within({ accessTtl: 300 }, async (site, open) => {
      const page = await open();
      await login(page);
      await sleep(1000);
      once(site, { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Welcome to the airport</html>' });
      await renew(page);
      await until(async () => (await heard(page, 'refreshed')).length == 2);
      assert.equal((await heard(page, 'refreshError')).length, 1);
      assert.deepEqual(await heard(page, 'signedOut'), []);
    }));
});

describe('the end of a session', { concurrency: 2 }, () => {
  test('revoked: one event in each tab, then silence', () =>
    within({ accessTtl: 4 }, async (site, open) => {
      const pages = [await open(), await open(), await open()];
      const { refresh_token } = await login(pages[0]!);
      await until(async () => !/ /.test(await token(pages[2]!)));
      const body = new URLSearchParams({ token: refresh_token! });
      await fetch(site.server.url + '/auth/revoke', { method: 'POST', body });
      await until(async () => (await Promise.all(pages.map((page) => heard(page, 'signedOut')))).every((e) => e.length));
      const { length } = site.seen;
      await sleep(3000);
      assert.equal(site.seen.length, length);
      for (const page of pages) {
        assert.deepEqual(await heard(page, 'signedOut'), [{ reason: 'revoked' }]);
        assert.equal(await token(page), 'LoginRequired revoked');
      }
      assert.equal(site.count(REFRESH, 400), 1);
    }));

  test("a logout while another tab's refresh is in flight: nothing comes back to life", () =>
    within({ accessTtl: 300 }, async (site, open) => {
      const [one, two] = [await open(), await open()];
      await login(one);
      await until(async () => !/ /.test(await token(two)));
      await sleep(1000);
      once(site, { delayMs: 5000 });
      await renew(two);
      await until(() => site.count(REFRESH) == 1);
      assert.equal(await one.evaluate(() => auth.logout()), true);
      await until(() => site.count('/auth/revoke') == 1);
      await sleep(1000);
      for (const page of [one, two]) {
        assert.deepEqual(await heard(page, 'signedOut'), [{ reason: 'logout' }]);
        assert.equal(await token(page), 'LoginRequired logout');
      }
      assert.equal(site.count(REFRESH), 1);
      assert.equal(site.count('/auth/revoke'), 1);
    }));

  test('sessions are listed, and others ended', () =>
    within({}, async (site, open, context) => {
      const page = await open();
      await login(page);
      const elsewhere = await context.browser()!.newContext();
      const other = await openTab(elsewhere, site);
      await login(other);
      const sessions = await listSessions(page);
      assert.equal(sessions.length, 2);
      await endSession(page, sessions.find((session) => !session.current)!.session_id);
      assert.equal((await listSessions(page)).length, 1);
      assert.equal(await endSession(page, 'nobody'), 404);
      assert.equal(await call(other), 401);
      await until(async () => (await heard(other, 'signedOut')).length == 1);
      await elsewhere.close();
    }));
});

describe('fetch', () => {
  test('a 401 that is not about the token is passed on, and nothing is renewed', () =>
    within({}, async (site, open) => {
      const page = await open();
      const { refresh_token } = await login(page);
      const body = JSON.stringify({ password: 'wrong', refresh_token });
      const init = { method: 'POST', body, headers: { 'content-type': 'application/json' } };
      assert.equal(await call(page, '/auth/step-up', init), 401);
      assert.equal(site.count('/auth/step-up', 401), 1);
      assert.equal(await call(page, '/__e2e/forbidden'), 401);
      assert.equal(site.sent('/__e2e/forbidden'), 1);
      assert.equal(site.count(REFRESH), 0);
    }));

  test('a body that can be sent again is, once; one that was used up is not', () =>
    within({}, async (site, open) => {
      const page = await open();
      await login(page);
      await sleep(1000);
      const refuse = { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } };
      let left = 1;
      site.fault = (path) => (path == '/api/notes' && left-- > 0 ? refuse : undefined);
      assert.equal(await call(page, '/api/notes', { method: 'POST', body: 'a=b' }), 200);
      assert.equal(site.sent('/api/notes'), 2);
      assert.equal(site.count('/api/notes'), 1);
      assert.equal(site.count(REFRESH), 1);
      left = 1;
      const status = await page.evaluate(() =>
        auth.fetch(new Request('/api/notes', { method: 'POST', body: 'a=b' })).then((response) => response.status),
      );
      assert.equal(status, 401);
      assert.equal(site.sent('/api/notes'), 3);
      // The refused token is renewed all the same, for the requests after it.
      assert.equal(await call(page, '/api/notes', { method: 'POST', body: 'a=b' }), 200);
      assert.equal(site.sent('/api/notes'), 4);
      assert.equal(site.count(REFRESH), 2);
    }));

  test('a stream is sent once, because the first attempt uses it up', () =>
    within({}, async (_site, open) => {
      const page = await open();
      const found = await page.evaluate(async (path) => {
        const { createAuth } = (await import(path)) as typeof import('../src/index.js');
        const sent: string[] = [];
        const own = createAuth({
          transport: 'header',
          storage: 'memory',
          key: 'stream',
          // Chromium streams to HTTP/2 alone; what it would have sent is read here.
          fetch: async (input, init) => {
            const request = new Request(input, init);
            // A new token each time, which the API refuses as well.
            if (request.url.endsWith('/refresh'))
              return Response.json({ access_token: String(Math.random()), refresh_token: 'r' });
            sent.push(await request.text());
            return new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } });
          },
        });
        await own.setTokens({ access_token: 'a', refresh_token: 'r' });
        const init = () => ({ method: 'POST', body: new Blob(['once']).stream(), duplex: 'half' }) as RequestInit;
        const statuses = [
          (await own.fetch('/api/notes', init())).status,
          (await own.fetch(new Request('/api/notes', init()))).status,
        ];
        own.dispose();
        return { statuses, sent };
      }, '/__e2e/auth.js');
      assert.deepEqual(found, { statuses: [401, 401], sent: ['once', 'once'] });
    }));

  test('other origins, look-alike hosts and redirects get no token', () =>
    within({}, async (site, open) => {
      const page = await open();
      await login(page);
      const authorization = (url: string) =>
        page.evaluate(
          (url) => auth.fetch(url).then(async (response) => (await response.json()).authorization ?? 'none'),
          url,
        );
      assert.match(await authorization('/__e2e/echo'), /^Bearer /);
      assert.match(await authorization(`/__e2e/redirect?to=${site.url}/__e2e/echo`), /^Bearer /);
      assert.equal(await authorization(site.other + '/__e2e/echo'), 'none');
      assert.equal(await authorization(`/__e2e/redirect?to=${encodeURIComponent(site.other + '/__e2e/echo')}`), 'none');
      const port = new URL(site.url).port;
      assert.equal(await authorization(`http://app.test:${port}/__e2e/echo`), 'none');
    }));
});

describe('the other transports', { concurrency: 2 }, () => {
  test('cookie: no refresh token in script or storage, renewed all the same, also by a page without a record', () =>
    within({ accessTtl: 4 }, async (site, open) => {
      const page = await open({ auth: { transport: 'cookie' } });
      await login(page);
      await until(() => site.count(REFRESH, 200) >= 1);
      assert.equal(await call(page), 200);
      const memory = await open({ auth: { transport: 'cookie', storage: 'memory', key: 'other' } });
      assert.equal(await call(memory), 200);
      assert.equal(await page.evaluate(() => document.cookie), '');
      assert.equal(await page.evaluate(() => auth.logout()), true);
      assert.equal(site.seen.filter((entry) => entry.path == '/auth/logout').length, 1);
      assert.equal(await call(page), 'LoginRequired');
    }));

  test('session: nothing in script at all, and its end is told', () =>
    within({ accessTtl: 2 }, async (site, open) => {
      const page = await open({ auth: { transport: 'session' } });
      await login(page);
      await sleep(2500);
      assert.equal(await call(page), 200);
      assert.ok(site.seen.every((entry) => !entry.authorization));
      assert.equal(site.count(REFRESH), 0);
      const [session] = await listSessions(page);
      await endSession(page, session!.session_id);
      assert.equal(await call(page), 401);
      await until(async () => (await heard(page, 'signedOut')).length == 1);
    }));
});

test('a thousand clients created and disposed of leave no timer, listener or channel behind', () =>
  within({}, async (_site, open) => {
    const page = await open({
      before: () => {
        const left = { timers: new Set<unknown>(), listeners: 0, channels: 0 };
        Object.assign(globalThis, { left });
        const { setTimeout: set, clearTimeout: clear, BroadcastChannel: Channel } = globalThis;
        Object.assign(globalThis, {
          setTimeout: (run: () => void, ms: number) => {
            const id = set(() => (left.timers.delete(id), run()), ms);
            left.timers.add(id);
            return id;
          },
          clearTimeout: (id: number) => (left.timers.delete(id), clear(id)),
          BroadcastChannel: class extends Channel {
            constructor(name: string) {
              super(name);
              left.channels++;
            }
            override close() {
              left.channels--;
              super.close();
            }
          },
        });
        const add = globalThis.addEventListener;
        globalThis.addEventListener = ((type: string, run: never, options?: AddEventListenerOptions) => {
          left.listeners++;
          options?.signal?.addEventListener('abort', () => left.listeners--);
          add(type, run, options);
        }) as typeof add;
      },
    });
    await login(page);
    const left = await page.evaluate(async (path) => {
      auth.dispose();
      const { createAuth } = (await import(path)) as typeof import('../src/index.js');
      for (let i = 0; i < 1000; i++) {
        const each = createAuth({ transport: 'header' });
        if (i % 2) await each.getToken();
        each.dispose();
      }
      const { timers, listeners, channels } = (globalThis as never as { left: Record<string, never> }).left;
      const held = await navigator.locks.query();
      return [(timers! as Set<unknown>).size, listeners, channels, held.held!.length, held.pending!.length];
    }, '/__e2e/auth.js');
    assert.deepEqual(left, [0, 0, 0, 0, 0]);
  }));
