// The issuers whose tokens the verifiers are given: demos, one for each algorithm, and issuers of this script.
import { constants, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { AUDIENCE, start } from './servers.mjs';

export const ALGORITHMS = ['EdDSA', 'ES256', 'RS256', 'PS256'];

const complete = ({ keys, kid, ...world }) => {
  const key = keys.find((key) => key.kid == kid);
  const pem = createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  return { ...world, audience: AUDIENCE, jwksUri: `${world.issuer}/.well-known/jwks.json`, keys, key, pem };
};

/** A demo that signs with this algorithm, and an access token of it. */
export const demo = async (alg) => {
  const { issuer, logIn, end } = await start(`--alg=${alg}`, '--access-ttl=1h');
  const { access_token: token } = await logIn();
  const { keys } = await (await fetch(`${issuer}/.well-known/jwks.json`)).json();
  const { kid } = JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
  return complete({ alg, issuer, token, keys, kid, end });
};

const PAIRS = {
  EdDSA: () => generateKeyPairSync('ed25519'),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
};

const signature = (alg, text, key) => {
  if (alg == 'EdDSA') return sign(null, text, key);
  const padding = alg == 'PS256' ? constants.RSA_PKCS1_PSS_PADDING : undefined;
  return sign('sha256', text, { key, dsaEncoding: 'ieee-p1363', padding, saltLength: alg == 'PS256' ? 32 : undefined });
};

/**
 * An issuer as every verifier wants it: `typ: JWT`, OpenID's discovery and all claims that one of them asks for. What reads no
 * token of the demos has to read some of these. Otherwise it was not asked as it should be.
 */
export const usual = async (alg) => {
  const { publicKey, privateKey } = PAIRS[alg]();
  const kid = `usual-${alg}`;
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }];
  const server = createServer((request, response) => {
    const documents = { '/.well-known/jwks.json': { keys }, '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/.well-known/jwks.json` } };
    const document = documents[request.url];
    response.writeHead(document ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(document ?? {}));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const now = Math.floor(Date.now() / 1000);
  const times = { iat: now, nbf: now, exp: now + 3600 };
  const own = { token_type: 'access', user_id: 'alice', ns: 'ns', db: 'db', ac: 'own', id: 'user:alice' };
  const claims = { iss: issuer, aud: AUDIENCE, sub: 'alice', client_id: 'app', jti: `one-${alg}`, ...times, ...own };
  const text = [{ alg, typ: 'JWT', kid }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const token = `${text}.${signature(alg, Buffer.from(text), privateKey).toString('base64url')}`;
  const end = () => (server.closeAllConnections(), server.close());
  return complete({ alg, issuer, token, keys, kid, end });
};
