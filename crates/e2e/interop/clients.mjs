// Who renews tokens at `POST /auth/refresh`: measures rows of the table of clients in docs/interop.md again. Each client
// refreshes once as it is, once while the server answers 503 with `Retry-After`, and once so that the answer is lost after the
// server has taken the request. With VERBOSE=1 it says what the clients say.
//
// `cargo xtask interop` runs it. HALLPASS_E2E_SERVER names a demo, HALLPASS_PYTHON a Python that has what requirements.txt pins.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request as ask } from 'node:http';
import { promisify } from 'node:util';
import { PYTHON, dependencies, finish, rows, start } from './servers.mjs';

const MODES = ['as it is', 'a 503', 'a lost answer'];

/** What most clients do: how many requests they make, and whether the call succeeds. */
const USUAL = { 'as it is': '1, renewed', 'a 503': '1, an error', 'a lost answer': '1, an error' };

const server = await start('--grace=30s', '--tolerance=0s');

/** A server in front of it, which does what the mode says and counts. */
const proxy = async (mode) => {
  const front = createServer((request, response) => {
    front.count += 1;
    if (mode == 'a 503') {
      request.resume();
      response.writeHead(503, { 'content-type': 'application/json', 'retry-after': '1' });
      response.end('{"error":"temporarily_unavailable"}');
      return;
    }
    const { host, ...headers } = request.headers;
    const onward = ask(server.issuer + request.url, { method: request.method, headers }, (answer) => {
      if (mode == 'a lost answer') answer.resume().on('end', () => request.socket.destroy());
      else response.writeHead(answer.statusCode, answer.headers), answer.pipe(response);
    });
    request.pipe(onward);
  });
  front.count = 0;
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  front.url = `http://127.0.0.1:${front.address().port}`;
  return front;
};

const metadata = (url) => ({ issuer: server.issuer, token_endpoint: `${url}/auth/refresh` });

/** By name: renews the token, or rejects. */
const CLIENTS = {
  async oauth4webapi(url, token) {
    const oauth = await import('oauth4webapi');
    const [as, client] = [metadata(url), { client_id: 'app' }];
    const insecure = { [oauth.allowInsecureRequests]: true };
    const answer = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, insecure);
    await oauth.processRefreshTokenResponse(as, client, answer);
  },
  async 'openid-client'(url, token) {
    const client = await import('openid-client');
    const config = new client.Configuration(metadata(url), 'app', undefined, client.None());
    client.allowInsecureRequests(config);
    await client.refreshTokenGrant(config, token);
  },
  async 'openid-client-5'(url, token) {
    const { Issuer } = await import('openid-client-5');
    const { Client } = new Issuer(metadata(url));
    await new Client({ client_id: 'app', token_endpoint_auth_method: 'none' }).refresh(token);
  },
  async 'simple-oauth2'(url, token) {
    const { AuthorizationCode } = await import('simple-oauth2');
    const auth = { tokenHost: url, tokenPath: '/auth/refresh', refreshPath: '/auth/refresh' };
    const client = new AuthorizationCode({ client: { id: 'app', secret: '' }, auth });
    await client.createToken({ refresh_token: token }).refresh();
  },
  async '@badgateway/oauth2-client'(url, token) {
    const { OAuth2Client } = await import('@badgateway/oauth2-client');
    const client = new OAuth2Client({ server: url, clientId: 'app', tokenEndpoint: '/auth/refresh' });
    await client.refreshToken({ accessToken: 'x', refreshToken: token, expiresAt: null });
  },
  async 'client-oauth2'(url, token) {
    const { default: ClientOAuth2 } = await import('client-oauth2');
    const client = new ClientOAuth2({ clientId: 'app', accessTokenUri: `${url}/auth/refresh` });
    await client.createToken('x', token, 'bearer', {}).refresh();
  },
};

/** The clients of PyPI, and what they do that is not usual. */
const PYTHON_CLIENTS = {
  Authlib: {},
  'requests-oauthlib': {},
  'httpx-oauth': {},
  'google-auth': { 'a 503': '3, an error' },
};

const run = promisify(execFile);
const python = (name) => async (url, token) => {
  const script = new URL('clients.py', import.meta.url).pathname;
  await run(PYTHON, ['-W', 'ignore', script, name, `${url}/auth/refresh`, token]);
};

/** How many requests a client makes in this mode, and whether its call succeeds. */
const measure = async (refresh, mode) => {
  const front = await proxy(mode);
  const { refresh_token: token } = await server.logIn();
  const done = await refresh(front.url, token).then(
    () => 'renewed',
    (error) => (process.env.VERBOSE && console.error(`${mode}: ${error?.message ?? error}`), 'an error'),
  );
  front.closeAllConnections();
  front.close();
  return `${front.count}, ${done}`;
};

const pinned = await run(PYTHON, ['-m', 'pip', 'freeze']);
const versions = Object.fromEntries(pinned.stdout.split('\n').map((line) => line.split('==')));
const clients = [
  ...Object.entries(CLIENTS).map(([key, refresh]) => {
    const [, alias, version] = /^(?:npm:(.*)@)?(.*)$/.exec(dependencies[key]);
    return { name: alias ?? key, version, refresh, unusual: {} };
  }),
  ...Object.entries(PYTHON_CLIENTS).map(([name, unusual]) => ({ name, version: versions[name], refresh: python(name), unusual })),
];
const faults = [];
const names = rows.map(([name]) => name);
for (const { name, version, refresh, unusual } of clients) {
  const label = `${name} ${version}`;
  const seen = {};
  for (const mode of MODES) seen[mode] = await measure(refresh, mode);
  console.log(`${label}: ${MODES.map((mode) => `${mode}: ${seen[mode]}`).join('; ')}`);
  if (!names.some((row) => row.includes(label))) faults.push(`${label} is not in the table`);
  for (const mode of MODES) {
    const wanted = unusual[mode] ?? USUAL[mode];
    if (seen[mode] != wanted) faults.push(`${label}, ${mode}: ${wanted} was expected`);
  }
}
server.end();
finish(faults);
