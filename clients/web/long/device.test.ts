/**
 * Sessions that are bound to their browser, in a browser that is not spared: no honest request may be refused, and a
 * copy of everything that can be copied is worth nothing once its bound cookie has ended. It takes a quarter of an hour.
 */
import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { request as ask } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Browser, type BrowserContext, type CDPSession, type Page, chromium } from 'playwright-core';
import { type Cookie, FEATURES, copied } from '../e2e/bound.js';
import { PATIENCE, sleep, until } from '../e2e/browser.js';
import { type Front, startFront } from './front.js';

/** The life of a bound cookie in the demos, and how much longer its value is good, in seconds. */
const [LIFETIME, MARGIN] = [300, 60];

/** Where the browser registers and renews. */
const DEVICE = '/auth/device';

/** At least so many requests in each row. */
const ENOUGH = 500;

const USES = { cookie: ['POST', '/auth/refresh'], session: ['GET', '/api/me'] } as const;
type Transport = keyof typeof USES;

const TRANSPORTS: readonly Transport[] = ['session', 'cookie'];

/** What became of a request: its status, with the reason of a refusal, or no answer. */
type Outcome = number | `${400 | 401} ${string}` | 'lost';

/** The session has ended: the session cookie, and the refresh token, of one that a login or a logout has replaced. */
const ENDED: readonly Outcome[] = ['401 invalid_token', '400 revoked'];

/** There is no credential: the cookie is gone. */
const NOBODY: readonly Outcome[] = ['401 unauthorized', '400 invalid_request'];

interface Row {
  readonly front: Front;
  readonly transport: Transport;
  context: BrowserContext;
  page: Page;
  /** What became of the honest requests. */
  readonly tally: Map<Outcome, number>;
  tabs(count: number): Promise<Page[]>;
  login(page?: Page): Promise<number>;
  /** Waits until the browser has used its key. */
  confirmed(): Promise<void>;
  /** Sends so many requests at the same time from each page, and counts what becomes of them. Returns the refused ones. */
  use(pages: readonly Page[], each: number): Promise<Outcome[]>;
  /** Deletes the bound cookie, as if its time had come. */
  forget(): Promise<void>;
  /** Closes the browser and opens it again with the same profile. */
  reopen(): Promise<void>;
}

const send = (page: Page, method: string, path: string, times: number, body?: string): Promise<Outcome[]> =>
  page.evaluate(
    ([method, path, times, body]) =>
      Promise.all(
        Array.from({ length: times }, () =>
          fetch(path, { method, ...(body ? { body, headers: { 'content-type': 'application/json' } } : {}) }).then(
            async (answer) => {
              if (answer.status != 400 && answer.status != 401) return answer.status;
              const { error, reason } = await answer.json();
              return `${answer.status} ${reason ?? error}` as const;
            },
            () => 'lost' as const,
          ),
        ),
      ),
    [method, path, times, body ?? ''] as const,
  );

/** The same by a page that repeats what was refused for the lack of a proof, once, as the docs say. */
const sendAgain = (page: Page, method: string, path: string, times: number): Promise<number[]> =>
  page.evaluate(
    ([method, path, times]) => {
      const again = async (request: Request) => {
        const answer = await fetch(request.clone());
        const unbound = answer.status == 401 && (await answer.clone().json()).error == 'unbound';
        return unbound ? fetch(request) : answer;
      };
      const one = async () => (await again(new Request(path, { method }))).status;
      return Promise.all(Array.from({ length: times }, one));
    },
    [method, path, times] as const,
  );

const open = async (front: Front): Promise<BrowserContext> => {
  const context = await chromium.launchPersistentContext(join(front.folder, 'profile'), {
    executablePath: '/usr/bin/chromium',
    timeout: PATIENCE,
    args: [
      ...['--no-sandbox', '--disable-quic', '--disable-background-networking', '--disable-component-update'],
      ...['--disable-sync', '--disable-gpu', '--no-first-run', `--enable-features=${FEATURES}`],
      `--ignore-certificate-errors-spki-list=${front.pin}`,
    ],
  });
  context.setDefaultTimeout(PATIENCE);
  return context;
};

