#!/usr/bin/env bash
# A token of EdDSA makes @fastify/jwt with get-jwks answer 500, although each of the parts knows EdDSA
#
# Versions: @fastify/jwt 10.2.8, fastify 5.6.2, fast-jwt 6.3.6, get-jwks 11.0.3, jose 6.2.18 (npm, Node 20).
#
# fast-jwt verifies EdDSA with a PEM key, and Node makes such a PEM of the JWK. get-jwks, which the documentation of both names
# for key sets, does not: it turns RSA and EC keys into PEM and throws `Unsupported key type "OKP"` for others. That error comes
# out of the callback for the secret, where @fastify/jwt does not take it for a fault of the token, so a client with a good token
# gets 500 instead of 401 or 200. With `crypto.createPublicKey({ format: "jwk" })` in place of get-jwks the token is read.
#
# Why it matters: a change of the issuer's algorithm shows up as a server error at all services of this kind, on each request,
# and pages whoever watches for 5xx.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @fastify/jwt@10.2.8 fastify@5.6.2 fast-jwt@6.3.6 get-jwks@11.0.3 jose@6.2.18
cat >look.js <<'JS'
import { createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import jwt from '@fastify/jwt';
import fastify from 'fastify';
import getJwks from 'get-jwks';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';

const keys = [];
const tokens = {};
const server = createServer((_, response) => response.end(JSON.stringify({ keys }))).listen(0, '127.0.0.1');
await once(server, 'listening');
const domain = `http://127.0.0.1:${server.address().port}`;
for (const alg of ['ES256', 'EdDSA']) {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  keys.push({ ...(await exportJWK(publicKey)), kid: alg, alg, use: 'sig' });
  tokens[alg] = await new SignJWT({ iss: domain }).setProtectedHeader({ alg, kid: alg }).setExpirationTime('5m').sign(privateKey);
}
const fetched = getJwks({ jwksPath: '/jwks.json' });
const SECRETS = {
  'get-jwks': ({ kid, alg }) => fetched.getPublicKey({ kid, alg, domain }),
  createPublicKey: async ({ kid }) => createPublicKey({ key: keys.find((key) => key.kid == kid), format: 'jwk' }).export({ type: 'spki', format: 'pem' }),
};
const ask = async (secret, token) => {
  const app = fastify();
  app.register(jwt, { decode: { complete: true }, secret: (_, { header }) => secret(header) });
  await app.after();
  app.get('/', { preHandler: (request) => request.jwtVerify() }, () => 'read');
  const answer = await app.inject({ url: '/', headers: { authorization: `Bearer ${token}` } });
  await app.close();
  return answer.statusCode == 200 ? 'read' : `${answer.statusCode} ${answer.json().message}`;
};
const seen = [];
for (const [name, secret] of Object.entries(SECRETS)) {
  for (const [alg, token] of Object.entries(tokens)) {
    seen.push(await ask(secret, token));
    console.log(`${name}, ${alg}: ${seen.at(-1)}`);
  }
}
server.closeAllConnections();
const same = seen[0] == 'read' && seen[1].startsWith('500 ') && seen[2] == 'read' && seen[3] == 'read';
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js
