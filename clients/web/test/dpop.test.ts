/** The `fetch` that proves a key: what it sends, what it repeats, and what it leaves alone. */
import assert from 'node:assert/strict';
import { after, afterEach, beforeEach, describe, test } from 'node:test';
import { type DpopOptions, dpopFetch } from '../src/dpop.js';

// Under Node the limit of a store does not keep the process alive.
const alive = setInterval(() => {}, 1e3);
after(() => clearInterval(alive));

/** For what must not wait, in milliseconds. */
const timeout = 2e4;

const ORIGIN = 'https://app.example';
const ROUTES = ['login', 'refresh'].map((route) => `${ORIGIN}/auth/${route}`) as [string, string];

type Json = Record<string, string & number>;
const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json & { jwk: JsonWebKey };

/** Reads a proof and verifies its signature. */
const read = async (request: Request) => {
  const [header = '', payload = '', signature = ''] = request.headers.get('dpop')!.split('.');
  const { jwk, ...rest } = decode(header);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['verify']);
  const message = Buffer.from(`${header}.${payload}`);
  assert.ok(await crypto.subtle.verify(algorithm, key, Buffer.from(signature, 'base64url'), message));
  assert.deepEqual(Object.keys(jwk).sort(), ['crv', 'kty', 'x', 'y']);
  return { header: rest, claims: decode(payload), jwk };
};

/** What the stored key is named by, in a token that is bound to it. */
const thumbprint = async (jwk: JsonWebKey) => {
  const { crv, kty, x, y } = jwk;
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(JSON.stringify({ crv, kty, x, y })))).toString('base64url');
};

const token = (claims: object) => `e30.${Buffer.from(JSON.stringify({ name: 'Zoë ÿ', ...claims })).toString('base64url')}.s`;
const bearer = (token: string) => ({ headers: { authorization: 'Bearer ' + token } });
/** A token that is bound to the key of this proof. */
const boundTo = async ({ jwk }: { jwk: JsonWebKey }) => token({ cnf: { jkt: await thumbprint(jwk) } });

/** A server that remembers what it was sent. */
class Peer {
  readonly sent: Request[] = [];
  answers: Response[] = [];
  /** Called with each request. */
  during = () => {};
  readonly fetch = (async (input: RequestInfo | URL, init?: RequestInit) => {
    this.during();
    this.sent.push(new Request(input, init));
    return this.answers.shift() ?? Response.json({});
  }) as typeof fetch;
  readonly proving: typeof fetch;

  constructor(options: DpopOptions = {}) {
    this.proving = dpopFetch({ fetch: this.fetch, routes: ROUTES, ...options });
  }

  /** The key of the last request that was sent. */
  async key() {
    return (await read(this.sent.at(-1)!)).jwk;
  }

  async proofs() {
    return Promise.all(this.sent.map(read));
  }
}

const login = { method: 'POST', body: JSON.stringify({ username: 'alice' }) };
const refresh = { method: 'POST', body: new URLSearchParams({ refresh_token: 'r' }) };
const asking = (status: number, challenge?: string, nonce = 'n1') =>
  Response.json(
    { error: 'use_dpop_nonce' },
    { status, headers: { 'dpop-nonce': nonce, ...(challenge ? { 'www-authenticate': challenge } : {}) } },
  );

