// Who reads the access tokens: measures rows of the first table of docs/interop.md again, each verifier by the usual call
// of its documentation, and compares them with the page. With VERBOSE=1 it says why a token is not read.
//
// `cargo xtask interop` runs it. HALLPASS_E2E_SERVER names a demo, HALLPASS_PYTHON a Python that has what requirements.txt pins.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { AUDIENCE, PYTHON, dependencies, finish, rows, start as serve } from './servers.mjs';

const ALGORITHMS = ['EdDSA', 'ES256', 'RS256', 'PS256'];

/** A server that signs with this algorithm, and an access token of it. */
const start = async (alg) => {
  const { issuer, logIn, end } = await serve(`--alg=${alg}`);
  const { access_token: token } = await logIn();
  const jwksUri = `${issuer}/.well-known/jwks.json`;
  const { keys } = await (await fetch(jwksUri)).json();
  const { kid } = JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
  return { alg, issuer, jwksUri, token, keys, key: keys.find((key) => key.kid == kid), end };
};

const authorization = ({ token }) => `Bearer ${token}`;

/** A request as Express has them. */
const request = (world) => {
  const headers = { authorization: authorization(world), host: 'api.example' };
  return { headers, query: {}, body: {}, method: 'GET', url: '/', originalUrl: '/', get: (name) => headers[name.toLowerCase()], is: () => false };
};

/** Middleware of Express. */
const run = (middleware, world) =>
  new Promise((resolve, reject) => middleware(request(world), { setHeader() {}, header() {} }, (error) => (error ? reject(error) : resolve())));

const usual = ({ issuer, alg }) => ({ issuer, audience: AUDIENCE, algorithms: [alg] });

const inject = async (app, world) => {
  app.get('/', { preHandler: (request) => (app.authenticate ? app.authenticate(request) : request.jwtVerify()) }, () => 'read');
  const answer = await app.inject({ url: '/', headers: { authorization: authorization(world) } });
  await app.close();
  assert.equal(answer.statusCode, 200, answer.body);
};

