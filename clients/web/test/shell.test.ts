/** The shell, as far as it can be tested without a browser. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { createContext, runInContext } from 'node:vm';
import { type Auth, type AuthOptions, type SessionRecord, type Store, createAuth } from '../src/index.js';
import { currentSession } from '../src/sessions.js';

// Under Node the pauses of the client do not keep the process alive.
const alive = setInterval(() => {}, 1e3);
after(() => clearInterval(alive));

const TOKEN = { access_token: 'a1', refresh_token: 'r1', expires_in: 300, session_id: 's1' };

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

/** A client whose requests are answered by `answer`. */
const client = (answer: (url: string, init: RequestInit) => Response | Promise<Response>, options: AuthOptions = {}) => {
  const sent: Sent[] = [];
  const auth = createAuth({
    transport: 'header',
    baseUrl: 'https://app.example/auth',
    storage: 'memory',
    ...options,
    fetch: async (input, init = {}) => {
      const url = input instanceof Request ? input.url : String(input);
      // As the platform does: it uses a body up.
      if (input instanceof Request) await input.text();
      sent.push({ url, init: input instanceof Request ? { headers: input.headers, method: input.method } : init });
      return answer(url, init);
    },
  });
  return { auth, sent };
};

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });

/** The locks of one origin: one holder at a time, and a signal ends only the wait. */
const origin = () => {
  let last: Promise<unknown> = Promise.resolve();
  const request = (_: string, { signal }: { signal: AbortSignal }, use: () => Promise<void>) => {
    const before = last;
    const waited = Promise.race([
      before.then(() => !signal.aborted),
      new Promise<boolean>((resolve) => signal.addEventListener('abort', () => resolve(false))),
    ]);
    const done = waited.then((granted) => {
      if (!granted) throw signal.reason;
      return use();
    });
    last = Promise.all([before, done.catch(() => {})]);
    return done;
  };
  return { request };
};

const header = (sent: Sent, name: string) => new Headers(sent.init.headers).get(name);

describe('login', () => {
  test('posts JSON with the transport, without cookies if the transport is header', async () => {
    const { auth, sent } = client(() => json(TOKEN));
    await auth.login({ username: 'alice', password: 'x' });
    assert.equal(sent[0]!.url, 'https://app.example/auth/login');
    assert.deepEqual(JSON.parse(String(sent[0]!.init.body)), { transport: 'header', username: 'alice', password: 'x' });
    assert.equal(sent[0]!.init.credentials, 'omit');
    assert.equal(await auth.getToken(), 'a1');
    auth.dispose();
  });

  test('the message of an error says what to do', async () => {
    const refused = client(() => json({ error: 'invalid_credentials' }, 401));
    await assert.rejects(refused.auth.login({}), { message: 'invalid_credentials' });
    await assert.rejects(refused.auth.getToken(), { message: 'log in: none' });
    refused.auth.dispose();
    await assert.rejects(refused.auth.getToken(), { message: 'log in: disposed' });
    const down = client(() => json({}, 503));
    await assert.rejects(down.auth.login({}), { name: 'RequestRefused', message: 'retry later' });
    down.auth.dispose();
  });

  test('a refusal rejects with its status, its error and Retry-After', async () => {
    const { auth } = client(() => json({ error: 'invalid_credentials' }, 429, { 'retry-after': '7' }));
    await assert.rejects(auth.login({}), {
      name: 'RequestRefused',
      status: 429,
      error: 'invalid_credentials',
      retryAfterMs: 7000,
    });
    await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'none' });
    auth.dispose();
  });
});

describe('a second login', () => {
  test('ends the first session on the server, and is a switch', async () => {
    let serial = 0;
    const { auth, sent } = client(() => json({ ...TOKEN, refresh_token: `r${++serial}`, session_id: `s${serial}` }));
    const switched: unknown[] = [];
    auth.on('switched', ({ session }) => switched.push(session));
    await auth.login({ username: 'alice' });
    await auth.login({ username: 'bob' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(sent.map((each) => each.url.split('/').pop()), ['login', 'login', 'revoke']);
    assert.equal(String(sent[2]!.init.body), 'token=r1');
    assert.deepEqual(switched, ['s2']);
    auth.dispose();
  });

  test('in the same session ends nothing', async () => {
    const { auth, sent } = client(() => json(TOKEN));
    await auth.setTokens({ ...TOKEN, access_token: 'a0', refresh_token: 'r0' });
    await auth.setTokens(TOKEN);
    assert.equal(sent.length, 0);
    auth.dispose();
  });
});

describe('a step-up', () => {
  test('sends the refresh token of the transport header along, and keeps what comes back', async () => {
    const { auth, sent } = client(() => json({ ...TOKEN, access_token: 'a2', refresh_token: 'r2' }));
    await auth.setTokens(TOKEN);
    await auth.stepUp({ password: 'x' });
    assert.equal(sent[0]!.url, 'https://app.example/auth/step-up');
    assert.deepEqual(JSON.parse(String(sent[0]!.init.body)), { refresh_token: 'r1', password: 'x' });
    assert.equal(await auth.getToken(), 'a2');
    auth.dispose();
  });

  test('that is answered after a logout brings nothing back to life, and what it brought is ended', async () => {
    let answer = (_response: Response) => {};
    const sent: string[] = [];
    const auth = createAuth({
      transport: 'header',
      baseUrl: 'https://app.example/auth',
      storage: 'memory',
      fetch: (input, init) => {
        sent.push(`${String(input).split('/').pop()} ${init?.body ?? ''}`);
        return sent.length == 1 ? new Promise((resolve) => (answer = resolve)) : Promise.resolve(json({}));
      },
    });
    await auth.setTokens(TOKEN);
    const stepUp = auth.stepUp({ password: 'x' });
    await new Promise((resolve) => setTimeout(resolve, 5));
    await auth.logout();
    answer(json({ ...TOKEN, access_token: 'a2', refresh_token: 'r2' }));
    await stepUp;
    await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'logout' });
    assert.equal(sent.at(-1), 'revoke token=r2');
    auth.dispose();
  });
});

