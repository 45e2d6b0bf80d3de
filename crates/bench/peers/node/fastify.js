// `/api/me` on fastify: for anybody (`bare`), or behind fast-jwt with its cache (`fast-jwt`).

import { generateKeyPairSync } from 'node:crypto';
import fastify from 'fastify';
import { createSigner, createVerifier } from 'fast-jwt';
import { announce, anybody } from './me.js';

const app = fastify();
let header = 'Accept: */*';

if (process.argv[2] === 'bare') {
  app.get('/api/me', async () => anybody);
} else {
  const pem = {
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  };
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', pem);
  const iss = 'https://id.example';
  const aud = 'https://api.example';
  const sign = createSigner({ key: privateKey, algorithm: 'EdDSA', kid: 'one', expiresIn: 3_600_000 });
  const { sub, session_id: sid, scope, auth_time } = anybody;
  const jti = 'BBBBBBBBBBBBBBBBBBBBBBBB';
  header = `Authorization: Bearer ${sign({ iss, aud, sub, client_id: 'web', sid, jti, auth_time, scope })}`;
  const verify = createVerifier({
    key: publicKey,
    algorithms: ['EdDSA'],
    allowedIss: iss,
    allowedAud: aud,
    cache: true,
  });
  app.decorateRequest('claims', null);
  app.addHook('onRequest', async (request, reply) => {
    try {
      request.claims = verify(request.headers.authorization?.slice('Bearer '.length) ?? '');
    } catch {
      reply.code(401);
      throw new Error('the token is refused');
    }
  });
  app.get('/api/me', async ({ claims }) => ({
    sub: claims.sub,
    session_id: claims.sid,
    scope: claims.scope,
    auth_time: claims.auth_time,
  }));
}

await app.listen({ host: '127.0.0.1', port: 0 });
announce(app.server.address().port, header);
