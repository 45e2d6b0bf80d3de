#!/usr/bin/env bash
# OAuth clients take a server's `expires_at`, which no standard has, over its `expires_in`
#
# Versions: simple-oauth2 5.1.0, openid-client 5.7.1, oidc-client-ts 3.5.0 (npm, Node 20); Authlib 1.9.10, requests-oauthlib
# 2.0.0, httpx-oauth 0.17.0 (PyPI, Python 3.11). Not so: openid-client 6.9.0, oauth4webapi 3.8.8, google-auth 2.63.0.
#
# RFC 6749 has `expires_in`, a duration, and lets a client ignore members that it does not know. Many client libraries keep a
# token in the form of the server's answer with an `expires_at` of their own beside it. If the answer itself has a member of
# that name, it is taken as theirs, and `expires_in` is not looked at. So each of these answers is a token that has ended
# already, for a client whose clock is an hour ahead of the server's: `expires_in` 300, `expires_at` 300 s from the server's now.
#
# Why it matters: it is tempting to add a time to the answer, for people who read it. With that name a client whose clock is
# wrong by more than the token's life renews before each call, or never uses the token; with any other name nothing happens.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts simple-oauth2@5.1.0 openid-client-5@npm:openid-client@5.7.1 \
  openid-client@6.9.0 oauth4webapi@3.8.8 oidc-client-ts@3.5.0
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check Authlib==1.9.10 requests-oauthlib==2.0.0 oauthlib==4.0.1 \
  httpx-oauth==0.17.0 google-auth==2.63.0 requests==2.34.2 httpx==0.28.1
cat >client.py <<'PY'
import asyncio, os, sys

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
url = sys.argv[1]


def authlib():
    from authlib.integrations.requests_client import OAuth2Session

    return OAuth2Session("app", token_endpoint_auth_method="none").refresh_token(url, refresh_token="r").is_expired()


def requests_oauthlib():
    from oauthlib.oauth2 import TokenExpiredError
    from requests_oauthlib import OAuth2Session

    session = OAuth2Session("app", token={"refresh_token": "r"})
    session.refresh_token(url, client_id="app")
    try:
        session.get(url)
    except TokenExpiredError:
        return True
    return False


def httpx_oauth():
    from httpx_oauth.oauth2 import OAuth2

    client = OAuth2("app", "", url, url, refresh_token_endpoint=url)
    return asyncio.run(client.refresh_token("r")).is_expired()


def google_auth():
    from google.auth.transport.requests import Request
    from google.oauth2.credentials import Credentials

    credentials = Credentials(None, refresh_token="r", token_uri=url, client_id="app", client_secret="")
    credentials.refresh(Request())
    return credentials.expired


for name, expired in (("Authlib", authlib), ("requests-oauthlib", requests_oauthlib), ("httpx-oauth", httpx_oauth), ("google-auth", google_auth)):
    print(name, "ended" if expired() else "good")
PY
cat >look.js <<'JS'
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { promisify } from 'node:util';
import * as oauth from 'oauth4webapi';
import * as six from 'openid-client';
import { Issuer } from 'openid-client-5';
import { InMemoryWebStorage, OidcClient, WebStorageStateStore } from 'oidc-client-ts';
import { AuthorizationCode } from 'simple-oauth2';

let extra = {};
const server = createServer((request, response) => {
  request.resume();
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ access_token: 'a', token_type: 'Bearer', refresh_token: 'r', expires_in: 300, ...extra }));
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}`;
const metadata = { issuer: url, token_endpoint: `${url}/token`, authorization_endpoint: url };

const CLIENTS = {
  async 'simple-oauth2'() {
    const client = new AuthorizationCode({ client: { id: 'app', secret: '' }, auth: { tokenHost: url, tokenPath: '/token' } });
    return (await client.createToken({ refresh_token: 'r' }).refresh()).expired();
  },
  async 'openid-client 5'() {
    const { Client } = new Issuer(metadata);
    return (await new Client({ client_id: 'app', token_endpoint_auth_method: 'none' }).refresh('r')).expired();
  },
  async 'oidc-client-ts'() {
    const stateStore = new WebStorageStateStore({ store: new InMemoryWebStorage() });
    const client = new OidcClient({ authority: url, client_id: 'app', redirect_uri: url, metadata, stateStore });
    const state = { refresh_token: 'r', profile: { sub: 'alice' } };
    return (await client.useRefreshToken({ state })).expires_in <= 0;
  },
  async 'openid-client 6'() {
    const config = new six.Configuration(metadata, 'app', undefined, six.None());
    six.allowInsecureRequests(config);
    return (await six.refreshTokenGrant(config, 'r')).expiresIn() <= 0;
  },
  async oauth4webapi() {
    const [client, insecure] = [{ client_id: 'app' }, { [oauth.allowInsecureRequests]: true }];
    const answer = await oauth.refreshTokenGrantRequest(metadata, client, oauth.None(), 'r', insecure);
    return (await oauth.processRefreshTokenResponse(metadata, client, answer)).expires_in <= 0;
  },
};

const look = async () => {
  const seen = {};
  for (const [name, ended] of Object.entries(CLIENTS)) seen[name] = (await ended()) ? 'ended' : 'good';
  const { stdout } = await promisify(execFile)('python/bin/python', ['-W', 'ignore', 'client.py', `${url}/token`]);
  for (const line of stdout.trim().split('\n')) seen[line.split(' ')[0]] = line.split(' ')[1];
  return seen;
};

const plain = await look();
extra = { expires_at: Math.floor(Date.now() / 1000) - 3600 + 300 };
const named = await look();
extra = { ends_at: extra.expires_at };
const other = await look();
const believe = ['simple-oauth2', 'openid-client 5', 'oidc-client-ts', 'Authlib', 'requests-oauthlib', 'httpx-oauth'];
let same = true;
for (const name of Object.keys(plain)) {
  console.log(`${name}: with expires_in alone ${plain[name]}; with expires_at too ${named[name]}; with another name ${other[name]}`);
  same &&= plain[name] == 'good' && other[name] == 'good' && named[name] == (believe.includes(name) ? 'ended' : 'good');
}
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js