describe('the refresh request', () => {
  test('is a form of RFC 6749 section 6, with the own parameters of the application, and follows no redirect', async () => {
    const { auth, sent } = client(() => json({ ...TOKEN, access_token: 'a2' }), {
      routes: { refresh: 'https://idp.example/token' },
      params: { client_id: 'spa' },
    });
    await auth.setTokens(TOKEN, Date.now() - 3e5);
    assert.equal(await auth.getToken(), 'a2');
    const [{ url, init }] = sent as [Sent];
    assert.equal(url, 'https://idp.example/token');
    assert.equal(String(init.body), 'grant_type=refresh_token&refresh_token=r1&client_id=spa');
    assert.equal(init.redirect, 'error');
    assert.equal(init.cache, 'no-store');
    assert.equal(init.credentials, 'omit');
    auth.dispose();
  });

  test('with the transport cookie it has no body', async () => {
    const { auth, sent } = client(() => json({ ...TOKEN, refresh_token: undefined }), { transport: 'cookie' });
    assert.equal(await auth.getToken(), 'a1');
    assert.equal(sent[0]!.init.body, null);
    assert.equal(sent[0]!.init.credentials, 'include');
    auth.dispose();
  });

  test('Retry-After as a date is measured by the Date of the server', async () => {
    const { auth } = client(() =>
      json({}, 503, { 'retry-after': 'Thu, 01 Jan 1970 00:01:40 GMT', date: 'Thu, 01 Jan 1970 00:01:00 GMT' }),
    );
    const failed = new Promise<number>((resolve) =>
      auth.on('refreshError', ({ retryAt }) => resolve(retryAt - Date.now())),
    );
    await auth.setTokens(TOKEN, Date.now() - 3e5);
    auth.getToken().catch(() => {});
    const wait = await failed;
    assert.ok(wait > 39e3 && wait < 42e3, `${wait}`);
    auth.dispose();
  });
});

test('a request counts as offline only if the device had no network when it was sent', async () => {
  const found = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  const navigator = { onLine: true };
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: navigator });
  const heard: unknown[] = [];
  for (const [before, after] of [
    [true, false],
    [false, true],
  ] as const) {
    navigator.onLine = before;
    const { auth } = client(() => {
      navigator.onLine = after;
      throw new TypeError('network');
    });
    const failed = new Promise((resolve) => auth.on('refreshError', ({ offline }) => resolve(offline)));
    await auth.setTokens(TOKEN, Date.now() - 3e5);
    auth.getToken().catch(() => {});
    heard.push(await failed);
    auth.dispose();
  }
  delete (globalThis as { navigator?: unknown }).navigator;
  if (found) Object.defineProperty(globalThis, 'navigator', found);
  assert.deepEqual(heard, [false, true]);
});

test('a Retry-After of a day is believed for an hour, and refreshError says so', async () => {
  const { auth } = client(() => json({}, 503, { 'retry-after': '86400' }));
  const failed = new Promise<number>((resolve) => auth.on('refreshError', ({ retryAt }) => resolve(retryAt - Date.now())));
  await auth.setTokens(TOKEN, Date.now() - 3e5);
  auth.getToken().catch(() => {});
  const wait = await failed;
  assert.ok(wait > 3590e3 && wait <= 3600e3, `${wait}`);
  auth.dispose();
});