/** By the name of the row: rejects if the token is not read. */
const VERIFIERS = {
  async jose(world) {
    const { createRemoteJWKSet, jwtVerify } = await import('jose');
    const keys = createRemoteJWKSet(new URL(world.jwksUri));
    await jwtVerify(world.token, keys, { issuer: world.issuer, audience: AUDIENCE, typ: 'at+jwt' });
  },
  async oauth4webapi(world) {
    const oauth = await import('oauth4webapi');
    const insecure = { [oauth.allowInsecureRequests]: true };
    const issuer = new URL(world.issuer);
    const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
    const server = await oauth.processDiscoveryResponse(issuer, found);
    const request = new Request('https://api.example/', { headers: { authorization: authorization(world) } });
    await oauth.validateJwtAccessToken(server, request, AUDIENCE, { ...insecure, signingAlgorithms: [world.alg] });
  },
  async 'express-oauth2-jwt-bearer'(world) {
    const { auth } = await import('express-oauth2-jwt-bearer');
    await run(auth({ issuerBaseURL: world.issuer, audience: AUDIENCE, tokenSigningAlg: world.alg }), world);
  },
  async jsonwebtoken(world) {
    const { default: jwt } = await import('jsonwebtoken');
    const { default: client } = await import('jwks-rsa');
    const keys = client({ jwksUri: world.jwksUri });
    const key = (header, done) => keys.getSigningKey(header.kid, (error, key) => done(error, key?.getPublicKey()));
    await new Promise((resolve, reject) => jwt.verify(world.token, key, usual(world), (error) => (error ? reject(error) : resolve())));
  },
  async 'express-jwt'(world) {
    const { expressjwt } = await import('express-jwt');
    const { default: jwks } = await import('jwks-rsa');
    await run(expressjwt({ secret: jwks.expressJwtSecret({ jwksUri: world.jwksUri }), ...usual(world) }), world);
  },
  async 'passport-jwt'(world) {
    const { default: passport } = await import('passport-jwt');
    const { default: jwks } = await import('jwks-rsa');
    const options = {
      jwtFromRequest: passport.ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: jwks.passportJwtSecret({ jwksUri: world.jwksUri }),
      ...usual(world),
    };
    const strategy = new passport.Strategy(options, (claims, done) => done(null, claims));
    await new Promise((resolve, reject) => {
      Object.assign(strategy, { success: resolve, fail: reject, error: reject });
      strategy.authenticate(request(world));
    });
  },
  async 'koa-jwt'(world) {
    const { default: koaJwt } = await import('koa-jwt');
    const { default: jwks } = await import('jwks-rsa');
    const context = {
      ...request(world),
      request: request(world),
      header: request(world).headers,
      state: {},
      cookies: { get() {} },
      throw(_, message) {
        throw new Error(message);
      },
    };
    await koaJwt({ secret: jwks.koaJwtSecret({ jwksUri: world.jwksUri }), ...usual(world) })(context, () => {});
  },
  async 'fast-jwt'(world) {
    const { createVerifier } = await import('fast-jwt');
    const { default: getJwks } = await import('get-jwks');
    const keys = getJwks({ jwksPath: '/.well-known/jwks.json' });
    const key = ({ header: { kid, alg } }) => keys.getPublicKey({ kid, alg, domain: world.issuer });
    const verify = createVerifier({ key, algorithms: [world.alg], allowedIss: world.issuer, allowedAud: AUDIENCE });
    await verify(world.token);
  },
  async '@fastify/jwt'(world) {
    const [{ default: fastify }, { default: jwt }, { default: getJwks }] = await Promise.all(['fastify', '@fastify/jwt', 'get-jwks'].map((name) => import(name)));
    const keys = getJwks({ jwksPath: '/.well-known/jwks.json' });
    const app = fastify();
    const secret = (_, { header: { kid, alg } }) => keys.getPublicKey({ kid, alg, domain: world.issuer });
    app.register(jwt, { decode: { complete: true }, secret, verify: { allowedIss: world.issuer, allowedAud: AUDIENCE } });
    await app.after();
    await inject(app, world);
  },
  async 'fastify-jwt-jwks'(world) {
    const [{ default: fastify }, { default: plugin }] = await Promise.all(['fastify', 'fastify-jwt-jwks'].map((name) => import(name)));
    const app = fastify();
    app.register(plugin, { jwksUrl: world.jwksUri, issuer: world.issuer, audience: AUDIENCE });
    await app.after();
    await inject(app, world);
  },
  async '@hapi/jwt'(world) {
    const [{ default: hapi }, { default: jwt }] = await Promise.all(['@hapi/hapi', '@hapi/jwt'].map((name) => import(name)));
    const server = hapi.server();
    await server.register(jwt);
    server.auth.strategy('own', 'jwt', {
      keys: { uri: world.jwksUri, algorithms: [world.alg] },
      verify: { iss: world.issuer, aud: AUDIENCE, sub: false },
      validate: () => ({ isValid: true }),
    });
    server.route({ method: 'GET', path: '/', options: { auth: 'own' }, handler: () => 'read' });
    await server.initialize();
    const answer = await server.inject({ url: '/', headers: { authorization: authorization(world) } });
    await server.stop();
    assert.equal(answer.statusCode, 200);
  },
  async hono(world) {
    const [{ Hono }, { jwk }] = await Promise.all(['hono', 'hono/jwk'].map((name) => import(name)));
    const app = new Hono();
    app.use(jwk({ jwks_uri: world.jwksUri, alg: [world.alg] }));
    app.get('/', (context) => context.text('read'));
    const answer = await app.request('/', { headers: { authorization: authorization(world) } });
    assert.equal(answer.status, 200);
  },
  async 'aws-jwt-verify'(world) {
    const { JwtVerifier } = await import('aws-jwt-verify');
    const verifier = JwtVerifier.create({ issuer: world.issuer, audience: AUDIENCE, jwksUri: world.jwksUri });
    verifier.cacheJwks({ keys: world.keys });
    await verifier.verify(world.token);
  },
  async '@tsndr/cloudflare-worker-jwt'(world) {
    const { default: jwt } = await import('@tsndr/cloudflare-worker-jwt');
    assert(await jwt.verify(world.token, world.key, { algorithm: world.alg, throwError: true }));
  },
};

const reads = async (verify, world) => {
  try {
    await verify(world);
    return true;
  } catch (error) {
    if (process.env.VERBOSE) console.error(`${verify.name} ${world.alg}: ${error?.message ?? error}`);
    return false;
  }
};

const worlds = [];
for (const alg of ALGORITHMS) worlds.push(await start(alg));
const measured = [];
for (const [name, verify] of Object.entries(VERIFIERS)) {
  const row = { from: 'npm', name, version: dependencies[name] };
  for (const world of worlds) row[world.alg] = await reads(verify, world);
  measured.push(row);
}
const python = execFileSync(PYTHON, ['-W', 'ignore', new URL('verifiers.py', import.meta.url).pathname], {
  input: JSON.stringify(worlds.map(({ end, ...world }) => ({ ...world, audience: AUDIENCE }))),
  stdio: ['pipe', 'pipe', process.env.VERBOSE ? 'inherit' : 'ignore'],
});
measured.push(...JSON.parse(python));
for (const world of worlds) world.end();

const table = rows.filter((cells) => /^[✓✗]$/.test(cells[2] ?? ''));
const faults = [];
const seen = new Set();
for (const row of measured) {
  const start = `${row.name} ${row.version}`;
  const found = table.find(([from, name]) => from == row.from && (name == start || name.startsWith(`${start} `)));
  const marks = ALGORITHMS.map((alg) => (row[alg] ? '✓' : '✗')).join(' ');
  console.log(`${row.from} ${start}: ${marks}`);
  const said = found?.slice(2, 6).join(' ');
  if (said != marks) faults.push(`${start}: the table says ${said ?? 'nothing'}`);
  seen.add(found);
}
const left = table.filter((row) => !seen.has(row)).map(([from, name]) => `${from} ${name}`);
console.log(`\n${measured.length} of ${table.length} rows measured; without a script: ${left.join('; ')}`);
finish(faults);
