// npm's `jose` as a peer: see tests/peers.rs for what comes in and goes out.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

let input = '';
for await (const chunk of process.stdin) input += chunk;
const { modules, cases, issue } = JSON.parse(input);

const entry = createRequire(join(modules, '_')).resolve('jose');
const jose = await import(pathToFileURL(entry).href);

const verdicts = {};
for (const { name, token, key, alg, issuer, audience } of cases) {
  try {
    const options = { algorithms: [alg], issuer, audience, typ: 'at+jwt' };
    await jose.jwtVerify(token, await jose.importJWK(key, alg), options);
    verdicts[name] = '';
  } catch (error) {
    verdicts[name] = String(error.code ?? error);
  }
}

async function generate(alg) {
  if (alg.startsWith('HS')) {
    const secret = await jose.generateSecret(alg, { extractable: true });
    return { sign: secret, jwk: await jose.exportJWK(secret) };
  }
  const { privateKey, publicKey } = await jose.generateKeyPair(alg, { extractable: true });
  return { sign: privateKey, jwk: await jose.exportJWK(publicKey) };
}

const issued = [];
for (const { alg, kid, claims } of issue) {
  const [{ sign, jwk }, other] = [await generate(alg), await generate(alg)];
  const header = { alg, kid, typ: 'at+jwt' };
  const token = await new jose.SignJWT(claims).setProtectedHeader(header).sign(sign);
  issued.push({ alg, token, key: { ...jwk, alg, kid }, other: { ...other.jwk, alg, kid } });
}
process.stdout.write(JSON.stringify({ verdicts, issued }));
