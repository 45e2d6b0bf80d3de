/** The shell, where a browser is not needed to see what it does. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { type AuthOptions, type SessionRecord, type Store, createAuth } from '../src/index.js';

// Under Node the pauses of the client do not keep the process alive.
const alive = setInterval(() => {}, 1e3);
after(() => clearInterval(alive));

const TOKEN = { access_token: 'a1', refresh_token: 'r1', expires_in: 300, session_id: 's1' };

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

/** A client whose requests are answered by `answer`. */
const client = (answer: (url: string, init: RequestInit) => Response, options: AuthOptions = {}) => {
  const sent: Sent[] = [];
  const auth = createAuth({
    baseUrl: 'https://app.example/auth',
    storage: 'memory',
    ...options,
    fetch: async (input, init = {}) => {
      const url = input instanceof Request ? input.url : String(input);
      sent.push({ url, init: input instanceof Request ? { headers: input.headers, method: input.method } : init });
      return answer(url, init);
    },
  });
  return { auth, sent };
};

const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });

const header = (sent: Sent, name: string) => new Headers(sent.init.headers).get(name);

describe('login', () => {
  test('posts JSON with the transport, without cookies where the transport is header', async () => {
    const { auth, sent } = client(() => json(TOKEN));
    await auth.login({ username: 'alice', password: 'x' });
    assert.equal(sent[0]!.url, 'https://app.example/auth/login');
    assert.deepEqual(JSON.parse(String(sent[0]!.init.body)), { transport: 'header', username: 'alice', password: 'x' });
    assert.equal(sent[0]!.init.credentials, 'omit');
    assert.equal(await auth.getToken(), 'a1');
    auth.dispose();
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

  test('a stream body is sent once', async () => {
    const { auth, sent } = await settled();
    const body = new ReadableStream({ start: (controller) => controller.close() });
    const init = { method: 'POST', body, duplex: 'half' } as RequestInit;
    assert.equal((await auth.fetch('https://app.example/api', init)).status, 401);
    assert.equal(sent.length, 1);
    auth.dispose();
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

describe('storage', () => {
  test('a place of the application is asked in order, and holds the record', async () => {
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

  test('one that rejects is left for memory', async () => {
    const storage: Store = { update: () => Promise.reject(new Error('broken')) };
    const { auth } = client(() => json(TOKEN), { storage });
    await auth.setTokens(TOKEN);
    assert.equal(await auth.getToken(), 'a1');
    auth.dispose();
  });
});

describe('events', () => {
  test('a handler that is taken off hears nothing more, and none hears a token', async () => {
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

  test('dispose rejects who waits', async () => {
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
  test('the reducer and the record name nothing of a browser, no clock, no timer and no chance', () => {
    for (const file of ['src/reducer.ts', 'src/record.ts']) {
      const code = readFileSync(file, 'utf8').replace(/\/\*[^]*?\*\/|\/\/.*/g, '');
      const found =
        /\b(window|document|navigator|globalThis|self|indexedDB|localStorage|BroadcastChannel|AbortController|AbortSignal|fetch|Request|Response|Headers|URL|setTimeout|setInterval|queueMicrotask|Promise|async|await|Date|performance|random\(|crypto)\b/.exec(
          code,
        );
      assert.equal(found?.[0], undefined, file);
      for (const [, from] of code.matchAll(/from '(.*)'/g)) assert.equal(from, './record.js');
    }
  });

  test('under Node the import does nothing, and a client that nobody disposed of does not keep the process alive', () => {
    const script = `import { createAuth } from './embed/auth.js'; createAuth(); createAuth({ transport: 'cookie' });`;
    execFileSync(process.execPath, ['--input-type=module', '--eval', script], { timeout: 12e4 });
  });
});
