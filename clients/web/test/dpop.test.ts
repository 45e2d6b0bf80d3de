/** The `fetch` that proves a key: what it sends, what it repeats, and what it leaves alone. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dpopFetch } from '../src/dpop.js';

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

/** A server that remembers what it was sent. */
class Peer {
  readonly sent: Request[] = [];
  answers: Response[] = [];
  readonly fetch = (async (input: RequestInfo | URL, init?: RequestInit) => {
    this.sent.push(new Request(input, init));
    return this.answers.shift() ?? Response.json({});
  }) as typeof fetch;
  readonly proving = dpopFetch({ fetch: this.fetch, routes: ROUTES });

  async proofs() {
    return Promise.all(this.sent.map(read));
  }
}

const login = { method: 'POST', body: JSON.stringify({ username: 'alice' }) };
const refresh = { method: 'POST', body: new URLSearchParams({ refresh_token: 'r' }) };
const asking = (status: number, challenge?: string) =>
  Response.json(
    { error: 'use_dpop_nonce' },
    { status, headers: { 'dpop-nonce': 'n1', ...(challenge ? { 'www-authenticate': challenge } : {}) } },
  );

describe('dpopFetch', () => {
  test('a request for tokens and one with a token are signed by the same key', async () => {
    const peer = new Peer();
    await peer.proving(ROUTES[0], login);
    await peer.proving(ROUTES[1], refresh);
    await peer.proving(`${ORIGIN}/api/me?page=2#top`, { headers: { authorization: 'Bearer t' } });
    const [first, second, third] = await peer.proofs();
    assert.deepEqual(first!.header, { typ: 'dpop+jwt', alg: 'ES256' });
    const { jti, iat, ...claims } = first!.claims;
    assert.deepEqual(claims, { htm: 'POST', htu: ROUTES[0] });
    assert.ok(Math.abs(Date.now() / 1e3 - iat!) < 5);
    assert.notEqual(jti, second!.claims.jti);
    assert.equal(third!.claims.htu, `${ORIGIN}/api/me`);
    assert.equal(third!.claims.ath, Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from('t'))).toString('base64url'));
    assert.equal(peer.sent[2]!.headers.get('authorization'), 'DPoP t');
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
    peer.answers = [Response.json({ error: 'invalid_grant' }, { status: 400 }), asking(400), asking(400)];
    const refused = await peer.proving(ROUTES[1], refresh);
    assert.equal((await refused.json()).error, 'invalid_grant');
    assert.equal((await peer.proving(ROUTES[1], refresh)).status, 400);
    assert.equal(peer.sent.length, 3);
  });

  test('other requests are left alone', async () => {
    const peer = new Peer();
    await peer.proving('https://elsewhere.example/x', { headers: { authorization: 'Basic YTpi' } });
    assert.equal(peer.sent[0]!.headers.get('dpop'), null);
    assert.equal(peer.sent[0]!.headers.get('authorization'), 'Basic YTpi');
  });
});
