#!/usr/bin/env bash
# react-oauth2-code-pkce refreshes with `scope=undefined` if no scope is configured, and a 503 then costs the tokens
#
# Versions: react-oauth2-code-pkce 1.24.0 with react 19.3.1, bundled with esbuild 0.28.2, in jsdom 26.1.0 (npm, Node 20).
#
# `scope` is an optional setting. Without it the login leaves the parameter out, but a refresh has `scope=undefined`, the word,
# since `refreshWithScope` is on by default. A server that checks the parameter, as RFC 6749 wants, answers `invalid_scope`.
# And when a page loads whose access token has ended, any answer but a success counts as the end of the refresh token: a 503
# with `Retry-After` deletes the tokens from localStorage and sends the user to the login page, `autoLogin: false` or not.
#
# Why it matters: logins work and the first refresh does not, an access lifetime later; and a server that restarts logs out all
# who load a page meanwhile. Set `refreshWithScope: false`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts react-oauth2-code-pkce@1.24.0 react@19.3.1 react-dom@19.3.1 esbuild@0.28.2 jsdom@26.1.0
cat >page.js <<'JS'
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { AuthProvider } from 'react-oauth2-code-pkce';

window.show = (authConfig) => createRoot(document.body).render(createElement(AuthProvider, { authConfig }, 'page'));
JS
cat >look.js <<'JS'
import { buildSync } from 'esbuild';
import { JSDOM, VirtualConsole } from 'jsdom';

const define = { 'process.env.NODE_ENV': '"production"' };
const code = buildSync({ entryPoints: ['page.js'], bundle: true, write: false, define, logLevel: 'error' }).outputFiles[0].text;

/** A page is loaded with a token that has ended: the scope of the refresh, and what is kept after this answer. */
const look = async (answer, options) => {
  const virtualConsole = new VirtualConsole();
  let left = false;
  // jsdom goes to no other page, and says so.
  virtualConsole.on('jsdomError', ({ message }) => (left ||= message.includes('navigation')));
  const page = { url: 'http://localhost/', runScripts: 'outside-only', pretendToBeVisual: true, virtualConsole };
  const { window } = new JSDOM('<!doctype html><body>', page);
  const kept = { token: 'old', tokenExpire: 1, refreshToken: 'r', refreshTokenExpire: 9999999999, loginInProgress: false };
  for (const [name, value] of Object.entries(kept)) window.localStorage.setItem(`ROCP_${name}`, JSON.stringify(value));
  let asked;
  Object.assign(window, { TextEncoder, Response, Uint8Array });
  Object.defineProperty(window, 'crypto', { value: crypto });
  window.fetch = async (_, { body }) => ((asked = new URLSearchParams(body)), answer());
  window.eval(code);
  const own = { clientId: 'app', authorizationEndpoint: 'http://localhost/login', tokenEndpoint: 'http://localhost/token', redirectUri: 'http://localhost/' };
  window.show({ ...own, autoLogin: false, decodeToken: false, onRefreshTokenExpire() {}, ...options });
  const token = () => JSON.parse(window.localStorage.getItem('ROCP_token'));
  for (let times = 100; times && !(asked && (token() == 'new' || left)); times -= 1) await new Promise((done) => setTimeout(done, 50));
  const seen = { scope: asked.get('scope'), token: token(), login: left };
  window.close();
  return seen;
};

const good = () => Response.json({ access_token: 'new', token_type: 'Bearer', expires_in: 300, refresh_token: 's' });
const busy = () => Response.json({ error: 'temporarily_unavailable' }, { status: 503, headers: { 'retry-after': '1' } });
const usual = await look(good, {});
const set = await look(good, { refreshWithScope: false });
const down = await look(busy, { refreshWithScope: false });
console.log('no scope configured:     ', JSON.stringify(usual));
console.log('refreshWithScope: false: ', JSON.stringify(set));
console.log('a 503:                   ', JSON.stringify(down));
const same = usual.scope === 'undefined' && set.scope === null && set.token == 'new' && !set.login && down.token === '' && down.login;
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js
