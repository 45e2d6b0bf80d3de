// Who renews tokens at `POST /auth/refresh`: measures rows of the table of clients in docs/interop.md again. Each client
// refreshes once as it is, once with a token that was replaced a moment ago, once while the server answers 503 with `Retry-After`,
// and once so that the answer is lost after the server has taken the request. With VERBOSE=1 it says what the clients say.
//
// `cargo xtask interop` runs it. HALLPASS_E2E_SERVER names a demo, HALLPASS_PYTHON a Python that has what requirements.txt pins,
// HALLPASS_RUST what is built of rust/.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as ask } from 'node:http';
import { CLIENTS } from './clients/npm.mjs';
import { PYTHON, RUST, debian, dependencies, finish, program, pypi, rows, start } from './servers.mjs';

const MODES = ['as it is', 'an old token', 'a 503', 'a lost answer'];

/** What most clients do: how many requests they make, and whether the call succeeds. */
const USUAL = { 'as it is': '1, renewed', 'an old token': '1, renewed', 'a 503': '1, an error', 'a lost answer': '1, an error' };

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

const script = (name) => new URL(`clients/${name}`, import.meta.url).pathname;
const jars = ['google-oauth-client', 'google-http-client', 'google-http-client-gson', 'gson', 'guava', 'failureaccess', 'opencensus-api', 'opencensus-contrib-http-util', 'grpc-context'];

/** What runs a client: `PROGRAM NAME ENDPOINT TOKEN`. It fails if the client rejects, and prints what else it does. */
const PROGRAMS = {
  python: [PYTHON, '-W', 'ignore', script('pypi.py')],
  ruby: ['ruby', '-W0', script('ruby.rb')],
  perl: ['perl', script('perl.pl')],
  go: ['go', 'run', script('golang.go')],
  java: ['java', '-cp', jars.map((name) => `/usr/share/java/${name}.jar`).join(':'), script('Java.java')],
  rust: [RUST, 'client'],
};

/** Clients that are not of npm: the row, what runs it, its name there, and what it does that is not usual. */
const OTHERS = [
  ['Authlib', pypi, 'python'],
  ['requests-oauthlib', pypi, 'python'],
  ['httpx-oauth', pypi, 'python'],
  ['httpx-auth', pypi, 'python', { 'a 503': '1, opens the browser' }],
  ['google-auth', pypi, 'python', { 'a 503': '3, an error' }],
  ['requests_oauth2client', pypi, 'python'],
  ['oauth2', () => '5.0.0', 'rust'],
  ['openidconnect', () => '4.1.0', 'rust'],
  ['golang.org/x/oauth2', () => debian('golang-golang-x-oauth2-dev'), 'go', { 'a 503': '2, an error', 'a lost answer': '2, an error' }],
  ['oauth2', () => debian('ruby-oauth2'), 'ruby'],
  ['rack-oauth2', () => debian('ruby-rack-oauth2'), 'ruby', { 'a lost answer': '2, an error' }],
  ['google-oauth-client-java', () => debian('libgoogle-oauth-client-java'), 'java', { 'a 503': '1, false' }],
  ['Net::OAuth2', () => debian('libnet-oauth2-perl'), 'perl'],
  ['LWP::Authen::OAuth2', () => debian('liblwp-authen-oauth2-perl'), 'perl'],
];

/** How many requests a client makes in this mode, and what comes of its call. */
const measure = async (refresh, mode) => {
  const front = await proxy(mode);
  let { refresh_token: token } = await server.logIn();
  if (mode == 'an old token') {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token });
    const answer = await fetch(`${server.issuer}/auth/refresh`, { method: 'POST', body });
    assert.notEqual((await answer.json()).refresh_token, token);
  }
  const done = await refresh(front.url, token).then(
    (done) => done || 'renewed',
    (error) => (process.env.VERBOSE && console.error(`${mode}: ${error?.message ?? error}`), 'an error'),
  );
  front.closeAllConnections();
  front.close();
  return `${front.count}, ${done}`;
};

const ofNpm = Object.entries(CLIENTS).map(([key, refresh]) => {
  const [, alias, version] = /^(?:npm:(.*)@)?(.*)$/.exec(dependencies[key]);
  return { name: alias ?? key, version, refresh, unusual: {} };
});
const others = OTHERS.map(([name, version, language, unusual = {}]) => {
  const [command, ...parameters] = PROGRAMS[language];
  const refresh = async (url, token) => (await program(command, [...parameters, name, `${url}/auth/refresh`, token])).trim();
  return { name, version: version(name), refresh, unusual };
});

const faults = [];
const table = rows.filter((cells) => cells.length == 5);
const seen = new Set();
for (const { name, version, refresh, unusual } of [...ofNpm, ...others]) {
  const label = `${name} ${version}`;
  const found = {};
  for (const mode of MODES) found[mode] = await measure(refresh, mode);
  console.log(`${label}: ${MODES.map((mode) => `${mode}: ${found[mode]}`).join('; ')}`);
  const row = table.find(([clients]) => clients.split(', ').some((client) => client == label || client.startsWith(`${label} `)));
  if (!row) faults.push(`${label} is not in the table`);
  seen.add(row);
  for (const mode of MODES) {
    const wanted = unusual[mode] ?? USUAL[mode];
    if (found[mode] != wanted) faults.push(`${label}, ${mode}: ${wanted} was expected`);
  }
}
server.end();
const left = table.filter((row) => !seen.has(row)).map(([clients]) => clients).filter((clients) => /\d/.test(clients));
console.log(`\n${ofNpm.length + others.length} clients measured; without a script: ${left.join('; ') || 'none'}`);
finish(faults);