/** Runs a row with a server and a profile of its own, since the browser counts signatures by site. */
const row = async (transport: Transport, body: (row: Row) => Promise<void>, flags: string[] = []): Promise<void> => {
  const front = await startFront(flags);
  const tally: Row['tally'] = new Map();
  const [method, path] = USES[transport];
  const first = async () => {
    const context = await open(front);
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(`${front.url}/healthz`);
    return { context, page };
  };
  const state: Row = {
    front,
    transport,
    ...(await first()),
    tally,
    tabs: (count) =>
      Promise.all(
        Array.from({ length: count }, async () => {
          const page = await state.context.newPage();
          await page.goto(`${front.url}/healthz`);
          return page;
        }),
      ),
    login: async (page = state.page) => {
      const body = JSON.stringify({ username: 'alice', password: 'wonderland', transport, remember: true });
      const [status] = await send(page, 'POST', '/auth/login', 1, body);
      return Number(status);
    },
    confirmed: async () => {
      await until(() => front.count(DEVICE, 200) > 0);
      await until(async () => {
        await state.use([state.page], 1);
        await sleep(200);
        return front.count(DEVICE, 204) > 0;
      });
    },
    use: async (pages, each) => {
      const all = (await Promise.all(pages.map((page) => send(page, method, path, each)))).flat();
      for (const status of all) tally.set(status, (tally.get(status) ?? 0) + 1);
      return all.filter((status) => status != 200 && status != 'lost');
    },
    forget: async () => {
      const tools: CDPSession = await state.context.newCDPSession(state.page);
      for (const { name } of await state.context.cookies())
        if (name.startsWith('__Host-bound-')) await tools.send('Network.deleteCookies', { name, url: front.url });
      await tools.detach();
    },
    reopen: async () => {
      await state.context.close();
      Object.assign(state, await first());
    },
  };
  try {
    await body(state);
  } finally {
    await state.context.close();
    await front.stop();
  }
};

/** No request was refused, of enough. */
const honest = (name: string, { tally, transport }: Row, allowed: readonly Outcome[] = []) => {
  const sum = [...tally.values()].reduce((all, one) => all + one, 0);
  const text = [...tally].map(([status, count]) => `${status}: ${count}`).join(', ');
  console.log(`ROW ${name}, transport ${transport}: ${sum} requests (${text})`);
  assert.ok(sum >= ENOUGH, `${sum} requests are too few`);
  for (const status of tally.keys()) assert.ok(status == 200 || allowed.includes(status), `${name}: ${text}`);
};

/** What a thief copies. */
const copy = async ({ context }: Row): Promise<Cookie[]> => context.cookies();

/** The browser of a thief, which can bind sessions as well. */
const launchThief = ({ front }: Row): Promise<Browser> =>
  chromium.launch({
    executablePath: '/usr/bin/chromium',
    timeout: PATIENCE,
    args: ['--no-sandbox', '--disable-gpu', `--enable-features=${FEATURES}`, `--ignore-certificate-errors-spki-list=${front.pin}`],
  });

/** The challenge that anybody gets for a session whose id is known. */
const challenge = (url: string, id: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = { 'sec-secure-session-id': id, 'content-length': 0 };
    ask(url + DEVICE, { method: 'POST', headers, rejectUnauthorized: false, agent: false }, (answer) => {
      answer.resume();
      resolve(/^"([^"]+)"/.exec(`${answer.headers['secure-session-challenge']}`)![1]!);
    })
      .on('error', reject)
      .end();
  });

