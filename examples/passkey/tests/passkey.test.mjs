// Passkeys in Chromium, whose virtual authenticator signs: node --test passkey.test.mjs, with the program in HALLPASS_EXAMPLE.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { chromium } from '../../../clients/web/node_modules/playwright-core/index.mjs';

/** How long a busy machine may take, in milliseconds. */
const PATIENCE = 12e4;

/** The routes that need a session. */
const PROTECTED = ['/auth/session', '/auth/sessions', '/transfer', '/options', '/register'];

let chrome;
before(async () => {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'];
  chrome = await chromium.launch({ executablePath: '/usr/bin/chromium', timeout: PATIENCE, args });
});
after(() => chrome.close());

/** Starts a server for a test, which ends with it. */
const serve = async (t) => {
  const server = spawn(process.env.HALLPASS_EXAMPLE, ['127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => server.kill());
  const [origin] = await once(createInterface(server.stdout), 'line');
  return origin;
};

/** A page in a browser of its own, with an authenticator that has no passkey yet. */
const open = async (t, origin, options) => {
  const context = await chrome.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const tools = await context.newCDPSession(page);
  await tools.send('WebAuthn.enable');
  await tools.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await page.goto(origin);
  return page;
};

const password = async (page, name = 'alice', word = 'wonderland') => {
  await page.fill('[name=name]', name);
  await page.fill('[name=password]', word);
  await page.click('#guest button:not([type])');
};

const isIn = (page) => page.waitForSelector('#user:visible');

/** Presses a button, and waits until the page says how that went. */
const press = async (page, action) => {
  await page.click(`[data-do=${action}]`);
  const said = page.locator('#said', { hasText: `${action}: ` });
  return Number((await said.textContent()).split(': ')[1]);
};

/** The status of a request of the page. */
const call = (page, path, body) =>
  page.evaluate(
    async ([path, body]) => {
      const post = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
      return (await fetch(path, path.startsWith('/auth/') ? {} : post)).status;
    },
    [path, body ?? {}],
  );

/** An answer to a challenge for this page, which is not sent. */
const sign = (page) =>
  page.evaluate(async () => {
    const { publicKey } = await (await fetch('/challenge', { method: 'POST' })).json();
    const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
    return (await navigator.credentials.get({ publicKey: options })).toJSON();
  });

const assertNobody = async (page) => {
  for (const path of PROTECTED) assert.equal(await call(page, path), 401, path);
  assert.equal(await call(page, '/step-up', await sign(page)), 400);
};

/** A user with a passkey, in a browser that nobody is logged in with. */
const registered = async (t, origin, name = 'alice') => {
  const page = await open(t, origin);
  await password(page, name);
  await isIn(page);
  assert.equal(await press(page, 'register'), 200);
  await page.context().clearCookies();
  await page.goto(origin);
  return page;
};

const copyCookies = async (from, to, name) => {
  const cookies = await from.context().cookies();
  const copied = cookies.filter((cookie) => cookie.name.includes(name));
  assert.equal(copied.length, 1);
  await to.context().addCookies(copied);
};

describe('passkeys', { concurrency: 2 }, () => {
  test('a passkey logs in without a name and a password, and once the challenge is used it does not again', async (t) => {
    const page = await registered(t, await serve(t));
    await page.click('[data-do=login]');
    await isIn(page);
    assert.equal(await press(page, 'transfer'), 200);
    const signed = await sign(page);
    assert.equal(await call(page, '/login', signed), 200);
    assert.equal(await call(page, '/login', signed), 401);
  });

  test('a challenge is used up by the first answer, right or wrong', async (t) => {
    const page = await registered(t, await serve(t));
    const signed = await sign(page);
    const { authenticatorData } = signed.response;
    const forged = { ...signed, response: { ...signed.response, signature: authenticatorData } };
    assert.equal(await call(page, '/login', forged), 401);
    assert.equal(await call(page, '/login', signed), 401);
    await page.click('[data-do=login]');
    await isIn(page);
  });

  test('a password is enough until there is a passkey, and a passkey then steps the session up', async (t) => {
    const page = await open(t, await serve(t));
    await password(page);
    await isIn(page);
    assert.equal(await call(page, '/transfer'), 401);
    assert.equal(await press(page, 'register'), 200);
    assert.equal(await call(page, '/transfer'), 401);
    assert.equal(await press(page, 'transfer'), 200); // the page steps up
    assert.equal(await call(page, '/transfer'), 200);
  });

  test('after the password a passkey is asked for, and until then nobody is logged in', async (t) => {
    const page = await registered(t, await serve(t));
    await password(page);
    await page.waitForSelector('#second:visible');
    await assertNobody(page);
    await page.click('[data-do=second]');
    await isIn(page);
    assert.equal(await press(page, 'transfer'), 200);
  });

  test('a wrong password begins nothing', async (t) => {
    const page = await registered(t, await serve(t));
    await password(page, 'alice', 'wrong');
    await page.waitForURL('**/password');
    assert.deepEqual(await page.context().cookies(), []);
  });

  test('the passkey of another user completes no login and steps no session up', async (t) => {
    const origin = await serve(t);
    await registered(t, origin);
    const bob = await registered(t, origin, 'bob');
    await password(bob); // as alice
    await bob.waitForSelector('#second:visible');
    assert.equal(await press(bob, 'second'), 401);
    await assertNobody(bob);

    const alice = await open(t, origin);
    const stolen = await registered(t, await serve(t)); // a passkey of another server
    assert.equal(await call(alice, '/login', await sign(stolen)), 401);
  });

  test('a passkey of another user steps no session up', async (t) => {
    const origin = await serve(t);
    const bob = await registered(t, origin, 'bob');
    await password(bob, 'alice'); // alice has no passkey: she is in
    await isIn(bob);
    assert.equal(await call(bob, '/step-up', await sign(bob)), 401);
    assert.equal(await call(bob, '/transfer'), 401);
  });

  test('who registers a passkey has no other session any more', async (t) => {
    const origin = await serve(t);
    const first = await open(t, origin);
    await password(first);
    await isIn(first);
    const second = await open(t, origin);
    await password(second);
    await isIn(second);
    assert.equal(await press(second, 'register'), 200);
    assert.equal(await call(first, '/auth/session'), 401);
    assert.equal(await call(second, '/auth/session'), 200);
  });

  test('what was signed for one browser is refused in another', async (t) => {
    const origin = await serve(t);
    const alice = await registered(t, origin);
    const mallory = await registered(t, origin, 'bob');
    const signed = await sign(alice);
    await sign(mallory); // has a challenge of her own
    assert.equal(await call(mallory, '/login', signed), 401);
    await assertNobody(mallory);
    assert.equal(await call(alice, '/login', signed), 200);
  });

  test('a visitor\'s cookie that was planted gains nothing', async (t) => {
    const origin = await serve(t);
    const alice = await registered(t, origin);
    const mallory = await registered(t, origin, 'bob');
    await sign(mallory);
    await copyCookies(mallory, alice, 'visitor');
    await alice.click('[data-do=login]');
    await isIn(alice);
    await assertNobody(mallory);
    // Nor if mallory has seen what alice signs: the challenge is used up.
    const signed = await sign(alice);
    assert.equal(await call(alice, '/login', signed), 200);
    assert.equal(await call(mallory, '/login', signed), 401);
  });

  test('a pending login that moves to another browser is refused', async (t) => {
    const origin = await serve(t);
    const alice = await registered(t, origin);
    const signed = await sign(alice);
    await password(alice);
    await alice.waitForSelector('#second:visible');
    const mallory = await open(t, origin, { userAgent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0' });
    assert.equal(await call(mallory, '/second', signed), 401);
    await copyCookies(alice, mallory, 'pending');
    await copyCookies(alice, mallory, 'visitor');
    assert.equal(await call(mallory, '/second', signed), 401);
    for (const path of PROTECTED) assert.equal(await call(mallory, path), 401, path);
    await alice.click('[data-do=second]'); // goes on
    await isIn(alice);
  });

  test('requests of other sites are refused', async (t) => {
    const origin = await serve(t);
    const alice = await registered(t, origin);
    const data = await sign(alice);
    for (const path of ['/login', '/challenge']) {
      const answer = await alice.context().request.post(origin + path, { data, headers: { 'sec-fetch-site': 'cross-site' } });
      assert.equal(answer.status(), 403, path);
    }
    await alice.click('[data-do=login]');
    await isIn(alice);
  });
});