describe('dpopFetch', () => {
  test('a request for tokens and one with a token are signed by the same key', async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[0], login);
    await peer.proving(ROUTES[1], refresh);
    const access = await boundTo((await peer.proofs())[0]!);
    await peer.proving(`${ORIGIN}/api/me?page=2#top`, bearer(access));
    const [first, second, third] = await peer.proofs();
    assert.deepEqual(first!.header, { typ: 'dpop+jwt', alg: 'ES256' });
    const { jti, iat, ...claims } = first!.claims;
    assert.deepEqual(claims, { htm: 'POST', htu: ROUTES[0] });
    assert.ok(Math.abs(Date.now() / 1e3 - iat!) < 5);
    assert.notEqual(jti, second!.claims.jti);
    assert.equal(third!.claims.htu, `${ORIGIN}/api/me`);
    const ath = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(access))).toString('base64url');
    assert.equal(third!.claims.ath, ath);
    assert.equal(peer.sent[2]!.headers.get('authorization'), 'DPoP ' + access);
    assert.deepEqual([second!.jwk, third!.jwk], [first!.jwk, first!.jwk]);
    assert.equal(await peer.sent[1]!.text(), 'refresh_token=r');
  });

  test('each login has a key of its own', async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[0], login);
    await peer.proving(ROUTES[0], login);
    await peer.proving(ROUTES[1], refresh);
    const [first, second, third] = await peer.proofs();
    assert.notDeepEqual(first!.jwk, second!.jwk);
    assert.deepEqual(third!.jwk, second!.jwk);
  });

  test('a nonce that is asked for is used at once and from then on', async () => {
    for (const asked of [asking(400), asking(401, 'DPoP error="use_dpop_nonce", algs="ES256"')]) {
      const peer = new Peer();
      peer.answers = [asked];
      const response = await peer.proving(ROUTES[0], login);
      assert.equal(response.status, 200);
      await peer.proving(ROUTES[1], refresh);
      const proofs = await peer.proofs();
      assert.deepEqual(proofs.map(({ claims }) => claims.nonce), [undefined, 'n1', 'n1']);
      assert.deepEqual(proofs[0]!.jwk, proofs[1]!.jwk);
      assert.notEqual(proofs[0]!.claims.jti, proofs[1]!.claims.jti);
      assert.equal(await peer.sent[1]!.text(), login.body);
    }
  });

  test('what is refused for another reason is not repeated, and asked for twice is given up', async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[0], login);
    peer.answers = [Response.json({ error: 'invalid_grant' }, { status: 400 }), asking(400), asking(400)];
    const refused = await peer.proving(ROUTES[1], refresh);
    assert.equal((await refused.json()).error, 'invalid_grant');
    assert.equal((await peer.proving(ROUTES[1], refresh)).status, 400);
    assert.equal(peer.sent.length, 4);
  });

  test('a request is repeated at most twice, for one nonce after the other', async () => {
    const peer = new Peer();
    const answers = () => ['n1', 'n2', 'n3'].map((nonce) => asking(400, undefined, nonce));
    peer.answers = answers().slice(0, 2);
    assert.equal((await peer.proving(ROUTES[0], login)).status, 200);
    peer.answers = answers();
    assert.equal((await peer.proving(ROUTES[1], refresh)).status, 400);
    const nonces = (await peer.proofs()).map(({ claims }) => claims.nonce);
    assert.deepEqual(nonces, [undefined, 'n1', 'n2', 'n2', 'n1', 'n2']);
  });

  test('other requests are left alone', async () => {
    const peer = new Peer();
    await peer.proving('https://elsewhere.example/x', { headers: { authorization: 'Basic YTpi' } });
    assert.equal(peer.sent[0]!.headers.get('dpop'), null);
    assert.equal(peer.sent[0]!.headers.get('authorization'), 'Basic YTpi');
  });

  test('what an application answers is neither read nor repeated, whatever it says', { timeout }, async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[0], login);
    const access = await boundTo({ jwk: await peer.key() });
    const endless = new ReadableStream({ start: (stream) => stream.enqueue(Buffer.from('{"error":"use_dpop_nonce"')) });
    peer.answers = [new Response(endless, { status: 400, headers: { 'dpop-nonce': 'n1' } })];
    const response = await peer.proving(`${ORIGIN}/api/me`, bearer(access));
    assert.equal(response.status, 400);
    assert.equal(peer.sent.length, 2);
  });

  test('a request is repeated only for a new nonce, and if the error asks for it', async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[0], login);
    for (const refused of [
      Response.json({ error: 'use_dpop_nonce' }, { status: 400 }),
      Response.json({ error: 'x', error_description: 'use_dpop_nonce' }, { status: 400, headers: { 'dpop-nonce': 'n2' } }),
      new Response('use_dpop_nonce', { status: 400, headers: { 'dpop-nonce': 'n3' } }),
      Response.json({}, { status: 401, headers: { 'www-authenticate': 'DPoP error="use_dpop_nonce"' } }),
    ]) {
      peer.answers = [refused];
      const before = peer.sent.length;
      assert.equal(await peer.proving(ROUTES[1], refresh), refused);
      assert.equal(peer.sent.length, before + 1);
    }
  });

  test('a logout is sent in the same turn, without a proof', async () => {
    for (const [options, address] of [
      [{}, `${ORIGIN}/auth/logout`],
      [{ logout: `${ORIGIN}/bye` }, `${ORIGIN}/bye`],
    ] as const) {
      const peer = new Peer(options);
      await peer.proving(ROUTES[0], login);
      const access = await boundTo({ jwk: await peer.key() });
      const answer = peer.proving(address, { method: 'POST', keepalive: true, ...bearer(access) });
      assert.equal(peer.sent.length, 2);
      await answer;
      assert.equal(peer.sent[1]!.headers.get('authorization'), 'Bearer ' + access);
      assert.equal(peer.sent[1]!.headers.get('dpop'), null);
    }
  });

  test('a request of a session that is not bound is left alone', async () => {
    const peer = new Peer();
    const access = token({});
    const ask = async (access: string) => {
      await peer.proving(`${ORIGIN}/api/me`, bearer(access));
      assert.equal(peer.sent.at(-1)!.headers.get('authorization'), 'Bearer ' + access);
      assert.equal(peer.sent.at(-1)!.headers.get('dpop'), null);
    };
    // Nobody has logged in with a key.
    await peer.proving(ROUTES[1], refresh);
    assert.equal(peer.sent[0]!.headers.get('dpop'), null);
    for (const other of [access, 'opaque', 'a.b.c', token({ cnf: { jkt: 'x' } })]) await ask(other);
    // A server that binds nothing accepts the proof of a login all the same.
    await peer.proving(ROUTES[0], login);
    for (const other of [access, 'opaque', 'a.b.c']) await ask(other);
  });
});

