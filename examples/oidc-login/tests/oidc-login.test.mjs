// A login at a real provider (oidc-provider), and its back-channel logout: node --test oidc-login.test.mjs, with the
// program in HALLPASS_EXAMPLE.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { SignJWT } from 'jose';
import { Provider } from 'oidc-provider';

/** How long a busy machine may take, in milliseconds. */
const PATIENCE = 12e4;

const key = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const KEY = key();
const CLIENT = { client_id: 'shop', client_secret: 'a secret of the test' };
const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout';

/** Starts a provider and the example, which end with the test. */
const start = async (t) => {
  let handle;
  const server = createServer((request, response) => handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => (server.closeAllConnections(), server.close()));
  const issuer = `http://localhost:${server.address().port}`;
  const provider = (clients) =>
    new Provider(issuer, {
      clients,
      cookies: { keys: ['of the test'] },
      // Its own asks no address of this machine.
      fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined, signal: undefined }),
      features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
      jwks: { keys: [{ ...KEY.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' }] },
      pkce: { required: () => true },
    }).callback();
  handle = provider([]); // the example reads its metadata; the client is known once that has a port
  const env = { ...process.env, OIDC_ISSUER: issuer, OIDC_CLIENT_ID: CLIENT.client_id, OIDC_CLIENT_SECRET: CLIENT.client_secret };
  const example = spawn(process.env.HALLPASS_EXAMPLE, ['127.0.0.1:0'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => example.kill());
  const [origin] = await once(createInterface(example.stdout), 'line');
  const client = {
    ...CLIENT,
    redirect_uris: [`${origin}/login/return`],
    backchannel_logout_uri: `${origin}/provider/logout`,
    backchannel_logout_session_required: true,
  };
  handle = provider([client]);
  await until(async () => (await fetch(origin).catch(() => {}))?.ok); // it has printed its origin before
  return { issuer, origin, browser: () => new Browser(origin, issuer) };
};

const until = async (condition) => {
  const end = Date.now() + PATIENCE;
  while (!(await condition())) {
    assert(Date.now() < end, `not within ${PATIENCE} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** A browser without scripts, which keeps the cookies of each site. */
class Browser {
  jars = new Map();

  constructor(origin, issuer) {
    Object.assign(this, { origin, issuer });
  }

  jar(url) {
    const { origin } = new URL(url);
    if (!this.jars.has(origin)) this.jars.set(origin, new Map());
    return this.jars.get(origin);
  }

  /** The names of our cookies. */
  get cookies() {
    return [...this.jar(this.origin).keys()];
  }

  /** One request; a redirect is not followed. */
  async send(url, form) {
    const jar = this.jar(url);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { 'Sec-Fetch-Site': 'same-origin', ...(cookie && { Cookie: cookie }) };
    const body = form && new URLSearchParams(form);
    const answer = await fetch(url, { method: form ? 'POST' : 'GET', headers, body, redirect: 'manual' });
    for (const field of answer.headers.getSetCookie()) {
      const [pair, ...attributes] = field.split('; ');
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      const gone = attributes.some((one) => /^max-age=0$|^expires=thu, 01 jan 1970/i.test(one));
      if (gone) jar.delete(name);
      else jar.set(name, value);
    }
    const location = answer.headers.get('location');
    return { status: answer.status, to: location && new URL(location, url).href, text: await answer.text() };
  }

  get(path) {
    return this.send(this.origin + path);
  }

  /** Goes to the provider, logs in there, and gives the address at which it is sent back to us. */
  async logInThere(name, next = '/', changed = {}) {
    let answer = await this.get(`/login?next=${encodeURIComponent(next)}`);
    assert.equal(answer.status, 303);
    const asked = new URL(answer.to);
    for (const [name, value] of Object.entries(changed)) asked.searchParams.set(name, value);
    answer.to = asked.href;
    while (!answer.to?.startsWith(this.origin)) {
      if (answer.to) answer = await this.send(answer.to);
      else {
        const [, action] = answer.text.match(/action="([^"]+)"/);
        const [, prompt] = answer.text.match(/name="prompt" value="([^"]+)"/);
        const url = new URL(action, this.issuer);
        answer = await this.send(url, { prompt, ...(prompt == 'login' && { login: name, password: 'any' }) });
      }
    }
    return answer.to;
  }

  async logIn(name, next) {
    const answer = await this.send(await this.logInThere(name, next));
    assert.equal(answer.status, 303, answer.text);
    return answer.to.slice(this.origin.length);
  }

  /** Logs out at the provider. */
  async logOutThere() {
    const { text } = await this.send(`${this.issuer}/session/end`);
    const [, xsrf] = text.match(/name="xsrf" value="([^"]+)"/);
    const { status } = await this.send(`${this.issuer}/session/end/confirm`, { xsrf, logout: 'yes' });
    assert.equal(status, 303);
  }

  async isIn() {
    const { status } = await this.get('/auth/session');
    assert([200, 401].includes(status), `${status}`);
    return status == 200;
  }
}

/** A logout token of the provider. */
const sign = ({ issuer }, claims, by = KEY, header = { kid: 'one', typ: 'logout+jwt' }) => {
  const now = Math.floor(Date.now() / 1000);
  const usual = { iss: issuer, aud: CLIENT.client_id, iat: now, exp: now + 120, jti: randomUUID(), sub: 'alice', events: { [LOGOUT]: {} } };
  return new SignJWT({ ...usual, ...claims }).setProtectedHeader({ alg: 'RS256', ...header }).sign(by);
};

const send = async ({ origin }, logout_token) => {
  const answer = await fetch(`${origin}/provider/logout`, { method: 'POST', body: new URLSearchParams({ logout_token }) });
  return answer.status;
};

describe('a login at another site', { concurrency: 2 }, () => {
  test('it opens a session and leads to the page that was asked for', async (t) => {
    const browser = (await start(t)).browser();
    assert.equal(await browser.logIn('alice', '/basket?of=alice'), '/basket?of=alice');
    assert(await browser.isIn());
    assert(!browser.cookies.some((name) => name.includes('visitor')));
  });

  test('on the way there and back nobody is logged in', async (t) => {
    const browser = (await start(t)).browser();
    await browser.logInThere('alice');
    assert.deepEqual(browser.cookies, ['__Host-Http-visitor']);
    for (const path of ['/auth/session', '/auth/sessions']) assert.equal((await browser.get(path)).status, 401, path);
    const jar = browser.jar(browser.origin);
    for (const name of ['session', 'refresh']) jar.set(`__Host-Http-${name}`, jar.get('__Host-Http-visitor'));
    assert.equal((await browser.get('/auth/session')).status, 401);
  });

  test('an answer of the provider is of use in the browser that asked, and once', async (t) => {
    const site = await start(t);
    const [alice, mallory, nobody] = [site.browser(), site.browser(), site.browser()];
    const back = await alice.logInThere('alice');
    await mallory.logInThere('mallory'); // waits for an answer of her own
    for (const other of [mallory, nobody]) {
      assert.equal((await other.send(back)).status, 403);
      assert(!(await other.isIn()));
    }
    assert.equal((await alice.send(back)).status, 303);
    assert(await alice.isIn());
    assert.equal((await alice.send(back)).status, 403);
  });

  test('the code of another login is refused, by PKCE', async (t) => {
    const site = await start(t);
    const [alice, mallory] = [site.browser(), site.browser()];
    const [theirs, own] = [new URL(await alice.logInThere('alice')), new URL(await mallory.logInThere('mallory'))];
    own.searchParams.set('code', theirs.searchParams.get('code'));
    assert.equal((await mallory.send(own.href)).status, 401);
    assert(!(await mallory.isIn()));
  });

  test('an ID token with another nonce is refused', async (t) => {
    const browser = (await start(t)).browser();
    const back = await browser.logInThere('alice', '/', { nonce: 'of another login' });
    assert.equal((await browser.send(back)).status, 401);
    assert(!(await browser.isIn()));
  });

  test('a `next` that leaves the site is refused', async (t) => {
    const browser = (await start(t)).browser();
    for (const next of ['https://evil.example/', '//evil.example/', '/\\evil.example', '/\t/evil.example', 'javascript:alert(1)', '']) {
      const answer = await browser.get(`/login?next=${encodeURIComponent(next)}`);
      assert.equal(answer.status, 400, next);
      assert.deepEqual(browser.cookies, []);
    }
  });

  test("a visitor's cookie that was planted gains nothing", async (t) => {
    const site = await start(t);
    const [alice, mallory] = [site.browser(), site.browser()];
    await mallory.logInThere('mallory');
    for (const [name, value] of mallory.jar(site.origin)) alice.jar(site.origin).set(name, value);
    const back = await alice.logInThere('alice');
    assert.equal((await alice.send(back)).status, 303);
    assert(await alice.isIn());
    assert(!(await mallory.isIn()));
    assert.equal((await mallory.send(back)).status, 403);
    assert.equal((await mallory.get('/auth/sessions')).status, 401);
  });

  test('a logout at the provider ends the session that began there, and no other', async (t) => {
    const site = await start(t);
    const [first, second, bob] = [site.browser(), site.browser(), site.browser()];
    await first.logIn('alice');
    await second.logIn('alice');
    await bob.logIn('bob');
    await first.logOutThere();
    await until(async () => !(await first.isIn()));
    assert(await second.isIn());
    assert(await bob.isIn());
  });

  test('a logout token without a session ends all of its user, and is accepted once', async (t) => {
    const site = await start(t);
    const [first, second, bob] = [site.browser(), site.browser(), site.browser()];
    for (const browser of [first, second]) await browser.logIn('alice');
    await bob.logIn('bob');
    const token = await sign(site, {});
    assert.equal(await send(site, token), 200);
    assert(!(await first.isIn()) && !(await second.isIn()) && (await bob.isIn()));
    await first.logIn('alice');
    assert.equal(await send(site, token), 400);
    assert(await first.isIn());
  });

  test('what is no logout token of the provider for us ends nothing', async (t) => {
    const site = await start(t);
    const alice = site.browser();
    await alice.logIn('alice');
    const past = Math.floor(Date.now() / 1000) - 3600;
    const bad = {
      'no event': await sign(site, { events: {} }),
      'no events': await sign(site, { events: undefined }),
      'no name': await sign(site, { jti: undefined }),
      'a nonce': await sign(site, { nonce: 'as an ID token has' }),
      'another audience': await sign(site, { aud: 'another' }),
      'another issuer': await sign(site, { iss: 'https://evil.example' }),
      expired: await sign(site, { iat: past, exp: past + 120 }),
      'another key': await sign(site, {}, key()),
      'no signature': `${(await sign(site, {})).replace(/\.[^.]*$/, '.')}`,
      'no token': 'x.y.z',
    };
    for (const [what, token] of Object.entries(bad)) assert.equal(await send(site, token), 400, what);
    assert(await alice.isIn());
    assert.equal(await send(site, await sign(site, { sid: 'another session' })), 200);
    assert(await alice.isIn());
    assert.equal(await send(site, await sign(site, {})), 200);
    assert(!(await alice.isIn()));
  });
});