// The longest first: they mostly wait.
describe('a bound session', { concurrency: 5 }, () => {
  for (const transport of TRANSPORTS)
    test(`${transport}: while its cookie ends again and again, with every fifth answer lost`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(2))];
        await row.login();
        row.front.loss = 0.2;
        const end = Date.now() + 11 * 60e3;
        while (Date.now() < end) {
          await row.use(pages, 2);
          await sleep(2000);
        }
        const lost = row.front.unheard.filter((path) => path == DEVICE).length;
        const renewed = row.front.count(DEVICE, 204);
        console.log(`ROW losses, transport ${transport}: ${renewed} renewals, ${lost} answers to the browser itself lost`);
        assert.ok(renewed >= 4, 'it has renewed again and again');
        honest('every fifth answer lost, 11 min', row, ['lost']);
      }, ['--access-ttl', '5m']));

  for (const transport of TRANSPORTS)
    test(`${transport}: a quarter of an hour with three tabs, within the browser's quota`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(2))];
        await row.login();
        await row.confirmed();
        const [begin, end] = [Date.now(), Date.now() + 15 * 60e3];
        while (Date.now() < end) {
          await row.use(pages, 2);
          await sleep(2000);
        }
        const renewed = row.front.count(DEVICE, 204);
        console.log(`ROW quota, transport ${transport}: ${renewed} renewals in ${Math.round((Date.now() - begin) / 1e3)} s`);
        assert.ok(renewed >= 4, 'it has renewed again and again');
        honest('quota, 15 min', row);
      }, ['--access-ttl', '5m']));

  for (const registers of [true, false])
    test(`who copies everything a second after the login, ${registers ? 'from a browser that registers' : 'from one that never does'}, registers no key`, () =>
      row('session', async (row) => {
        if (!registers) row.front.away.set(DEVICE, 404);
        await row.login();
        await sleep(1000);
        const cookies = await copy(row);
        row.front.away.clear();
        // Without the authorization that the answer to the login had, there is nothing to register with.
        for (const field of [undefined, 'a.b.c']) {
          const fields = field ? { 'secure-session-response': field } : {};
          assert.equal(await copied(row.front.url, 'POST', DEVICE, cookies, fields), 400);
        }
        console.log(`ROW a thief a second after the login, the browser ${registers ? 'registers' : 'does not'}: no key`);
      }));

  for (const registers of [true, false])
    test(`a second profile with everything copied a second after the login, ${registers ? 'from a browser that registers' : 'from one that never does'}, binds nothing, whatever it is offered`, () =>
      row('session', async (row) => {
        if (!registers) row.front.away.set(DEVICE, 404);
        await row.login();
        await sleep(1000);
        const state = await row.context.storageState({ indexedDB: true });
        row.front.away.clear();
        const session = await row.page.evaluate(() => fetch('/auth/session').then((answer) => answer.json()));
        const id: string = session.session_id;
        const browser = await launchThief(row);
        try {
          // The thief has an account as well: what it is offered is for a session of its own.
          const own = await (await browser.newContext()).newPage();
          await own.goto(`${row.front.url}/healthz`);
          const body = JSON.stringify({ username: 'bob', password: 'builder', transport: 'session' });
          assert.deepEqual(await send(own, 'POST', '/auth/login', 1, body), [200]);
          const offer = row.front.offers.at(-1)!;
          const sealed = /authorization="[^".]+/;
          assert.match(offer, sealed);
          await own.close();

          const page = await (await browser.newContext({ storageState: state })).newPage();
          await page.goto(`${row.front.url}/healthz`);
          assert.deepEqual(await send(page, 'GET', '/api/me', 3), [200, 200, 200]);
          await sleep(2000);
          // The server offers nothing to cookies that are shown, and the offers of others are good for nothing.
          const before = row.front.count(DEVICE, 400);
          const theirs = offer.replace(/challenge="[^"]*"/, `challenge="${await challenge(row.front.url, id)}"`);
          const forged = [theirs, offer.replace(sealed, `authorization="${id}`), theirs.replace(sealed, `authorization="${id}`)];
          for (const [tried, one] of forged.entries()) {
            row.front.forged.set('/healthz', one);
            await page.goto(`${row.front.url}/healthz`);
            await until(() => row.front.count(DEVICE, 400) > before + tried);
          }
          row.front.forged.clear();
          assert.equal(row.front.count(DEVICE, 400), before + forged.length);
          if (registers) await row.confirmed();
          assert.deepEqual(await send(row.page, 'GET', '/api/me', 20), Array(20).fill(200));
          const { sessions } = await row.page.evaluate(() => fetch('/auth/sessions').then((answer) => answer.json()));
          const { binding } = sessions.find((one: { session_id: string }) => one.session_id == id);
          assert.equal(binding, registers ? 'device' : undefined);
          console.log(`ROW a second profile that tries to register, the browser ${registers ? 'registers' : 'does not'}: no key, ${forged.length} refused`);
        } finally {
          await browser.close();
        }
      }));

  for (const transport of TRANSPORTS)
    test(`${transport}: a browser whose keys are gone is asked to log in, and binds anew`, () =>
      row(transport, async (row) => {
        const [method, path] = USES[transport];
        await row.login();
        await row.confirmed();
        const profile = join(row.front.folder, 'profile');
        await row.context.close();
        const kept = readdirSync(profile, { recursive: true, encoding: 'utf8' });
        const keys = kept.filter((file) => /device ?bound ?sessions/i.test(file));
        assert.ok(keys.length, 'the profile has a file of keys');
        for (const file of keys) rmSync(join(profile, file), { recursive: true, force: true });
        await row.reopen();
        // Its cookies are there, and serve until the bound one ends.
        assert.deepEqual(await send(row.page, method, path, 1), [200]);
        await row.forget();
        assert.deepEqual(new Set(await send(row.page, method, path, 20)), new Set(['401 unbound']));
        const [registered, renewed] = [row.front.count(DEVICE, 200), row.front.count(DEVICE, 204)];
        assert.equal(await row.login(), 200);
        await until(() => row.front.count(DEVICE, 200) > registered);
        await until(async () => {
          assert.deepEqual(await send(row.page, method, path, 1), [200]);
          return row.front.count(DEVICE, 204) > renewed;
        });
        await row.forget();
        assert.deepEqual(new Set(await send(row.page, method, path, 20)), new Set([200]));
        console.log(`ROW keys gone, transport ${transport}: 20 refused, bound again after a login`);
      }));

  for (const transport of TRANSPORTS)
    test(`${transport}: with a second profile and with an HTTP client, is refused a minute after the bound lifetime`, () =>
      row(transport, async (row) => {
        const [method, path] = USES[transport];
        await row.login();
        await row.confirmed();
        const cookies = await copy(row);
        const at = Date.now();
        const state = await row.context.storageState({ indexedDB: true });
        const browser = await launchThief(row);
        try {
          const profile = await browser.newContext({ storageState: state });
          const page = await profile.newPage();
          await page.goto(`${row.front.url}/healthz`);
          const id = (await (await row.page.evaluate(() => fetch('/auth/session', { credentials: 'include' }).then((answer) => answer.json()).catch(() => ({})))) as { session_id?: string }).session_id;
          // A refresh token is used up by its thief, who is found by that: it is tried at the end alone.
          if (transport == 'session') {
            assert.deepEqual(await send(page, method, path, 1), [200]);
            assert.equal(await copied(row.front.url, method, path, cookies), 200);
          }
          let accepted = at;
          while (Date.now() < at + (LIFETIME + MARGIN + 2) * 1e3) {
            await row.use([row.page], 5);
            if (transport == 'session' && (await copied(row.front.url, method, path, cookies)) == 200) accepted = Date.now();
            if (id) assert.equal(await copied(row.front.url, 'POST', DEVICE, cookies, { 'sec-secure-session-id': id }), 403);
            await sleep(3000);
          }
          const statuses = new Set<Outcome>();
          for (let round = 0; round < 20; round++) {
            assert.equal(await copied(row.front.url, method, path, cookies), 401);
            for (const status of await send(page, method, path, 1)) statuses.add(status);
          }
          console.log(`ROW a copy, transport ${transport}: accepted until ${Math.round((accepted - at) / 1e3)} s, then ${[...statuses]}`);
          assert.deepEqual([...statuses], ['401 unbound']);
          // The browser itself goes on: nothing was ended.
          await row.use([row.page], 20);
          honest('beside a thief', row);
        } finally {
          await browser.close();
        }
      }, ['--access-ttl', '5m']));

  test('on the page of the demo: accepted, counted down, refused, and the user stays logged in', () =>
    row('session', async ({ front, page }) => {
      await page.goto(front.url);
      await page.check('[name=transport][value=session]');
      await page.click('[data-user=alice]');
      await page.waitForSelector('#bound-name:has-text("Bound to this browser")');
      await page.click('#thief:enabled');
      await page.waitForSelector('#thief-use:has-text("GET /api/me → 200: accepted")');
      const at = Date.now();
      await page.waitForSelector('#thief-use:has-text("GET /api/me → 401 unbound: refused.")', { timeout: 8 * 60e3 });
      console.log(`ROW the page's thief: refused after ${Math.round((Date.now() - at) / 1e3)} s`);
      await page.waitForSelector('#entries li:has-text("You are still logged in.")', { state: 'attached' });
      await page.click('[data-call="GET /api/reports"]');
      await page.waitForSelector('#answer:has-text("Tea parties")');
    }));

  for (const transport of TRANSPORTS) {
    test(`${transport}: at a registration, with requests under way`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(2))];
        assert.equal(await row.login(), 200);
        // Some are sent before the browser registers, some while it does, some after.
        for (let round = 0; round < 9; round++) await row.use(pages, 20);
        await row.confirmed();
        honest('registration, 3 tabs', row);
      }));

    test(`${transport}: at renewals, three tabs with 60 requests each`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(2))];
        await row.login();
        await row.confirmed();
        for (let round = 0; round < 3; round++) {
          await row.forget();
          await row.use(pages, 60);
        }
        honest('3 renewals, 3 tabs', row);
      }));

    test(`${transport}: without its cookie, with every third answer lost but the browser's own renewal`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(2))];
        await row.login();
        await row.confirmed();
        row.front.spared.add(DEVICE);
        row.front.loss = 0.33;
        for (let round = 0; round < 3; round++) {
          await row.forget();
          await row.use(pages, 60);
        }
        honest('3 renewals, every third answer lost', row, ['lost']);
      }));

    test(`${transport}: without its cookie, with each answer to the renewal lost, goes on with the next request`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(2))];
        await row.login();
        await row.confirmed();
        for (let round = 0; round < 3; round++) {
          await row.forget();
          const before = row.front.refused.length;
          row.front.deaf.add(DEVICE);
          // The browser has nothing but its key, as who has a copy of everything else, and says that it was in vain.
          assert.deepEqual(new Set(await row.use(pages, 5)), new Set(['401 unbound']));
          for (const why of row.front.refused.slice(before)) assert.match(String(why), /^unreachable/);
          row.front.deaf.clear();
          // Nothing has ended, and the same requests are served if they are sent again.
          assert.deepEqual(await row.use(pages, 5), []);
          await row.use(pages, 55);
        }
        const [sent, refused] = [row.front.unheard.length, row.front.refused.length];
        console.log(`ROW renewals in vain, transport ${transport}: ${sent} answers lost, ${refused} refused once`);
        assert.equal(refused, 45);
        honest('3 renewals in vain', row, ['401 unbound']);
      }));

    test(`${transport}: without its cookie, with the answers to one renewal lost, a page that repeats what was refused is served`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(2))];
        const [method, path] = USES[transport];
        await row.login();
        await row.confirmed();
        for (let round = 0; round < 3; round++) {
          await row.forget();
          const before = row.front.unheard.length;
          row.front.deaf.add(DEVICE);
          const all = Promise.all(pages.map((page) => sendAgain(page, method, path, 60)));
          // The browser sends a renewal three times, then the requests without it.
          await until(() => row.front.unheard.length >= before + 3);
          row.front.deaf.clear();
          for (const status of (await all).flat()) row.tally.set(status, (row.tally.get(status) ?? 0) + 1);
        }
        console.log(`ROW repeated by the page, transport ${transport}: ${row.front.refused.length} refused once`);
        assert.ok(row.front.refused.length > 0, 'it has repeated something');
        honest('3 renewals in vain, repeated by the page', row);
      }));

    test(`${transport}: while the server restarts, and then the browser`, () =>
      row(transport, async (row) => {
        await row.login();
        await row.confirmed();
        for (let round = 0; round < 2; round++) {
          await row.use([row.page], 90);
          await row.front.restart();
          await row.use([row.page], 90);
          await row.reopen();
          await row.use([row.page], 90);
        }
        // The browser was closed, and its cookie has ended meanwhile.
        await row.forget();
        await row.use([row.page], 20);
        honest('restarts of server and browser', row);
      }));

    test(`${transport}: a link from another site, with and without a bound cookie`, () =>
      row(transport, async (row) => {
        const [method, path] = USES[transport];
        // In transport `cookie` no link shows a credential: the page that it opens does, at once.
        const target = transport == 'session' ? path : '/healthz';
        const other = createServer((_request, response) =>
          response.writeHead(200, { 'content-type': 'text/html' }).end(`<a href="${row.front.url}${target}">there</a>`),
        );
        await new Promise<void>((resolve) => other.listen(0, resolve));
        try {
          await row.login();
          await row.confirmed();
          const page = await row.context.newPage();
          const follow = async () => {
            await page.goto(`http://localhost:${(other.address() as AddressInfo).port}/`);
            const [answer] = await Promise.all([page.waitForNavigation(), page.click('a')]);
            const [status] = transport == 'session' ? [answer!.status()] : await send(page, method, path, 1);
            row.tally.set(status!, (row.tally.get(status!) ?? 0) + 1);
          };
          for (let round = 0; round < 10; round++) {
            if (round % 4 == 1) await row.forget();
            await follow();
            await row.use([row.page], 50);
          }
          honest('links from another site', row);
        } finally {
          other.close();
          other.closeAllConnections();
        }
      }));

    test(`${transport}: ${transport == 'session' ? 'a handshake of a WebSocket, ' : ''}a beacon and a worker wait for the renewal`, () =>
      row(transport, async (row) => {
        const [method, path] = USES[transport];
        const [beacon, body] = transport == 'session' ? ['/api/notes', '{}'] : [path, ''];
        await row.login();
        await row.confirmed();
        const sent = row.front.count(beacon, 200);
        for (let round = 0; round < 3; round++) {
          // A handshake shows a session cookie; in transport `cookie` it has nothing to show.
          if (transport == 'session') {
            await row.forget();
            await row.page.evaluate(async (url) => {
              const socket = new WebSocket(`${url.replace('https', 'wss')}/api/me`);
              await new Promise((resolve) => (socket.onerror = resolve));
            }, row.front.url);
          }
          await row.forget();
          assert.ok(
            await row.page.evaluate(
              ([beacon, body]) => navigator.sendBeacon(beacon, body ? new Blob([body], { type: 'application/json' }) : undefined),
              [beacon, body] as const,
            ),
          );
          await until(() => row.front.count(beacon, 200) > sent + round);
          // A worker that is there already: a new one would be a request of its own.
          await row.page.evaluate(() => {
            const code = 'onmessage = ({ data: [url, method] }) => fetch(url, { method, credentials: "include" }).then((a) => postMessage(a.status))';
            const worker = new Worker(URL.createObjectURL(new Blob([code])));
            Object.assign(globalThis, { worker });
          });
          await row.forget();
          const status = await row.page.evaluate(
            ([url, method]) =>
              new Promise<number>((resolve) => {
                const { worker } = globalThis as unknown as { worker: Worker };
                worker.onmessage = ({ data }) => resolve(data);
                worker.postMessage([url, method]);
              }),
            [row.front.url + path, method] as const,
          );
          row.tally.set(status, (row.tally.get(status) ?? 0) + 1);
          await row.use([row.page], 170);
        }
        if (transport == 'session')
          assert.equal(row.front.count('websocket /api/me', 200), 3, 'handshakes that were answered as a caller');
        honest(transport == 'session' ? 'WebSocket, beacon and worker' : 'beacon and worker', row);
      }));

    test(`${transport}: a login during a renewal`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(2))];
        await row.login();
        await row.confirmed();
        await row.forget();
        const [refused, login] = await Promise.all([row.use(pages.slice(1), 40), row.login()]);
        assert.equal(login, 200);
        // The login ended the session before it, which requests under way still named.
        for (const outcome of refused) assert.ok(ENDED.includes(outcome), outcome.toString());
        // An answer to a refresh that arrives after that to the login brings back the token before it. `@hallpass/web`
        // sends them one after the other; here nobody does.
        const [overtaken] = await row.use([row.page], 1);
        if (overtaken) assert.equal(await row.login(), 200);
        console.log(`ROW login during a renewal, transport ${transport}: ${overtaken ? 'overtaken, and repeated' : 'not overtaken'}`);
        const before = row.tally.get(200)!;
        for (let round = 0; round < 8; round++) await row.use(pages, 20);
        assert.equal(row.tally.get(200)! - before, 480);
        honest('login during a renewal', row, transport == 'session' ? ['401 invalid_token'] : ['400 revoked']);
      }));

    test(`${transport}: a logout during a renewal ends the session, and the next login works`, () =>
      row(transport, async (row) => {
        const [method, path] = USES[transport];
        const pages = [row.page, ...(await row.tabs(2))];
        await row.login();
        await row.confirmed();
        await row.forget();
        const [first, [status]] = await Promise.all([
          send(pages[1]!, method, path, 40),
          send(row.page, 'POST', '/auth/logout', 1),
        ]);
        assert.equal(status, 204);
        // Before it, or after it; nothing else.
        assert.ok(first.every((one) => one == 200 || ENDED.includes(one) || NOBODY.includes(one)), first.join());
        const [after] = await send(row.page, method, path, 1);
        // An answer to a refresh that arrives after that to the logout brings a token back, of a session that has ended.
        assert.ok(NOBODY.includes(after!) || (transport == 'cookie' && ENDED.includes(after!)), after!.toString());
        assert.equal(await row.login(), 200);
        for (let round = 0; round < 9; round++) await row.use(pages, 20);
        honest('logout during a renewal', row);
      }));

    test(`${transport}: with the address of the renewal away for 30 s, as long as the cookie lives`, () =>
      row(transport, async (row) => {
        await row.login();
        await until(() => row.front.count(DEVICE, 200) > 0);
        // The cookie of the registration lives 110 s, so each request asks for the next one beside itself.
        row.front.away.set(DEVICE, 503);
        const end = Date.now() + 30e3;
        while (Date.now() < end) {
          await row.use([row.page], 10);
          await sleep(500);
        }
        row.front.away.clear();
        await row.confirmed();
        await row.forget();
        await row.use([row.page], 200);
        honest('renewals away for 30 s', row);
      }));

    test(`${transport}: with the address of the renewal away for 30 s, past the end of the cookie`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(2))];
        await row.login();
        await row.confirmed();
        await row.use(pages, 90);
        const before = row.front.refused.length;
        row.front.away.set(DEVICE, 503);
        await row.forget();
        const [begin, end] = [Date.now(), Date.now() + 30e3];
        while (Date.now() < end) {
          // The browser has nothing to show but what a thief has, and says so.
          assert.deepEqual(new Set(await row.use(pages, 2)), new Set(['401 unbound']));
          await sleep(1000);
        }
        row.front.away.clear();
        const refused = row.front.refused.slice(before);
        const why = new Set(refused.map((one) => `${one}`.replace(/;.*/, '')));
        // Nothing has ended.
        let late = 0;
        while ((await row.use([row.page], 1)).length) {
          late++;
          assert.ok(late < 60, 'it renews again');
          await sleep(1000);
        }
        const seconds = Math.round((Date.now() - begin) / 1e3);
        console.log(`ROW renewals away past the end, transport ${transport}: ${refused.length} refused in ${seconds} s (${[...why]}), ${late} after it was back`);
        assert.deepEqual(await row.use(pages, 90), []);
        honest('renewals away for 30 s, past the end', row, ['401 unbound']);
      }));

    test(`${transport}: with 429 at another address while it renews`, () =>
      row(transport, async (row) => {
        const pages = [row.page, ...(await row.tabs(1))];
        await row.login();
        await row.confirmed();
        // In transport `cookie` a browser renews for what is below the prefix alone.
        const elsewhere = transport == 'session' ? '/api/reports' : '/auth/elsewhere';
        row.front.away.set(elsewhere, 429);
        for (let round = 0; round < 3; round++) {
          await row.forget();
          const [, limited] = await Promise.all([row.use(pages, 90), send(row.page, 'GET', elsewhere, 10)]);
          assert.deepEqual([...new Set(limited)], [429]);
        }
        honest('429 elsewhere', row);
      }));
  }
});