describe('a clock that is wrong', () => {
  const MINUTES = 10 * 60;
  const near = (iat: number | undefined, ahead: number) => Math.abs(iat! - ahead - Date.now() / 1e3) < 5;
  const date = (ahead: number) => ({ date: new Date(Date.now() + ahead * 1e3).toUTCString() });
  const refusing = (headers: Record<string, string>) =>
    Response.json({ error: 'invalid_dpop_proof' }, { status: 400, headers });

  test('is corrected by the answer that refuses the proof, before the nonce is asked for', async () => {
    for (const ahead of [MINUTES, -MINUTES]) {
      const peer = new Peer();
      peer.answers = [refusing(date(ahead)), asking(400)];
      assert.equal((await peer.proving(ROUTES[0], login)).status, 200);
      await peer.proving(ROUTES[1], refresh);
      const proofs = await peer.proofs();
      assert.deepEqual(proofs.map(({ claims }) => near(claims.iat, ahead)), [false, true, true, true]);
      assert.deepEqual(proofs.map(({ claims }) => claims.nonce), [undefined, undefined, 'n1', 'n1']);
    }
  });

  test('is corrected by a resource as well, if it changes later', async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[0], login);
    const challenge = { 'www-authenticate': 'DPoP error="invalid_dpop_proof", algs="ES256"' };
    peer.answers = [new Response('', { status: 401, headers: { ...challenge, ...date(MINUTES) } })];
    const access = await boundTo({ jwk: await peer.key() });
    assert.equal((await peer.proving(`${ORIGIN}/api/me`, bearer(access))).status, 200);
    assert.ok(near((await peer.proofs())[2]!.claims.iat, MINUTES));
  });

  test('is corrected for each of several requests at once', async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[0], login);
    const access = await boundTo({ jwk: await peer.key() });
    const challenge = { 'www-authenticate': 'DPoP error="invalid_dpop_proof", algs="ES256"' };
    peer.answers = [1, 2, 3, 4, 5].map(() => new Response('', { status: 401, headers: { ...challenge, ...date(MINUTES) } }));
    const requests = [1, 2, 3, 4, 5].map((page) => peer.proving(`${ORIGIN}/api/${page}`, bearer(access)));
    assert.deepEqual((await Promise.all(requests)).map(({ status }) => status), [200, 200, 200, 200, 200]);
    assert.equal(peer.sent.length, 11);
  });

  test('is corrected by `server_time` in a token response', async () => {
    const peer = new Peer();
    peer.answers = [Response.json({ server_time: Math.floor(Date.now() / 1e3) + MINUTES })];
    await peer.proving(ROUTES[0], login);
    await peer.proving(ROUTES[1], refresh);
    assert.ok(near((await peer.proofs())[1]!.claims.iat, MINUTES));
  });

  test('is not suspected if the clocks agree or the server names no time, or by the date of a cached answer', async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[0], login);
    for (const headers of [{}, date(2)]) {
      peer.answers = [refusing(headers)];
      assert.equal((await peer.proving(ROUTES[1], refresh)).status, 400);
    }
    const access = await boundTo({ jwk: await peer.key() });
    peer.answers = [Response.json({}, { headers: date(-MINUTES) })];
    for (const _ of [1, 2]) await peer.proving(`${ORIGIN}/api/me`, bearer(access));
    const proofs = await peer.proofs();
    assert.equal(proofs.length, 5);
    for (const { claims } of proofs) assert.ok(near(claims.iat, 0));
  });
});