describe('fetch', () => {
  const expired = () =>
    new Response(null, { status: 401, headers: { 'www-authenticate': 'Bearer realm="x", error="invalid_token"' } });

  /** Refuses the first token at the API. */
  const api = (url: string, init: RequestInit) =>
    url.endsWith('/refresh') ? json({ ...TOKEN, access_token: 'a2' }) : init ? expired() : expired();

  const settled = async () => {
    const pair = client(api);
    await pair.auth.setTokens(TOKEN);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return pair;
  };

  test('a 401 that names invalid_token: one renewal and one repetition', async () => {
    const { auth, sent } = await settled();
    const response = await auth.fetch('https://app.example/api', { method: 'POST', body: 'x' });
    assert.equal(response.status, 401);
    assert.deepEqual(
      sent.map((each) => [each.url.split('/').pop(), header(each, 'authorization')]),
      [
        ['api', 'Bearer a1'],
        ['refresh', null],
        ['api', 'Bearer a2'],
      ],
    );
    auth.dispose();
  });

  for (const [name, when] of [
    ['before the call', -1],
    ['while a renewal hangs', 50],
  ] as const)
    test(`the caller's signal, aborted ${name}, ends the wait for a token`, async () => {
      const auth = createAuth({
        transport: 'header',
        baseUrl: 'https://app.example/auth',
        storage: 'memory',
        fetch: (input) => (input instanceof Request ? fetch(input) : new Promise(() => {})),
      });
      await auth.setTokens(TOKEN, Date.now() - 3e5);
      const controller = new AbortController();
      if (when < 0) controller.abort();
      else setTimeout(() => controller.abort(), when);
      const begin = Date.now();
      await assert.rejects(auth.fetch('https://app.example/api', { signal: controller.signal }), { name: 'AbortError' });
      assert.ok(Date.now() - begin < 5e3, `${Date.now() - begin}`);
      auth.dispose();
    });

  const routes = (sent: Sent[]) => sent.map((each) => each.url.split('/').pop());

  for (const [name, make] of [
    ['a stream body', () => ['https://app.example/api', { method: 'POST', body: new ReadableStream({ start: (controller) => controller.close() }), duplex: 'half' }]],
    ['the body of a Request', () => [new Request('https://app.example/api', { method: 'POST', body: 'x' })]],
  ] as [string, () => Parameters<Auth['fetch']>][])
    test(`${name} is sent once, and a refused token is renewed for the requests after it`, async () => {
      const { auth, sent } = await settled();
      assert.equal((await auth.fetch(...make())).status, 401);
      await auth.fetch(...make());
      assert.deepEqual(routes(sent), ['api', 'refresh', 'api']);
      assert.equal(header(sent[2]!, 'authorization'), 'Bearer a2');
      auth.dispose();
    });

  test('the answer to a request that cannot be repeated does not wait for the renewal', { timeout: 8e3 }, async () => {
    const hangs = new Promise<Response>(() => {});
    const auth = createAuth({
      transport: 'header',
      baseUrl: 'https://app.example/auth',
      storage: 'memory',
      fetch: async (input) => (input instanceof Request ? expired() : hangs),
    });
    await auth.setTokens(TOKEN);
    const request = new Request('https://app.example/api', { method: 'POST', body: 'x' });
    assert.equal((await auth.fetch(request)).status, 401);
    auth.dispose();
  });

  test('a request that was redirected is not repeated', async () => {
    const { auth, sent } = client((url) => (url.endsWith('/refresh') ? api(url, {}) : Object.defineProperty(expired(), 'redirected', { value: true })));
    await auth.setTokens(TOKEN);
    assert.equal((await auth.fetch('https://app.example/order', { method: 'POST', body: 'x' })).status, 401);
    assert.deepEqual(routes(sent), ['order']);
    auth.dispose();
  });

  describe('with the transport session', () => {
    const SESSION = { session_id: 's1', session_expires_in: 3600 };

    /** A client, what its application hears of an end, and how often the API was asked. */
    const browser = (answer: (url: string) => Response | Promise<Response>) => {
      const { auth, sent } = client(answer, { transport: 'session' });
      const heard: unknown[] = [];
      auth.on('signedOut', ({ reason }) => heard.push(reason));
      return { auth, heard, asked: () => sent.filter(({ url }) => url.endsWith('/api')).length };
    };
    const soon = () => new Promise((resolve) => setTimeout(resolve, 20));

    test('a late 401 of an older session does not end the one that replaced it', async () => {
      let answer = (_: Response) => {};
      const slow = new Promise<Response>((resolve) => (answer = resolve));
      let requests = 0;
      const { auth, heard } = browser(() => (requests++ ? json({}) : slow));
      await auth.setTokens(SESSION);
      const response = auth.fetch('https://app.example/api');
      await new Promise((resolve) => setTimeout(resolve, 5));
      await auth.setTokens({ ...SESSION, session_id: 's2' });
      answer(expired());
      assert.equal((await response).status, 200);
      await soon();
      assert.deepEqual(heard, []);
      auth.dispose();
    });

    test('a 401 of a cookie that has been replaced meanwhile is repeated with the newer one', async () => {
      let requests = 0;
      const { auth, heard, asked } = browser(() => (requests++ ? json({}) : expired()));
      await auth.setTokens(SESSION);
      assert.equal((await auth.fetch('https://app.example/api', { method: 'POST', body: 'x' })).status, 200);
      await soon();
      assert.deepEqual([heard, asked()], [[], 2]);
      auth.dispose();
    });

    test('a cookie that is refused twice has ended', async () => {
      const { auth, heard, asked } = browser(expired);
      await auth.setTokens(SESSION);
      assert.equal((await auth.fetch('https://app.example/api')).status, 401);
      await soon();
      assert.deepEqual([heard, asked()], [['expired'], 2]);
      auth.dispose();
    });

    test('a request that cannot be repeated says nothing of the session', async () => {
      const { auth, heard, asked } = browser(expired);
      await auth.setTokens(SESSION);
      const request = new Request('https://app.example/api', { method: 'POST', body: 'x' });
      assert.equal((await auth.fetch(request)).status, 401);
      await soon();
      assert.deepEqual([heard, asked()], [[], 1]);
      auth.dispose();
    });

    test('a step-up whose first answer is lost outlives a request with the cookie that it has replaced', async (t) => {
      Object.defineProperty(globalThis, 'navigator', { value: { locks: origin() }, configurable: true });
      t.after(() => Reflect.deleteProperty(globalThis, 'navigator'));
      let stepped = 0;
      const { auth, heard, asked } = browser((url) => {
        // The server has a newer cookie for the browser, which gets it with the second answer.
        if (url.endsWith('/step-up')) return stepped++ ? json(SESSION) : json({}, 502);
        return stepped == 1 ? expired() : json({});
      });
      await auth.setTokens(SESSION);
      const step = auth.stepUp({ password: 'x' });
      while (!stepped) await new Promise((resolve) => setTimeout(resolve, 5));
      const response = auth.fetch('https://app.example/api');
      assert.equal((await response).status, 200);
      await step;
      await soon();
      assert.deepEqual([heard, asked()], [[], 2]);
      auth.dispose();
    });

    test('a 401 ends the session also if it answers the first request of a page', async () => {
      let record: SessionRecord | undefined;
      const storage: Store = { update: async (change) => (record = change(record) ?? record) };
      const before = client(() => json({}), { transport: 'session', storage });
      await before.auth.setTokens(SESSION);
      before.auth.dispose();
      const { auth } = client(expired, { transport: 'session', storage });
      assert.equal((await auth.fetch('https://app.example/api')).status, 401);
      await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(record?.end, 'expired');
      auth.dispose();
    });
  });

  for (const url of [
    'https://app.example.evil.example/api',
    'https://app.example:444/api',
    'http://app.example/api',
    'https://app.example/auth/refresh',
    'https://app.example/auth/logout',
  ])
    test(`${url} gets no token`, async () => {
      const { auth, sent } = client(() => json({}));
      await auth.setTokens(TOKEN);
      await auth.fetch(url, { method: 'POST' });
      assert.equal(header(sent[0]!, 'authorization'), null);
      auth.dispose();
    });

  test('origins that the application lists get it, and then only those', async () => {
    const { auth, sent } = client(() => json({}), { origins: ['https://api.example'] });
    await auth.setTokens(TOKEN);
    await auth.fetch('https://api.example/x');
    await auth.fetch('https://app.example/x');
    assert.deepEqual(
      sent.map((each) => header(each, 'authorization')),
      ['Bearer a1', null],
    );
    auth.dispose();
  });

  test('a 403 is never answered by a renewal', async () => {
    const { auth, sent } = client(
      () => new Response(null, { status: 403, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } }),
    );
    await auth.setTokens(TOKEN);
    assert.equal((await auth.fetch('https://app.example/x')).status, 403);
    assert.equal(sent.length, 1);
    auth.dispose();
  });
});

