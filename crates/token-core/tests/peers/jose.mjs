// Reads {modules, secret, issuer, audience, now, cases: [{name, token}]} on standard input, and writes
// {name: "" | error code} on standard output: what npm's `jose` says of each token.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

let input = '';
for await (const chunk of process.stdin) input += chunk;
const { modules, secret, issuer, audience, now, cases } = JSON.parse(input);

const entry = createRequire(join(modules, '_')).resolve('jose');
const { jwtVerify } = await import(pathToFileURL(entry).href);

const key = Buffer.from(secret, 'base64url');
const options = {
  algorithms: ['HS256'],
  audience,
  clockTolerance: 5,
  currentDate: new Date(now * 1000),
  issuer,
  maxTokenAge: '24h',
  requiredClaims: ['sub', 'exp', 'iat', 'jti', 'client_id'],
  typ: 'at+jwt',
};

const verdicts = {};
for (const { name, token } of cases) {
  try {
    await jwtVerify(token, key, options);
    verdicts[name] = '';
  } catch (error) {
    verdicts[name] = error.code ?? error.name;
  }
}
process.stdout.write(JSON.stringify(verdicts));
