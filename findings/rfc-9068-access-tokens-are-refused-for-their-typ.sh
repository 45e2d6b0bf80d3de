#!/usr/bin/env bash
# hono, libjwt and Dovecot refuse an access token of RFC 9068 although its signature is right
#
# Versions: hono 4.13.19 and jose 6.2.18 (npm, Node 20); libjwt0 1.10.2 and dovecot-core 2.3.19 of Debian 12.
#
# RFC 9068 has access tokens say `"typ":"at+jwt"`, so that nobody takes an ID token for one. RFC 7519 calls `typ` optional, and
# most libraries leave it alone. These three read the same claims under the same key if the header says `JWT`, and refuse them
# under `at+jwt`: hono with JwtHeaderInvalid (it has a setting, `verification: { typ }`), libjwt 1.10 with EINVAL and Dovecot's
# local validation with "Cannot find 'typ' field" (neither has a setting).
#
# Why it matters: an issuer that begins to follow RFC 9068 breaks such readers for all users at once, and what they say does not
# hint at the header: EINVAL, or a field that is not found although it is there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
[ -e /usr/include/jwt.h ] || { echo 'libjwt-dev is missing'; exit 2; }
command -v doveadm >/dev/null || { echo 'dovecot-core is missing'; exit 2; }
chmod 755 .
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts hono@4.13.19 jose@6.2.18
cat >read.c <<'C'
#include <jwt.h>
#include <stdio.h>
#include <string.h>

int main(int count, char **given) {
	jwt_t *token = NULL;
	int error = count == 3 ? jwt_decode(&token, given[1], (unsigned char *)given[2], (int)strlen(given[2])) : -1;
	puts(error ? strerror(error) : "read");
	return 0;
}
C
cc read.c -o read -ljwt
cat >look.js <<'JS'
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Hono } from 'hono';
import { jwk } from 'hono/jwk';
import { SignJWT, createLocalJWKSet, exportJWK, exportSPKI, generateKeyPair, jwtVerify } from 'jose';

const { publicKey, privateKey } = await generateKeyPair('ES256');
const pem = await exportSPKI(publicKey);
const keys = [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' }];
const make = (typ) =>
  new SignJWT({ sub: 'alice', iss: 'https://issuer.example', aud: 'api', client_id: 'app', jti: '1' })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', typ })
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(privateKey);

const here = process.cwd();
mkdirSync('keys/default/ES256', { recursive: true });
mkdirSync('run');
writeFileSync('keys/default/ES256/one', pem);
writeFileSync('oauth2.conf', `introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=${here}/keys/\nusername_attribute = sub\n`);
writeFileSync(
  'dovecot.conf',
  `base_dir = ${here}/run\nstate_dir = ${here}/run\nlog_path = ${here}/log\nauth_verbose = yes\nprotocols =\nssl = no\npassdb {\n  driver = oauth2\n  args = ${here}/oauth2.conf\n}\nuserdb {\n  driver = static\n  args = uid=nobody gid=nogroup home=/nonexistent\n}\n`,
);
const dovecot = spawn('dovecot', ['-F', '-c', 'dovecot.conf'], { stdio: 'ignore' });
const doveadm = (...more) => spawnSync('doveadm', ['-c', 'dovecot.conf', ...more], { encoding: 'utf8' });
for (let left = 100; left && doveadm('service', 'status').status; left -= 1) await new Promise((done) => setTimeout(done, 100));

const READERS = {
  async jose(token) {
    return jwtVerify(token, createLocalJWKSet({ keys })).then(() => 'read', (error) => error.code);
  },
  async hono(token) {
    const app = new Hono();
    app.use(jwk({ keys, alg: ['ES256'] }));
    app.onError((error, context) => context.text(error.cause?.name ?? error.message, 401));
    app.get('/', (context) => context.text('read'));
    return (await app.request('/', { headers: { authorization: `Bearer ${token}` } })).text();
  },
  async libjwt(token) {
    return spawnSync('./read', [token, pem], { encoding: 'utf8' }).stdout.trim();
  },
  async dovecot(token) {
    if (doveadm('auth', 'test', 'alice', token).status == 0) return 'read';
    return /Local validation failed: (.*)/.exec(readFileSync('log', 'utf8'))?.[1] ?? 'refused';
  },
};

let same = true;
const [usual, own] = [await make('JWT'), await make('at+jwt')];
for (const [name, read] of Object.entries(READERS)) {
  const [before, after] = [await read(usual), await read(own)];
  console.log(`${name}: typ JWT: ${before}; typ at+jwt: ${after}`);
  same &&= before == 'read' && (after == 'read') == (name == 'jose');
}
dovecot.kill();
await once(dovecot, 'close');
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js
