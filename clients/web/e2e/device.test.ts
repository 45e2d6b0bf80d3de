/** A session that is bound to its browser (Device Bound Session Credentials): a copy of its cookies is worth nothing. */
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { describe, test } from 'node:test';
import type { CDPSession, Page } from 'playwright-core';
import { launch, until } from './browser.js';
import { isMock, startBound } from './servers.js';

const FEATURES = 'DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting';

/** The request that needs the session's credential. */
const USES = { cookie: ['POST', '/auth/refresh'], session: ['GET', '/api/me'] } as const;

const send = (page: Page, method: string, path: string, body?: object): Promise<number> =>
  page.evaluate(
    async ([method, path, body]) => {
      const headers = { 'content-type': 'application/json' };
      return (await fetch(path, body ? { method, headers, body } : { method })).status;
    },
    [method, path, body && JSON.stringify(body)] as const,
  );

/** The answer to somebody who has a copy of the cookies, and no key. */
const copied = (url: string, method: string, path: string, cookies: readonly { name: string; value: string }[]) =>
  new Promise<number>((resolve, reject) => {
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const headers = { cookie, origin: url, 'content-length': 0 };
    request(url + path, { method, headers, rejectUnauthorized: false, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    })
      .on('error', reject)
      .end();
  });

describe('a session of transport', { skip: isMock && 'the mock server binds no sessions' }, () => {
  for (const [transport, [method, path]] of Object.entries(USES))
    test(`\`${transport}\` is bound to the browser that logged in`, async () => {
      const server = await startBound();
      const args = [`--enable-features=${FEATURES}`, `--ignore-certificate-errors-spki-list=${server.pin}`];
      const browser = await launch({ args });
      try {
        const context = await browser.newContext();
        const page = await context.newPage();
        await page.goto(`${server.url}/healthz`);
        const tools: CDPSession = await context.newCDPSession(page);
        const bound = async () => (await context.cookies()).filter(({ name }) => name.startsWith('__Host-bound-'));
        const forget = async () => {
          for (const { name } of await bound()) await tools.send('Network.deleteCookies', { name, url: server.url });
        };
        /** The answers at the address where the browser registers and renews. */
        const answers = () =>
          server.log().flatMap((line) => /method=POST path="?\/auth\/device"? status=(\d+)/.exec(line)?.[1] ?? []);
        /** What the browser says of its session; the reasons of its failures are in no answer and no log. */
        const told: object[] = [];
        tools.on('Network.deviceBoundSessionEventOccurred' as never, (event: object) => told.push(event));
        await tools.send('Network.enableDeviceBoundSessions' as never, { enable: true } as never);
        const happened = (event: string) => server.log().filter((line) => line.includes(`event=${event} `)).length;

        const login = { username: 'alice', password: 'wonderland', transport };
        assert.equal(await send(page, 'POST', '/auth/login', login), 200);
        await until(() => told.length > 0);
        assert.match(JSON.stringify(told), /"succeeded":true,.*"fetchResult":"Success"/);
        // The first renewal goes out beside the next request, and shows that the browser has the answer.
        assert.equal(await send(page, method, path), 200);
        await until(async () => (await bound()).some(({ expires }) => expires > Date.now() / 1000 + 120));
        await until(() => answers().length == 3);
        assert.deepEqual(answers(), ['200', '403', '204']);
        assert.equal(happened('bound'), 1);

        // Without the cookie the browser renews before it asks, once for all requests.
        await forget();
        const all = await Promise.all(Array.from({ length: 10 }, () => send(page, method, path)));
        assert.deepEqual([...new Set(all)], [200]);
        await until(() => answers().length == 4);
        assert.equal(answers()[3], '204');

        const copy = await context.cookies();
        const [value] = await bound();
        const credential = copy.filter(({ name }) => name != value!.name);
        assert.equal(await copied(server.url, method, path, copy), 200);
        assert.equal(await copied(server.url, method, path, credential), 401);
        assert.equal(await copied(server.url, method, path, [...credential, { ...value!, value: 'A'.repeat(60) }]), 401);
        await until(() => happened('unbound_credential') == 2);
        assert.equal(await send(page, method, path), 200);

        // After the logout a renewal is refused, and the browser gives the key up.
        assert.equal(await send(page, 'POST', '/auth/logout'), 204);
        await forget();
        assert.notEqual(await send(page, method, path), 200);
        await forget();
        assert.notEqual(await send(page, method, path), 200);
        assert.deepEqual(answers().slice(4), ['400'], JSON.stringify(told.slice(-4)));
      } finally {
        await browser.close();
        await server.stop();
      }
    });
});
