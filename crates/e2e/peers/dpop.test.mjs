// Clients that others wrote prove a key (DPoP, RFC 9449): npm's `dpop` makes the proofs of a login, and
// `oauth4webapi` refreshes, calls the API, and checks the tokens as a resource server does.
// `HALLPASS_E2E_SERVER` names the program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import * as dpop from 'dpop';
import * as oauth from 'oauth4webapi';

const program = process.env.HALLPASS_E2E_SERVER;
assert.ok(program, 'HALLPASS_E2E_SERVER names the server to drive; run `cargo xtask test world`');

const AUDIENCE = 'https://api.example';
const client = { client_id: 'web' };
// The server listens on this machine alone.
const insecure = { [oauth.allowInsecureRequests]: true };

let folder, child, url, as;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hallpass-dpop-'));
  child = spawn(
    program,
    ['--listen=127.0.0.1:0', '--store=memory:', `--keys=${join(folder, 'keys.json')}`, `--audience=${AUDIENCE}`,
      '--rate-limit=off', '--dpop=required'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const { value: line } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  url = /^listening on (.*)$/.exec(line ?? '')?.[1];
  assert.ok(url, `${program} did not start`);
  const issuer = new URL(url);
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
  as = await oauth.processDiscoveryResponse(issuer, response);
});
after(async () => {
  child.kill();
  await rm(folder, { recursive: true, force: true });
});

/** Sends a request with this proof, or without one. */
const send = (path, method, proof, headers = {}, body) =>
  fetch(url + path, { method, headers: proof ? { ...headers, dpop: proof } : headers, body });

/** A login with a proof of this nonce. */
const tryLogin = async (keys, nonce) =>
  send(
    '/auth/login',
    'POST',
    keys && (await dpop.generateProof(keys, `${url}/auth/login`, 'POST', nonce)),
    { 'content-type': 'application/json' },
    JSON.stringify({ username: 'alice', password: 'wonderland', transport: 'header' }),
  );

const logIn = async (keys) => {
  const asked = await tryLogin(keys);
  assert.deepEqual([asked.status, (await asked.json()).error], [400, 'use_dpop_nonce']);
  const response = await tryLogin(keys, asked.headers.get('dpop-nonce'));
  assert.equal(response.status, 200);
  const login = await response.json();
  assert.equal(login.token_type, 'DPoP');
  return login;
};

/** Repeats what was refused for its nonce. */
const withNonce = (act) => act().catch((error) => (oauth.isDPoPNonceError(error) ? act() : Promise.reject(error)));

const refresh = async (handle, token) =>
  withNonce(async () => {
    const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, { ...insecure, DPoP: handle });
    return oauth.processRefreshTokenResponse(as, client, response);
  });

const call = (handle, token, method = 'GET', path = '/api/me') =>
  withNonce(() =>
    oauth.protectedResourceRequest(token, method, new URL(path, url), undefined, undefined, { ...insecure, DPoP: handle }),
  );

test('the metadata names the algorithms of proofs', () => {
  assert.deepEqual(as.dpop_signing_alg_values_supported.toSorted(), ['ES256', 'Ed25519', 'EdDSA']);
});

test('a login without a proof is refused', async () => {
  const refused = await tryLogin();
  assert.deepEqual([refused.status, (await refused.json()).error], [400, 'invalid_dpop_proof']);
});

for (const algorithm of ['ES256', 'Ed25519'])
  test(`${algorithm}: a login, refreshes and calls with proofs`, async () => {
    const keys = await dpop.generateKeyPair(algorithm);
    const login = await logIn(keys);
    const handle = oauth.DPoP(client, keys);
    const first = await refresh(handle, login.refresh_token);
    assert.equal(first.token_type, 'dpop');
    const second = await refresh(handle, first.refresh_token);
    for (const token of [login.access_token, first.access_token, second.access_token]) {
      assert.equal((await call(handle, token)).status, 200);
      assert.equal((await call(handle, token, 'GET', '/api/reports?page=1')).status, 200);
    }
  });

test('a resource server that others wrote accepts the tokens and their proofs', async () => {
  const keys = await dpop.generateKeyPair('ES256');
  const { access_token: token } = await logIn(keys);
  const at = 'https://api.example/notes';
  const request = (authorization, proof) => new Request(at, { headers: { authorization, dpop: proof } });
  const proof = await dpop.generateProof(keys, at, 'GET', undefined, token);
  const claims = await oauth.validateJwtAccessToken(as, request(`DPoP ${token}`, proof), AUDIENCE, insecure);
  assert.equal(claims.sub, 'alice');
  assert.equal(claims.cnf.jkt, await dpop.calculateThumbprint(keys.publicKey));
  const other = await dpop.generateProof(await dpop.generateKeyPair('ES256'), at, 'GET', undefined, token);
  await assert.rejects(oauth.validateJwtAccessToken(as, request(`DPoP ${token}`, other), AUDIENCE, insecure));
});

test('copied tokens are worth nothing without the key', async () => {
  const keys = await dpop.generateKeyPair('ES256');
  const thief = await dpop.generateKeyPair('ES256');
  const { access_token: token, refresh_token } = await logIn(keys);
  const prove = (keys, htu = `${url}/api/me`, htm = 'GET', ath = token) => dpop.generateProof(keys, htu, htm, undefined, ath);
  const ask = async (proof, scheme = 'DPoP') => {
    const response = await send('/api/me', 'GET', proof, { authorization: `${scheme} ${token}` });
    const { error } = await response.json();
    return [response.status, error];
  };
  assert.deepEqual(await ask(await prove(thief)), [401, 'invalid_token']);
  assert.deepEqual(await ask(undefined, 'Bearer'), [401, 'invalid_token']);
  assert.deepEqual(await ask(await prove(keys), 'Bearer'), [401, 'invalid_token']);
  for (const wrong of [
    undefined,
    await prove(keys, `${url}/api/reports`),
    await prove(keys, 'https://other.example/api/me'),
    await prove(keys, undefined, 'POST'),
    await prove(keys, undefined, undefined, refresh_token),
    await dpop.generateProof(keys, `${url}/api/me`, 'GET'),
  ])
    assert.deepEqual(await ask(wrong), [401, 'invalid_dpop_proof']);
  // Each proof is good once.
  const once = await prove(keys);
  assert.deepEqual(await ask(once), [200, undefined]);
  assert.deepEqual(await ask(once), [401, 'invalid_dpop_proof']);
  await assert.rejects(refresh(oauth.DPoP(client, thief), refresh_token), { error: 'invalid_grant', status: 400 });
  // That has ended nothing.
  assert.equal((await refresh(oauth.DPoP(client, keys), refresh_token)).token_type, 'dpop');
});
