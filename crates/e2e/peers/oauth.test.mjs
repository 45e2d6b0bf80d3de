// A strict OAuth client, npm's oauth4webapi, drives a built example server: discovery, refresh,
// revocation and introspection, and what has to be refused. `HALLPASS_E2E_SERVER` names the program.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import * as oauth from 'oauth4webapi';

const program = process.env.HALLPASS_E2E_SERVER;
assert.ok(program, 'HALLPASS_E2E_SERVER names the server to drive; run `cargo xtask test world`');

const KEY = 'dGhlLWtleS1vZi1hLXRlc3Q+/w==';
const AUDIENCE = 'https://api.example';
const client = { client_id: 'a client: of/its own' };
// The servers listen on this machine alone.
const insecure = { [oauth.allowInsecureRequests]: true };
const NO_KEY = 'no introspection key';
const servers = [];

/** A server on a database and keys of its own, and what it says of itself. */
async function start(...flags) {
  if (!flags.includes(NO_KEY)) flags.push(`--introspection-key=${KEY}`);
  const folder = await mkdtemp(join(tmpdir(), 'hallpass-oauth-'));
  const child = spawn(
    program,
    ['--listen=127.0.0.1:0', '--store=memory:', `--keys=${join(folder, 'keys.json')}`,
      `--audience=${AUDIENCE}`, '--rate-limit=off', ...flags.filter((flag) => flag !== NO_KEY)],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  servers.push({ child, folder });
  const { value: line } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  const url = /^listening on (.*)$/.exec(line ?? '')?.[1];
  assert.ok(url, `${program} did not start`);
  const issuer = new URL(url);
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
  // What the issuer calls itself has no slash at its end, and is compared as it is.
  const as = await oauth.processDiscoveryResponse(issuer, response);
  return { url, as };
}

async function logIn({ url }) {
  const response = await fetch(`${url}/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'alice', password: 'wonderland' }),
  });
  assert.equal(response.status, 200);
  return response.json();
}

async function refresh({ as }, token, options = {}) {
  const response = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, {
    ...insecure,
    ...options,
  });
  return oauth.processRefreshTokenResponse(as, client, response);
}

async function introspect({ as }, token, authentication = oauth.ClientSecretBasic(KEY)) {
  const response = await oauth.introspectionRequest(as, client, authentication, token, insecure);
  return oauth.processIntrospectionResponse(as, client, response);
}

async function revoke({ as }, token, options = {}) {
  const response = await oauth.revocationRequest(as, client, oauth.None(), token, {
    ...insecure,
    ...options,
  });
  await oauth.processRevocationResponse(response);
}

async function call({ as, url }, token) {
  const request = new Request(`${url}/api/me`, { headers: { authorization: `Bearer ${token}` } });
  return oauth.validateJwtAccessToken(as, request, AUDIENCE, insecure);
}

const bearer = (key) => (_as, _client, _body, headers) => {
  headers.set('authorization', `Bearer ${key}`);
};

const isRefused = (error, status = 400) => (thrown) => {
  assert.ok(thrown instanceof oauth.ResponseBodyError, `${thrown}`);
  assert.equal(thrown.error, error);
  assert.equal(thrown.status, status);
  return true;
};

let server;
before(async () => {
  server = await start();
});
after(async () => {
  for (const { child, folder } of servers) {
    child.kill();
    await rm(folder, { recursive: true, force: true });
  }
});

test('the metadata names every endpoint and how each is authenticated', () => {
  const { as, url } = server;
  assert.equal(as.issuer, url);
  assert.deepEqual(as.grant_types_supported, ['refresh_token']);
  assert.deepEqual(as.token_endpoint_auth_methods_supported, ['none']);
  assert.deepEqual(as.revocation_endpoint_auth_methods_supported, ['none']);
  const methods = as.introspection_endpoint_auth_methods_supported;
  assert.deepEqual(methods, ['Bearer', 'client_secret_basic']);
  for (const name of ['token', 'revocation', 'introspection']) {
    assert.ok(as[`${name}_endpoint`].startsWith(`${url}/auth/`), name);
  }
});

test('a token is refreshed twice, and its access tokens hold by the published keys', async () => {
  const login = await logIn(server);
  const first = await refresh(server, login.refresh_token);
  assert.equal(first.token_type, 'bearer');
  assert.ok(first.expires_in > 0 && first.refresh_token !== login.refresh_token);
  // Within the grace the current token is not rotated again, so no tab is left behind.
  const second = await refresh(server, first.refresh_token);
  assert.equal(second.refresh_token, first.refresh_token);
  const claims = await call(server, second.access_token);
  assert.equal(claims.sub, 'alice');
  assert.equal(claims.sid, login.session_id);
  // A lost answer comes again, the same one.
  const again = await refresh(server, login.refresh_token);
  assert.equal(again.refresh_token, first.refresh_token);
});

test('less scope is given, more is refused, and the token stays usable', async () => {
  const { refresh_token: token } = await logIn(server);
  const ask = (scope) => ({ additionalParameters: { scope } });
  await assert.rejects(refresh(server, token, ask('notes:read admin')), isRefused('invalid_scope'));
  const narrow = await refresh(server, token, ask('notes:read'));
  assert.equal(narrow.scope, 'notes:read');
  assert.equal((await call(server, narrow.access_token)).scope, 'notes:read');
});

test('a token that comes back after the grace ends its session', async () => {
  const strict = await start('--grace=0s', '--tolerance=0s');
  const { refresh_token: old } = await logIn(strict);
  const first = await refresh(strict, old);
  const second = await refresh(strict, first.refresh_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal((await introspect(strict, second.access_token)).active, true);
  await assert.rejects(refresh(strict, old), (error) => {
    assert.equal(error.cause.reason, 'reused');
    return isRefused('invalid_grant')(error);
  });
  await assert.rejects(refresh(strict, second.refresh_token), isRefused('invalid_grant'));
  assert.deepEqual(await introspect(strict, second.access_token), { active: false });
});

test('what is no token of this server is an invalid grant', async () => {
  const { access_token: access } = await logIn(server);
  for (const token of ['garbage', access, 'a.b.c']) {
    await assert.rejects(refresh(server, token), isRefused('invalid_grant'));
  }
});

test('a grant that is not offered is refused by its name', async () => {
  const { as } = server;
  const asked = oauth.clientCredentialsGrantRequest(as, client, oauth.None(), {}, insecure);
  const answered = oauth.processClientCredentialsResponse(as, client, await asked);
  await assert.rejects(answered, isRefused('unsupported_grant_type'));
});

for (const kind of ['access_token', 'refresh_token']) {
  test(`a revoked ${kind} ends the session, and both tokens are inactive`, async () => {
    const tokens = await logIn(server);
    const live = await introspect(server, tokens[kind]);
    assert.equal(live.active, true);
    assert.equal(live.sub, 'alice');
    assert.equal(live.iss, server.as.issuer);
    assert.equal(live.client_id, tokens.client_id ?? live.client_id);
    await revoke(server, tokens[kind], { additionalParameters: { token_type_hint: kind } });
    for (const token of [tokens.access_token, tokens.refresh_token]) {
      assert.deepEqual(await introspect(server, token), { active: false });
    }
    await assert.rejects(refresh(server, tokens.refresh_token), isRefused('invalid_grant'));
    // Once more, and of anything else, is as good.
    await revoke(server, tokens[kind]);
    await revoke(server, 'garbage');
  });
}

test('introspection is for those with the key, by either way to send it', async () => {
  const { access_token: token } = await logIn(server);
  assert.equal((await introspect(server, token, bearer(KEY))).active, true);
  assert.equal((await introspect(server, token, oauth.ClientSecretBasic(KEY))).active, true);
  assert.deepEqual(await introspect(server, 'garbage'), { active: false });

  for (const [authentication, scheme, code] of [
    [bearer('not-the-key-not-the-key'), 'bearer', 'invalid_token'],
    [oauth.ClientSecretBasic('not-the-key-not-the-key'), 'basic', undefined],
    [oauth.None(), 'bearer', undefined],
    [oauth.ClientSecretPost(KEY), 'bearer', undefined],
  ]) {
    await assert.rejects(introspect(server, token, authentication), (error) => {
      assert.ok(error instanceof oauth.WWWAuthenticateChallengeError, `${error}`);
      assert.equal(error.status, 401);
      const [{ scheme: found, parameters }] = error.cause;
      assert.equal(found, scheme);
      assert.equal(parameters.error, code);
      return true;
    });
  }
});

test('where nobody was given a key, there is no introspection', async () => {
  const { as } = await start(NO_KEY);
  assert.equal(as.introspection_endpoint, undefined);
});

/** Logs in with a proof by the library's own code, which it keeps for requests that it makes itself. */
async function logInWith({ url }, DPoP) {
  const address = new URL(`${url}/auth/login`);
  const headers = new Headers({ 'content-type': 'application/json' });
  await DPoP.addProof(address, headers, 'POST');
  const body = JSON.stringify({ username: 'alice', password: 'wonderland' });
  const response = await fetch(address, { method: 'POST', headers, body });
  DPoP.cacheNonce(response, address);
  return { status: response.status, ...(await response.json()) };
}

for (const alg of ['ES256', 'Ed25519']) {
  test(`a session that is bound to a key needs its proof everywhere (${alg})`, async () => {
    const { as, url } = server;
    assert.ok(as.dpop_signing_alg_values_supported.includes(alg));
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair(alg));
    const asked = await logInWith(server, DPoP);
    assert.deepEqual([asked.status, asked.error], [400, 'use_dpop_nonce']);
    const login = await logInWith(server, DPoP);
    assert.deepEqual([login.status, login.token_type], [200, 'DPoP']);

    const me = new URL(`${url}/api/me?page=1`);
    const get = (token, options) =>
      oauth.protectedResourceRequest(token, 'GET', me, new Headers(), null, { ...insecure, ...options });
    const next = await refresh(server, login.refresh_token, { DPoP });
    assert.equal(next.token_type, 'dpop');
    for (const { access_token: token } of [login, next]) {
      assert.equal((await get(token, { DPoP })).status, 200);
      await assert.rejects(get(token), (error) => error.status === 401);
      const told = await introspect(server, token);
      assert.deepEqual(told.cnf, { jkt: await DPoP.calculateThumbprint() });
    }

    // Somebody with a copy of the tokens and a key of their own.
    const thief = oauth.DPoP(client, await oauth.generateKeyPair(alg));
    await assert.rejects(get(next.access_token, { DPoP: thief }), (error) => error.status === 401);
    await logInWith(server, thief);
    for (const options of [{}, { DPoP: thief }]) {
      await assert.rejects(refresh(server, next.refresh_token, options), isRefused('invalid_grant'));
    }
    assert.equal((await get(next.access_token, { DPoP })).status, 200);
    // Who has a token may end its session.
    await revoke(server, next.refresh_token);
    assert.deepEqual(await introspect(server, next.access_token), { active: false });
  });
}
