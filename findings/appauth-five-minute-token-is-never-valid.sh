#!/usr/bin/env bash
# For @openid/appauth a token of five minutes has never been valid
#
# Versions: @openid/appauth 1.4.0, bundled with esbuild 0.28.2 (npm, Node 20).
#
# `TokenResponse.isValid()` holds a token for expired ten minutes before its end. So a token that lives for five minutes, a
# life that many servers choose, is not valid in the second in which it comes, while one of eleven minutes is. Code in the form
# of the library's example ("valid? use it: refresh it") refreshes before each call. `isValid(0)` takes the server at its word.
#
# Why it matters: the server sees a refresh with each request, all of them right, and a refresh token that changes each time:
# limits of rate and the detection of reuse are hit by an honest client. A short life of access tokens has a floor that clients set.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @openid/appauth@1.4.0 esbuild@0.28.2
cat >look.js <<'JS'
import { build } from 'esbuild';

const stdin = { contents: "export { TokenResponse } from '@openid/appauth'", resolveDir: '.' };
await build({ stdin, bundle: true, platform: 'node', format: 'esm', outfile: 'appauth.mjs', logLevel: 'error' });
const { TokenResponse } = await import('./appauth.mjs');
const valid = (seconds, ...buffer) => new TokenResponse({ access_token: 'a', expires_in: String(seconds) }).isValid(...buffer);
const seen = { 'of five minutes': valid(300), 'of eleven minutes': valid(660), 'of five minutes, isValid(0)': valid(300, 0) };
for (const [name, is] of Object.entries(seen)) console.log(`a new token ${name}: ${is ? 'valid' : 'not valid'}`);
const same = !valid(300) && valid(660) && valid(300, 0);
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js
