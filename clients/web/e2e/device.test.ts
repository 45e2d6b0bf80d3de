/** A session that is bound to its browser (Device Bound Session Credentials): a copy of its cookies is worth nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { copied, inBound, send } from './bound.js';
import { PATIENCE, until } from './browser.js';
import { isMock } from './servers.js';

/** The request that needs the session's credential. */
const USES = { cookie: ['POST', '/auth/refresh'], session: ['GET', '/api/me'] } as const;

describe('a session of transport', { skip: isMock && 'the mock server binds no sessions' }, () => {
  for (const [transport, [method, path]] of Object.entries(USES))
    test(`\`${transport}\` is bound to the browser that logged in`, () =>
      inBound(async ({ server, context, page, told, cookies, forget, answers, happened }) => {
        const login = { username: 'alice', password: 'wonderland', transport };
        assert.equal(await send(page, 'POST', '/auth/login', login), 200);
        await until(() => told.length > 0);
        assert.match(JSON.stringify(told), /"succeeded":true,.*"fetchResult":"Success"/);
        // The first renewal goes out beside the next request, and shows that the browser has the answer.
        assert.equal(await send(page, method, path), 200);
        await until(async () => (await cookies()).some(({ expires }) => expires > Date.now() / 1000 + 120));
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
        const [value] = await cookies();
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
      }));
});

describe('the page', { skip: isMock && 'the mock server binds no sessions' }, () => {
  for (const transport of Object.keys(USES))
    test(`shows what \`${transport}\` is bound to, and a thief who can use the copy and not renew it`, () =>
      inBound(async ({ server, context, page, answers }) => {
        context.setDefaultTimeout(PATIENCE);
        const broken: string[] = [];
        page.on('pageerror', (error) => broken.push(String(error.stack)));
        await page.goto(server.url);
        await page.check(`[name=transport][value=${transport}]`);
        await page.click('[data-user=alice]');
        await page.waitForSelector('#bound-name:has-text("Bound to this browser")');
        await page.waitForSelector('#bound-left:has-text("min")');
        await page.waitForSelector('#sessions li:has-text("bound to its browser")');
        const before = answers().length;
        await page.click('#thief:enabled');
        const use = USES[transport as keyof typeof USES].join(' ');
        await page.waitForSelector(`#thief-use:has-text("${use} → 200: accepted")`);
        await page.waitForSelector('#thief-renewal:has-text("POST /auth/device → 403: refused.")');
        await page.waitForSelector('#thief-left:has-text("good for 5 min")');
        await page.waitForSelector('#entries li:has-text("A thief uses your session")', { state: 'attached' });
        // A challenge, and the proof of another key.
        await until(() => answers().length >= before + 2);
        assert.deepEqual([...new Set(answers().slice(before))].sort(), ['403'], answers().join());
        // The browser goes on, in transport `cookie` with the token that the thief has bought as well.
        await page.click('[data-call="GET /api/reports"]');
        await page.waitForSelector('#answer:has-text("Tea parties")');
        assert.equal(await page.isVisible('#in'), true);

        // Nobody waits for the end of a bound lifetime here: `cargo xtask test device` does.
        const refused = { request: use, status: 401, error: 'unbound' };
        const json = { cookies: [], good_for: null, use: refused, renewal: { ...refused, status: 403 } };
        await page.route('**/demo/thief', (route) => route.fulfill({ json }));
        await page.click('#thief');
        await page.waitForSelector(`#thief-use:has-text("${use} → 401 unbound: refused.")`);
        await page.waitForSelector('#entries li:has-text("You are still logged in.")', { state: 'attached' });
        assert.deepEqual(broken, []);
      }));
});