describe('logout', () => {
  test('forgets first, then tells the server with both tokens', async () => {
    const { auth, sent } = client(() => new Response(null, { status: 204 }));
    await auth.setTokens(TOKEN);
    assert.equal(await auth.logout(), true);
    assert.equal(header(sent[0]!, 'authorization'), 'Bearer a1');
    assert.equal(String(sent[0]!.init.body), 'refresh_token=r1&token=r1');
    assert.equal(sent[0]!.init.keepalive, true);
    await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'logout' });
    auth.dispose();
  });

  test('without a network it still forgets, and says so', async () => {
    const { auth } = client(() => {
      throw new TypeError('network');
    });
    await auth.setTokens(TOKEN);
    assert.equal(await auth.logout(), false);
    await assert.rejects(auth.getToken(), { name: 'LoginRequired' });
    auth.dispose();
  });
});

describe('a request that gets no answer', () => {
  const { timeout } = AbortSignal;
  before(() => void (AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 100)));
  after(() => void (AbortSignal.timeout = timeout));

  /** A client whose requests to one route are never answered, and those to others at once. */
  const silent = (route: string) => {
    const sent: string[] = [];
    const auth = createAuth({
      transport: 'header',
      baseUrl: 'https://app.example/auth',
      storage: 'memory',
      fetch: (input, init) => {
        sent.push(String(input).split('/').pop()!);
        if (sent.at(-1) != route) return Promise.resolve(json(TOKEN));
        return new Promise((_, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal!.reason)));
      },
    });
    return { auth, sent };
  };

  test('to log in, rejects after 30 s', { timeout: 2e4 }, async () => {
    const { auth } = silent('login');
    await assert.rejects(auth.login({}), { name: 'TimeoutError' });
    auth.dispose();
  });

  test('to step up, is repeated once, after 7 s and a pause', { timeout: 2e4 }, async () => {
    const { auth, sent } = silent('step-up');
    await auth.setTokens(TOKEN);
    const limits: number[] = [];
    const fast = AbortSignal.timeout;
    AbortSignal.timeout = (ms) => (limits.push(ms), fast(ms));
    await assert.rejects(auth.stepUp({}), { name: 'TimeoutError' });
    AbortSignal.timeout = fast;
    assert.deepEqual(sent, ['step-up', 'step-up']);
    // Between them are limits of the store, of the wait for the lock, and one that is not used.
    assert.deepEqual(limits.filter((ms) => ![2e3, 8e3, 3e4].includes(ms)), [7e3, 1e3, 7e3]);
    auth.dispose();
  });

  test('to log out, leaves the session forgotten, and says so', { timeout: 2e4 }, async () => {
    const { auth } = silent('logout');
    await auth.setTokens(TOKEN);
    assert.equal(await auth.logout(), false);
    await assert.rejects(auth.getToken(), { reason: 'logout' });
    auth.dispose();
  });
});

