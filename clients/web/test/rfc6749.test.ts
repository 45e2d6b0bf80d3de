/** A token endpoint of another project (@node-oauth/oauth2-server), over HTTP, with options alone. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import OAuth2Server from '@node-oauth/oauth2-server';
import { type Auth, createAuth } from '../src/index.js';

type Tokens = Map<string, OAuth2Server.RefreshToken>;

interface Endpoint {
  readonly auth: Auth;
  /** What the server still takes. */
  readonly tokens: Tokens;
  /** The form of each request, and the status of its answer. */
  readonly seen: (Record<string, string> & { status: string })[];
  readonly events: [name: string, detail: Record<string, unknown>][];
}

const CLIENT = { id: 'spa', grants: ['refresh_token'] };

const within = async (
  options: { rotate: boolean; client?: string },
  body: (endpoint: Endpoint) => Promise<void>,
): Promise<void> => {
  const tokens: Tokens = new Map();
  const seen: Endpoint['seen'] = [];
  const save = (token: OAuth2Server.Token) => {
    if (token.refreshToken) tokens.set(token.refreshToken, token as OAuth2Server.RefreshToken);
    return token;
  };
  const endpoint = new OAuth2Server({
    // It rounds what is left down to whole seconds, and leaves `expires_in` out if that is 0:
    // a life of one second, a millisecond after its start, would count as unknown.
    accessTokenLifetime: 2,
    alwaysIssueNewRefreshToken: options.rotate,
    requireClientAuthentication: { refresh_token: false },
    model: {
      getClient: async (id) => id == CLIENT.id && CLIENT,
      getAccessToken: async () => undefined,
      getRefreshToken: async (token) => tokens.get(token),
      revokeToken: async ({ refreshToken }) => tokens.delete(refreshToken),
      saveToken: async (token, client, user) => save({ ...token, client, user }),
    } as OAuth2Server.RefreshTokenModel,
  });
  const server = createServer(async (request, response) => {
    const form = Object.fromEntries(new URLSearchParams(await text(request)));
    const headers = request.headers as Record<string, string>;
    const answer = new OAuth2Server.Response();
    const asked = new OAuth2Server.Request({ method: request.method!, query: {}, headers, body: form });
    await endpoint.token(asked, answer).catch(() => {});
    seen.push({ ...form, status: `${answer.status}` });
    response.writeHead(answer.status!, answer.headers).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const auth = createAuth({
    transport: 'header',
    routes: { refresh: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, revoke: '' },
    params: { client_id: options.client ?? CLIENT.id },
    storage: 'memory',
  });
  const events: Endpoint['events'] = [];
  for (const name of ['refreshed', 'signedOut', 'refreshError'] as const)
    auth.on(name, (detail) => events.push([name, { ...detail }]));
  try {
    save({ accessToken: 'a0', refreshToken: 'r0', client: CLIENT, user: { id: 'alice' } });
    await auth.setTokens({ access_token: 'a0', refresh_token: 'r0', expires_in: 1 });
    await body({ auth, tokens, seen, events });
  } finally {
    auth.dispose();
    server.closeAllConnections();
    server.close();
  }
};

const until = async ({ seen, events }: Endpoint, condition: () => boolean) => {
  for (const end = Date.now() + 12e4; !condition(); ) {
    assert.ok(Date.now() < end, `not in time: ${JSON.stringify({ seen, events })}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

test('a server that rotates: each renewal brings the token that the last one gave', () =>
  within({ rotate: true }, async (endpoint) => {
    const { auth, tokens, seen } = endpoint;
    await until(endpoint, () => seen.length >= 3);
    const sent = seen.map((each) => each.refresh_token);
    assert.equal(new Set(sent).size, sent.length);
    // Between two requests; in one, the old one may be gone and the new one not there yet.
    await until(endpoint, () => tokens.size == 1);
    for (const { grant_type, client_id, status } of seen)
      assert.deepEqual([grant_type, client_id, status], ['refresh_token', 'spa', '200']);
    assert.notEqual(await auth.getToken(), 'a0');
  }));

test('a server that does not rotate: the one refresh token serves on', () =>
  within({ rotate: false }, async (endpoint) => {
    const { seen } = endpoint;
    await until(endpoint, () => seen.length >= 2);
    assert.deepEqual(new Set(seen.map((each) => `${each.refresh_token} ${each.status}`)), new Set(['r0 200']));
  }));

test('a refresh token that was revoked: signed out, and silence', () =>
  within({ rotate: true }, async (endpoint) => {
    const { auth, tokens, seen, events } = endpoint;
    tokens.clear();
    await until(endpoint, () => events.some(([name]) => name == 'signedOut'));
    assert.deepEqual(events.at(-1), ['signedOut', { reason: 'invalid_grant' }]);
    await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'invalid_grant' });
    assert.deepEqual(seen.map((each) => each.status), ['400']);
  }));

test('a client that the server does not know is a mistake in the set-up: told, and nobody is signed out', () =>
  within({ rotate: true, client: 'nobody' }, async (endpoint) => {
    const { events } = endpoint;
    await until(endpoint, () => events.some(([name]) => name == 'refreshError'));
    assert.equal(events.find(([name]) => name == 'refreshError')![1].error, 'invalid_client');
    assert.ok(!events.some(([name]) => name == 'signedOut'));
  }));
