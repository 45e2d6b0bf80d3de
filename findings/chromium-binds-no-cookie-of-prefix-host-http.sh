#!/usr/bin/env bash
# Chromium binds a session to a `__Host-` cookie, but not to a `__Host-Http-` cookie, and says so to nobody
#
# Versions: Chromium 156 of Debian with software keys (a feature flag), playwright-core 1.65.1 (npm, Node 20), OpenSSL 3.0.
#
# Device Bound Session Credentials name the cookie that a session is bound to. Two servers differ in nothing but that name. With
# `__Host-own` the registration holds: the browser renews the cookie at a request near or after its end, with a signature.
# With `__Host-Http-own`, which the browser accepts and sends as a cookie, the same registration is dropped: no renewal comes,
# and nothing in the page or at the server tells. The cookie was set by a header, with all that the prefix asks for.
#
# Why it matters: the newest prefix is the right one for a session cookie, and whoever takes it for the bound cookie as well has
# no binding. A server that already demands the bound cookie locks these users out when it ends.
set -euo pipefail
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund playwright-core@1.65.1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem -out cert.pem -subj /CN=app \
  -addext subjectAltName=DNS:app.test 2>/dev/null
cat >look.js <<'JS'
import { X509Certificate, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { chromium } from 'playwright-core';

const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(name));
const spki = createHash('sha256').update(new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax';

/** What a browser does at a server that binds to this cookie. */
const look = async (name) => {
  const seen = { registrations: 0, renewals: 0, cookieSent: false };
  const server = createServer({ key, cert }, (request, response) => {
    request.resume();
    const set = (seconds) => response.setHeader('set-cookie', `${name}=value; ${ATTRIBUTES}; Max-Age=${seconds}`);
    seen.cookieSent ||= (request.headers.cookie ?? '').includes(`${name}=`);
    if (request.url == '/login') {
      response.setHeader('secure-session-registration', '(ES256);path="/register";challenge="one"');
      set(3);
    } else if (request.url == '/register') {
      seen.registrations += 1;
      set(3);
      response.setHeader('content-type', 'application/json');
      const scope = { include_site: false, scope_specification: [] };
      const credentials = [{ type: 'cookie', name, attributes: ATTRIBUTES }];
      return response.end(JSON.stringify({ session_identifier: 'own', refresh_url: '/renew', scope, credentials }));
    } else if (request.url == '/renew') {
      seen.renewals += 1;
      set(600);
      return response.end();
    }
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>page</title>');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const features = 'DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting';
  const args = ['--no-sandbox', `--enable-features=${features}`, `--ignore-certificate-errors-spki-list=${spki}`, '--host-resolver-rules=MAP app.test 127.0.0.1'];
  const context = await chromium.launchPersistentContext(`profile-${name}`, { executablePath: process.argv[2], args });
  const page = await context.newPage();
  const origin = `https://app.test:${server.address().port}`;
  const real = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  await page.goto(`${origin}/login`);
  for (let left = 100; left && !seen.registrations; left -= 1) await real(100);
  await page.goto(`${origin}/page`);
  // The cookie has ended then.
  await real(5000);
  await page.goto(`${origin}/page`);
  await context.close();
  server.closeAllConnections();
  server.close();
  return seen;
};

const host = await look('__Host-own');
const http = await look('__Host-Http-own');
console.log('bound to __Host-own:     ', JSON.stringify(host));
console.log('bound to __Host-Http-own:', JSON.stringify(http));
const same = host.registrations == 1 && host.renewals >= 1 && http.registrations == 1 && http.renewals == 0 && http.cookieSent;
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js "$browser"