describe('a step-up whose answer is late', () => {
  // More would leave a busy machine no time between two steps.
  const RATE = 8;
  const { timeout } = AbortSignal;
  const { setTimeout } = globalThis;
  const { now } = Date;
  const mono = performance.now;
  const begin = now();
  // All clocks are fast, so that they agree.
  before(() => {
    Date.now = () => Math.floor(begin + (now() - begin) * RATE);
    performance.now = () => mono.call(performance) * RATE;
    AbortSignal.timeout = (ms) => timeout.call(AbortSignal, Math.round(ms / RATE));
    globalThis.setTimeout = ((use: () => void, ms = 0) => setTimeout(use, ms / RATE)) as never;
  });
  after(() => {
    Object.assign(Date, { now });
    Object.assign(performance, { now: mono });
    Object.assign(AbortSignal, { timeout });
    Object.assign(globalThis, { setTimeout });
    Reflect.deleteProperty(globalThis, 'navigator');
  });
  const sleep = (ms: number) => new Promise<void>((resolve) => globalThis.setTimeout(resolve, ms));

  /** Two tabs of one browser, and a server that holds the answers to step-ups back, each for so many milliseconds. */
  const tabs = async (grace: number, held: number[], locks: unknown) => {
    Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });
    let record: SessionRecord | undefined;
    const storage: Store = { update: async (change) => (record = change(record) ?? record) };
    const sent: [route: string, token: string][] = [];
    const heard: string[] = [];
    let generation = 1;
    let stepped: string | undefined;
    const answer = (life = 300) =>
      json({
        access_token: 'a' + generation,
        refresh_token: 'r' + generation,
        expires_in: life,
        refresh_grace: grace,
        session_id: 's1',
      });
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const route = String(input).split('/').pop()!;
      const body = String(init!.body);
      const token = route == 'step-up' ? JSON.parse(body).refresh_token : new URLSearchParams(body).get('refresh_token');
      sent.push([route, token]);
      if (route == 'revoke') return new Response();
      if (route == 'step-up') {
        // The rotation is done before the answer is held back; the same request again is replayed.
        if (token == 'r' + generation) (stepped = token), generation++;
        const late = answer();
        await Promise.race([
          sleep(held.shift() ?? 0),
          new Promise((_, reject) => init!.signal!.addEventListener('abort', () => reject(init!.signal!.reason))),
        ]);
        return late;
      }
      if (token == stepped) return json({ error: 'invalid_grant', reason: 'revoked' }, 400);
      generation++;
      return answer();
    };
    const open = () => {
      const auth = createAuth({ transport: 'header', baseUrl: 'https://app.example/auth', storage, fetch });
      for (const event of ['signedOut', 'refreshError'] as const) auth.on(event, () => heard.push(event));
      return auth;
    };
    const [one, two] = [open(), open()];
    // Due in 2 s, and dead in 3 s.
    await one.setTokens({ ...(await answer(4).json()) }, Date.now());
    return { one, two, sent, heard, record: () => record };
  };

  for (const [how, locks] of [
    ['under a lock', true],
    ['without locks', false],
  ] as const)
    for (const grace of [30, 10])
      test(`no renewal overtakes it, in its tab or another, ${how}, grace ${grace} s`, { timeout: 3e4 }, async () => {
        const { one, two, sent, heard, record } = await tabs(grace, [2e4, 4e3], locks ? origin() : null);
        const step = one.stepUp({ password: 'x' });
        await sleep(2500);
        for (const auth of [two, one]) auth.getToken().catch(() => {});
        await step;
        await sleep(2e4);
        assert.deepEqual(
          sent.map(([route, token]) => route + ' ' + token),
          ['step-up r1', 'step-up r1'],
        );
        assert.deepEqual(heard, []);
        assert.equal(record()?.refresh, 'r2');
        assert.deepEqual([record()?.end, record()?.sentAtWall, record()?.lostAtWall], [undefined, 0, 0]);
        assert.equal(await two.getToken(), 'a2');
        one.dispose();
        two.dispose();
      });
});