/** The part of IndexedDB that is used, with the faults that it has in browsers. */
class Shelf {
  readonly kept = new Map<string, { jwk: JsonWebKey }>();
  /** What goes wrong with this use. */
  fault: (use: number) => 'fails' | 'hangs' | 'late' | 'throws' | undefined = () => undefined;
  uses = 0;
  /** Each finishes a use that is late. */
  readonly late: (() => void)[] = [];

  open() {
    const fault = this.fault(this.uses++);
    if (fault == 'throws') throw new Error('throws');
    type Request = { result?: unknown; error?: Error; onsuccess?(): void; onerror?(): void };
    const request: Request = {};
    const transaction = {
      oncomplete() {},
      objectStore: () => ({
        get: (name: string) => ({ result: this.kept.get(name) }),
        put: (key: { jwk: JsonWebKey }, name: string) => (this.kept.set(name, key), { result: name }),
      }),
    };
    const opened = () => {
      request.result = { transaction: () => (setImmediate(() => transaction.oncomplete()), transaction), close() {} };
      request.onsuccess!();
    };
    if (fault == 'late') this.late.push(opened);
    else
      setImmediate(() => {
        if (fault == 'hangs') return;
        if (!fault) return opened();
        request.error = new Error('fails');
        request.onerror!();
      });
    return request;
  }
}

