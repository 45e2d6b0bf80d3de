#!/usr/bin/env bash
# With axios-auth-refresh 5.0, of five requests that get 401 at once one is repeated and four are rejected
#
# Versions: axios-auth-refresh 5.0.2 with axios 1.13.2 (npm, Node 20). Not so in 3.3.6 of the same.
#
# The interceptor renews once for requests that get 401 together. In 3.3.6 all of them are repeated with the new token when it
# is there. In 5.0.2 only the one that began the renewal is: the others reject with the 401 that they had, although the renewal
# succeeded a moment later. With `deduplicateRefresh: false` all five are repeated.
#
# Why it matters: a page that loads with an old token asks for several things at once. After the update the user sees an error
# for all but one, at each end of a token's life; a test with one request sees nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts axios@1.13.2 axios-auth-refresh@5.0.2 old@npm:axios-auth-refresh@3.3.6
cat >look.js <<'JS'
import { once } from 'node:events';
import { createServer } from 'node:http';
import axios from 'axios';

/** Five requests at once with a token that has ended: how many succeed, are rejected, and how many renewals there were. */
const look = async (library, options) => {
  const module = await import(library);
  const intercept = [module.createAuthRefresh, module.createAuthRefreshInterceptor, module.default?.default, module.default].find((it) => typeof it == 'function');
  let waiting = [];
  const server = createServer((request, response) => {
    if (request.headers.authorization == 'Bearer new') return response.end('data');
    // All five get their 401 together.
    waiting.push(response);
    if (waiting.length == 5) for (const one of waiting.splice(0)) one.writeHead(401).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = axios.create({ baseURL: `http://127.0.0.1:${server.address().port}`, headers: { Authorization: 'Bearer old' } });
  let renewals = 0;
  const renew = async (failed) => {
    renewals += 1;
    await new Promise((done) => setTimeout(done, 200));
    client.defaults.headers.Authorization = 'Bearer new';
    failed.response.config.headers.Authorization = 'Bearer new';
  };
  client.interceptors.request.use((config) => {
    if (client.defaults.headers.Authorization == 'Bearer new') config.headers.Authorization = 'Bearer new';
    return config;
  });
  intercept(client, renew, options);
  const done = await Promise.allSettled(Array.from({ length: 5 }, () => client.get('/')));
  server.closeAllConnections();
  server.close();
  const count = (status) => done.filter((one) => one.status == status).length;
  return `${renewals} renewals, ${count('fulfilled')} answered, ${count('rejected')} rejected`;
};

const seen = {
  '5.0.2': await look('axios-auth-refresh'),
  '5.0.2, deduplicateRefresh: false': await look('axios-auth-refresh', { deduplicateRefresh: false }),
  '3.3.6': await look('old'),
};
for (const [name, what] of Object.entries(seen)) console.log(`${name}: ${what}`);
const same = seen['5.0.2'] == '1 renewals, 1 answered, 4 rejected' && seen['3.3.6'].endsWith('5 answered, 0 rejected') && seen['5.0.2, deduplicateRefresh: false'].endsWith('5 answered, 0 rejected');
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js