describe('a step-up that another login overtakes', () => {
  test('leaves the tokens of that login, and what it brought is ended', async () => {
    let tell = () => {};
    const told = new Promise<void>((resolve) => (tell = resolve));
    const { auth, sent } = client(async (url) => {
      if (url.endsWith('/step-up')) await told;
      return json({ ...TOKEN, access_token: 'a2', refresh_token: 'r2' });
    });
    const switched: unknown[] = [];
    auth.on('switched', ({ session }) => switched.push(session));
    await auth.setTokens(TOKEN);
    const step = auth.stepUp({ password: 'x' });
    await auth.setTokens({ ...TOKEN, access_token: 'b1', refresh_token: 'q1', session_id: 's2' });
    tell();
    await step;
    assert.equal(await auth.getToken(), 'b1');
    assert.deepEqual(switched, ['s2']);
    const revoked = sent.filter(({ url }) => url.endsWith('/revoke')).map(({ init }) => String(init.body));
    assert.deepEqual(revoked, ['token=r1', 'token=r2']);
    auth.dispose();
  });
});

describe('an answer that is lost', () => {
  const lost = [
    ['because the connection ends', () => { throw new TypeError('network'); }],
    ['within its body', () => new Response('{"access_')],
    ['at a gateway: 502', () => json({}, 502)],
    ['at a gateway: 504', () => new Response('', { status: 504 })],
  ] as const;

  for (const [how, lose] of lost)
    test(`${how}: a step-up is repeated once with the same token`, async () => {
      let requests = 0;
      const { auth, sent } = client(() => (requests++ ? json({ ...TOKEN, access_token: 'a2', refresh_token: 'r2' }) : lose()));
      await auth.setTokens(TOKEN);
      await auth.stepUp({ password: 'x' });
      assert.equal(sent.length, 2);
      assert.equal(sent[1]!.init.body, sent[0]!.init.body);
      assert.equal(await auth.getToken(), 'a2');
      auth.dispose();
    });

  for (const [field, least] of [['1', 990], ['2', 1990]] as const)
    test(`a step-up waits before it is repeated, as long as Retry-After: ${field} says`, async () => {
      const at: number[] = [];
      const { auth } = client(() => {
        at.push(performance.now());
        return at.length > 1 ? json(TOKEN) : json({}, 504, { 'retry-after': field });
      });
      await auth.setTokens({ ...TOKEN, refresh_grace: 30 } as never);
      await auth.stepUp({});
      assert.ok(at[1]! - at[0]! >= least, `${at[1]! - at[0]!} ms`);
      auth.dispose();
    });

  test('a step-up that is not answered leaves a mark for half of the grace, one that is refused none', async () => {
    for (const [status, marked] of [[502, true], [401, false], [503, false]] as const) {
      let record: SessionRecord | undefined;
      const storage: Store = { update: async (change) => (record = change(record) ?? record) };
      const { auth } = client(() => json({}, status), { storage });
      await auth.setTokens(TOKEN);
      const { gen } = record!;
      await assert.rejects(auth.stepUp({}), { status });
      assert.deepEqual([!!record!.sentAtWall, record!.gen, record!.refresh], [marked, gen, 'r1']);
      auth.dispose();
    }
  });

  for (const transport of ['header', 'cookie', 'session'] as const)
    test(`a step-up without a session, or after a logout, leaves no record behind: ${transport}`, async () => {
      let record: SessionRecord | undefined;
      const storage: Store = { update: async (change) => (record = change(record) ?? record) };
      const { auth } = client(() => json({ error: 'invalid_grant' }, 401), { storage, transport });
      await assert.rejects(auth.stepUp({}), { status: 401 });
      assert.equal(record, undefined);
      await auth.setTokens(TOKEN);
      await auth.logout();
      const ended = { ...record! };
      await assert.rejects(auth.stepUp({}), { status: 401 });
      assert.deepEqual(record, ended);
      auth.dispose();
    });

  test('a login is not repeated, which would open a second session', async () => {
    for (const [, lose] of lost) {
      const { auth, sent } = client(lose);
      await assert.rejects(auth.login({}));
      assert.equal(sent.length, 1);
      auth.dispose();
    }
  });

  test('a step-up that the server refuses is not repeated', async () => {
    for (const status of [400, 401, 429, 503]) {
      const { auth, sent } = client(() => json({ error: 'x' }, status));
      await auth.setTokens(TOKEN);
      await assert.rejects(auth.stepUp({}), { name: 'RequestRefused', status });
      assert.equal(sent.length, 1);
      auth.dispose();
    }
  });
});