describe('the key of all tabs', () => {
  let shelf: Shelf;
  beforeEach(() => {
    (globalThis as { indexedDB?: unknown }).indexedDB = shelf = new Shelf();
  });
  afterEach(() => {
    delete (globalThis as { indexedDB?: unknown }).indexedDB;
  });

  test('is there for the others when the login is answered, and not before', async () => {
    const [peer, other] = [new Peer(), new Peer()];
    peer.answers = [asking(400)];
    peer.during = () => assert.equal(shelf.kept.size, 0);
    await peer.proving(ROUTES[0], login);
    assert.deepEqual(shelf.kept.get('auth')!.jwk, await peer.key());
    await other.proving(ROUTES[1], refresh);
    assert.deepEqual(await other.key(), await peer.key());
  });

  test('stays if a login is refused or gets no answer', async () => {
    const [peer, other] = [new Peer(), new Peer()];
    await peer.proving(ROUTES[0], login);
    const key = await peer.key();
    peer.answers = [Response.json({ error: 'invalid_credentials' }, { status: 401 })];
    assert.equal((await peer.proving(ROUTES[0], login)).status, 401);
    peer.during = () => {
      throw new TypeError('no network');
    };
    await assert.rejects(peer.proving(ROUTES[0], login), TypeError);
    peer.during = () => {};
    for (const tab of [peer, other]) {
      await tab.proving(ROUTES[1], refresh);
      assert.deepEqual(await tab.key(), key);
    }
  });

  test('is made by a login alone', async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[1], refresh);
    await peer.proving(`${ORIGIN}/api/me`, bearer(token({ cnf: { jkt: 'x' } })));
    assert.equal(shelf.kept.size, 0);
  });

  test('is kept in memory if it cannot be stored, and what is stored stays', { timeout }, async () => {
    for (const fault of ['fails', 'hangs', 'throws'] as const) {
      const [peer, other] = [new Peer(), new Peer()];
      shelf.fault = () => undefined;
      await other.proving(ROUTES[0], login);
      shelf.fault = () => fault;
      const start = performance.now();
      assert.equal((await peer.proving(ROUTES[0], login)).status, 200, fault);
      assert.ok(performance.now() - start < 3e3);
      const key = await peer.key();
      const access = await boundTo({ jwk: key });
      for (const broken of [true, false]) {
        if (!broken) shelf.fault = () => undefined;
        await peer.proving(ROUTES[1], refresh);
        assert.deepEqual(await peer.key(), key);
        await peer.proving(`${ORIGIN}/api/me`, bearer(access));
        assert.deepEqual(await peer.key(), key);
      }
      await other.proving(ROUTES[1], refresh);
      assert.deepEqual(shelf.kept.get('auth')!.jwk, await other.key());

      // Another tab logs in later, and this one takes over its tokens.
      await other.proving(ROUTES[0], login);
      await peer.proving(`${ORIGIN}/api/me`, bearer(await boundTo({ jwk: await other.key() })));
      await peer.proving(ROUTES[1], refresh);
      assert.deepEqual(await peer.key(), await other.key());
    }
  });

  test('of a later login is not replaced by one that could not be stored in time', { timeout }, async () => {
    const [peer, other] = [new Peer(), new Peer()];
    shelf.fault = () => 'late';
    // Answered after the limit of 2 s.
    assert.equal((await peer.proving(ROUTES[0], login)).status, 200);
    const key = await peer.key();
    shelf.fault = () => undefined;
    await other.proving(ROUTES[0], login);
    assert.equal(shelf.late.length, 1);
    for (const open of shelf.late) open();
    assert.deepEqual([...shelf.kept.keys()], ['auth']);
    assert.deepEqual(shelf.kept.get('auth')!.jwk, await other.key());
    await peer.proving(ROUTES[1], refresh);
    assert.deepEqual(await peer.key(), key);
  });

  test('is stored by a second attempt if the first one fails', async () => {
    const peer = new Peer();
    shelf.fault = (use) => (use ? undefined : 'fails');
    await peer.proving(ROUTES[0], login);
    assert.deepEqual(shelf.kept.get('auth')!.jwk, await peer.key());
  });

  test('is not replaced by no key if it cannot be read', async () => {
    const [peer, other] = [new Peer(), new Peer()];
    await peer.proving(ROUTES[0], login);
    const key = await peer.key();
    const access = await boundTo({ jwk: key });
    await other.proving(ROUTES[1], refresh);
    shelf.fault = () => 'fails';
    // A server that got this without a proof would end the session for all tabs.
    await assert.rejects(other.proving(ROUTES[1], refresh), /fails/);
    assert.equal(other.sent.length, 1);
    // The token that is there is good until it expires.
    await other.proving(`${ORIGIN}/api/me`, bearer(access));
    assert.deepEqual(await other.key(), key);
  });
});
