#!/usr/bin/env bash
# After one 503 oidc-client-ts never renews by itself again
#
# Versions: oidc-client-ts 3.5.0 (npm, Node 20).
#
# With `automaticSilentRenew`, on by default, the manager renews a while before the access token ends. If that one request is
# answered 503 with `Retry-After: 1`, it raises `silentRenewError` and leaves it at that: no second attempt before the token's
# end or after it, although the server works again a moment later and the refresh token is good. Only a time limit of its own is
# tried again. A call of `signinSilent()` by the program succeeds at once, and renewal goes on from there.
#
# Why it matters: a restart of the server in the wrong second logs out everybody whose token was due, some minutes later, with
# nothing in the server's log but one 503. Start the renewal again in a handler of `silentRenewError`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts oidc-client-ts@3.5.0
cat >look.js <<'JS'
import { once } from 'node:events';
import { createServer } from 'node:http';
import { InMemoryWebStorage, User, UserManager, WebStorageStateStore } from 'oidc-client-ts';

let down = true;
let requests = 0;
const server = createServer((request, response) => {
  request.resume();
  requests += 1;
  const headers = { 'content-type': 'application/json' };
  if (down) return response.writeHead(503, { ...headers, 'retry-after': '1' }).end('{"error":"temporarily_unavailable"}');
  response.writeHead(200, headers).end('{"access_token":"b","token_type":"Bearer","refresh_token":"r","expires_in":12}');
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}`;
const [userStore, stateStore] = [0, 1].map(() => new WebStorageStateStore({ store: new InMemoryWebStorage() }));
const manager = new UserManager({
  ...{ authority: url, client_id: 'app', redirect_uri: url, userStore, stateStore },
  metadata: { issuer: url, authorization_endpoint: url, token_endpoint: `${url}/token` },
  accessTokenExpiringNotificationTimeInSeconds: 8,
});
let errors = 0;
manager.events.addSilentRenewError(() => ((errors += 1), (down = false)));
const profile = { sub: 'alice', iss: url, aud: 'app', exp: 0, iat: 0 };
const expires_at = Math.floor(Date.now() / 1000) + 12;
const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
await manager.storeUser(new User({ access_token: 'a', refresh_token: 'r', token_type: 'Bearer', expires_at, profile }));
await manager.getUser();
await wait(25);
const after = { requests, errors, expired: (await manager.getUser(false))?.expired };
console.log('one 503, then a server that works; 25 s later, 13 s after the token ended:', JSON.stringify(after));
await manager.signinSilent();
const byHand = requests;
await wait(12);
console.log(`a call of signinSilent(): ${byHand} requests; 12 s later, by itself: ${requests}`);
const same = after.requests == 1 && after.errors == 1 && after.expired && byHand == 2 && requests > 2;
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js