describe('dispose', () => {
  const shared = () => {
    const place: { record?: SessionRecord | undefined } = {};
    const storage: Store = {
      update: async (change) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return (place.record = change(place.record) ?? place.record);
      },
    };
    return { place, storage };
  };

  test('does not cut off a logout', async () => {
    const { place, storage } = shared();
    const { auth, sent } = client(() => new Response(null, { status: 204 }), { storage });
    await auth.setTokens(TOKEN);
    const logout = auth.logout();
    auth.dispose();
    assert.equal(await logout, true);
    assert.equal(String(sent[0]!.init.body), 'refresh_token=r1&token=r1');
    assert.equal(place.record?.end, 'logout');
  });

  test('leaves no mark of a refresh that is not sent', async () => {
    const { place, storage } = shared();
    const { auth, sent } = client(() => json(TOKEN), { storage });
    await auth.setTokens(TOKEN);
    auth.getToken('a1').catch(() => {});
    auth.dispose();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual([place.record?.sentAtWall, sent], [0, []]);
  });

  test('does not cut off a login', async () => {
    const { place, storage } = shared();
    const { auth } = client(() => json(TOKEN), { storage });
    const login = auth.login({});
    auth.dispose();
    await login;
    assert.equal(place.record?.refresh, 'r1');
  });

  test('does not keep a write from being tried again', { timeout: 2e4 }, async () => {
    const { place, storage } = shared();
    let fails = 1;
    const failing: Store = { update: (change) => (fails-- > 0 ? Promise.reject(Error('busy')) : storage.update(change)) };
    const { auth } = client(() => json(TOKEN), { storage: failing });
    const kept = auth.setTokens(TOKEN);
    auth.dispose();
    await kept;
    assert.equal(place.record?.access, 'a1');
  });
});

describe('storage', () => {
  test('a store of the application holds the record', async () => {
    let record: SessionRecord | undefined;
    const storage: Store = { update: async (change) => (record = change(record) ?? record) };
    const { auth } = client(() => json(TOKEN), { storage });
    await auth.setTokens(TOKEN);
    assert.equal(record?.access, 'a1');
    auth.dispose();
    const next = client(() => json(TOKEN), { storage });
    assert.equal(await next.auth.getToken(), 'a1');
    next.auth.dispose();
  });

  test('what no version wrote is no session, and a login replaces it', async () => {
    for (const nonsense of [null, 7, 'x', [], {}, { gen: 1 }, { access: 'a', refresh: 'r' }, { gen: 1, lifeMs: NaN, issuedAtWall: 0 }]) {
      let record = nonsense as never as SessionRecord | undefined;
      const storage: Store = { update: async (change) => (record = change(record) ?? record) };
      const { auth, sent } = client(() => json(TOKEN), { storage });
      await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'none' });
      assert.equal(await auth.logout(), true);
      assert.equal(sent[0]!.init.body, null);
      record = nonsense as never;
      await auth.login({});
      assert.equal((record as SessionRecord | undefined)?.access, 'a1');
      auth.dispose();
    }
  });

  test('a session without an access token is given none, even if the server sends one', async () => {
    const { auth, sent } = client(() => json({}), { transport: 'session' });
    await auth.setTokens(TOKEN);
    assert.equal(await auth.getToken(), '');
    await auth.fetch('https://app.example/api');
    assert.equal(header(sent[0]!, 'authorization'), null);
    auth.dispose();
  });

  test('a store that always rejects is replaced by memory', async () => {
    const storage: Store = { update: () => Promise.reject(new Error('broken')) };
    const { auth } = client(() => json(TOKEN), { storage });
    await auth.setTokens(TOKEN);
    assert.equal(await auth.getToken(), 'a1');
    auth.dispose();
  });
});

describe('events', () => {
  test('a removed handler is not called again, and no handler gets a token', async () => {
    const { auth } = client(() => json({ ...TOKEN, access_token: 'a2' }));
    const heard: unknown[] = [];
    const off = auth.on('activity', (detail) => heard.push(detail));
    await auth.setTokens(TOKEN);
    await auth.getToken('a1').catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.ok(heard.length > 2);
    assert.doesNotMatch(JSON.stringify(heard), /"[ar]\d"/);
    off();
    const { length } = heard;
    await auth.getToken();
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(heard.length, length);
    auth.dispose();
  });

  test('a write is heard before what it causes, with what is known after it', async () => {
    const { auth } = client(() => json(TOKEN));
    const heard: unknown[] = [];
    auth.on('activity', ({ write, known }) => write != 'read' && write && heard.push([write, known.session]));
    for (const name of ['refreshed', 'signedOut'] as const) auth.on(name, () => heard.push(name));
    await auth.getToken().catch(() => {});
    await auth.setTokens(TOKEN);
    await auth.logout();
    assert.deepEqual(heard, [['set', 's1'], 'refreshed', ['end', undefined], 'signedOut']);
    auth.dispose();
  });

  test('dispose rejects waiting callers', async () => {
    const { auth } = client(() => new Response(null, { status: 503 }));
    await auth.setTokens(TOKEN, Date.now() - 3e5);
    const waiting = auth.getToken();
    auth.dispose();
    await assert.rejects(waiting, { name: 'LoginRequired', reason: 'disposed' });
    await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'disposed' });
  });

  test('tokens without a token are refused', async () => {
    const { auth } = client(() => json({}));
    await assert.rejects(auth.setTokens({}), TypeError);
    auth.dispose();
  });
});

describe('the files', () => {
  test('the machine and the record use no browser API, no clock, no timer and no random numbers', () => {
    for (const file of ['src/machine.ts', 'src/record.ts']) {
      const code = readFileSync(file, 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
      const found =
        /\b(window|document|navigator|globalThis|self|indexedDB|localStorage|BroadcastChannel|AbortController|AbortSignal|fetch|Request|Response|Headers|URL|setTimeout|setInterval|queueMicrotask|Promise|async|await|Date|performance|random\(|crypto)\b/.exec(
          code,
        );
      assert.equal(found?.[0], undefined, file);
      for (const [, from] of code.matchAll(/from '(.*)'/g)) assert.equal(from, './record.js');
    }
  });
});

describe('without a transport', () => {
  test('the refresh token travels as a cookie', async () => {
    const { auth, sent } = client(() => json({ access_token: 'a1', expires_in: 300 }), { transport: undefined as never });
    await auth.login({ username: 'alice', password: 'x' });
    assert.equal(JSON.parse(String(sent[0]!.init.body)).transport, 'cookie');
    assert.equal(sent[0]!.init.credentials, 'include');
    auth.dispose();
  });
});

describe('who is signed in', () => {
  const session = { session_id: 's1', current: true };
  const asked = (response: Response | Error) => {
    const fetched: string[] = [];
    const fetch = async (input: RequestInfo | URL) => {
      fetched.push(String(input));
      if (response instanceof Error) throw response;
      return response;
    };
    return { fetched, answer: currentSession({ fetch }) };
  };

  test('is the session that the server names', async () => {
    const { fetched, answer } = asked(json(session));
    assert.deepEqual([await answer, fetched], [session, ['/auth/session']]);
  });

  test('is nobody if the server does not know the cookie', async () => {
    assert.equal(await asked(json({ error: 'unauthorized' }, 401)).answer, undefined);
  });

  test('is nobody, without a request, if this browser knows of no session', async () => {
    const { auth, sent } = client(() => json({}), { transport: 'header' });
    assert.equal(await currentSession(auth, 'https://app.example/auth/session'), undefined);
    assert.deepEqual(sent, []);
    auth.dispose();
  });

  test('is not known if the server or the network fails', async () => {
    await assert.rejects(asked(json({}, 503)).answer, { name: 'RequestRefused', status: 503 });
    await assert.rejects(asked(new TypeError('no network')).answer, { name: 'TypeError' });
  });
});

describe('on a server', () => {
  const program = readFileSync('embed/auth.js', 'utf8').replace(/export\{(\w+) as createAuth\};?\s*$/, 'createAuth = $1;');

  /** Runs the client, and a module that creates one, in a runtime that has these globals and the language. */
  const evaluate = (globals: Record<string, unknown>, loading: { now: boolean }) => {
    const context = createContext({ ...globals });
    runInContext(`let createAuth; ${program}; globalThis.auth = createAuth({ transport: 'header', baseUrl: 'https://app.example/auth' });`, context);
    loading.now = false;
    return (context as { auth: Auth }).auth;
  };

  const { AbortController, Headers, Request, Response, URL, URLSearchParams, clearTimeout, fetch, performance, queueMicrotask, setTimeout } =
    globalThis;
  const common = { AbortController, Headers, Request, Response, URL, URLSearchParams, fetch, performance, queueMicrotask };
  const addEventListener = () => {};

  for (const [name, globals] of [
    ['a worker of Cloudflare, with listeners but no channels', { ...common, AbortSignal, addEventListener, clearTimeout, setTimeout }],
    ['an edge runtime, which cannot join signals', { ...common, AbortSignal: {}, addEventListener, clearTimeout, setTimeout }],
    ['jsdom, a page without channels, storage and fetch', { AbortController, AbortSignal, URL, addEventListener, clearTimeout, document: {}, location: new URL('https://app.example/'), performance, queueMicrotask, setTimeout }],
  ] as const)
    test(`a client may be created while a module is loaded: ${name}`, async () => {
      const loading = { now: true };
      const guarded = Object.fromEntries(
        Object.entries(globals).map(([key, value]) => [
          key,
          key == 'setTimeout' || key == 'fetch'
            ? (...args: never[]) => {
                assert.equal(loading.now, false, `${key} while a module is loaded`);
                return (value as (...args: never[]) => unknown)(...args);
              }
            : value,
        ]),
      );
      const auth = evaluate(guarded, loading);
      await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'none' });
      auth.dispose();
    });

  test('no random number is drawn while a module is loaded', () => {
    const context = createContext({ AbortController, queueMicrotask, performance });
    runInContext(`Math.random = () => { throw new Error('no random numbers here'); }; let createAuth; ${program}; createAuth();`, context);
  });

  for (const transport of ['header', 'cookie', 'session'])
    test(`under Node a client with the transport ${transport} does not keep the process alive, asked or not`, () => {
      const script = `import { createAuth } from './embed/auth.js';
        createAuth({ transport: '${transport}' });
        await createAuth({ transport: '${transport}', baseUrl: 'http://127.0.0.1:9/auth' }).getToken().catch(() => {});`;
      execFileSync(process.execPath, ['--input-type=module', '--eval', script], { timeout: 12e4 });
    });
});
