// The rows of npm: who reads the tokens of a server, each by the usual call of its documentation.
import assert from 'node:assert/strict';

const authorization = ({ token }) => `Bearer ${token}`;

/** A request as Express has them. */
const request = (world) => {
  const headers = { authorization: authorization(world), host: 'api.example' };
  return { headers, query: {}, body: {}, method: 'GET', url: '/', originalUrl: '/', get: (name) => headers[name.toLowerCase()], is: () => false };
};

/** Middleware of Express. */
const run = (middleware, world) =>
  new Promise((resolve, reject) => middleware(request(world), { setHeader() {}, header() {} }, (error) => (error ? reject(error) : resolve())));

const usual = ({ issuer, audience, alg }) => ({ issuer, audience, algorithms: [alg] });

const inject = async (app, world) => {
  app.get('/', { preHandler: (request) => (app.authenticate ? app.authenticate(request) : request.jwtVerify()) }, () => 'read');
  const answer = await app.inject({ url: '/', headers: { authorization: authorization(world) } });
  await app.close();
  assert.equal(answer.statusCode, 200, answer.body);
};

const hono = async (world, options) => {
  const [{ Hono }, { jwk }] = await Promise.all(['hono', 'hono/jwk'].map((name) => import(name)));
  const app = new Hono();
  app.use(jwk({ jwks_uri: world.jwksUri, alg: [world.alg], ...options }));
  app.get('/', (context) => context.text('read'));
  const answer = await app.request('/', { headers: { authorization: authorization(world) } });
  assert.equal(answer.status, 200);
};

/** By the name of the row: rejects if the token is not read. After ", set" with what the row says to set. */
export const VERIFIERS = {
  async jose(world) {
    const { createRemoteJWKSet, jwtVerify } = await import('jose');
    const keys = createRemoteJWKSet(new URL(world.jwksUri));
    await jwtVerify(world.token, keys, { issuer: world.issuer, audience: world.audience, typ: 'at+jwt' });
  },
  async oauth4webapi(world) {
    const oauth = await import('oauth4webapi');
    const insecure = { [oauth.allowInsecureRequests]: true };
    const issuer = new URL(world.issuer);
    const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure });
    const server = await oauth.processDiscoveryResponse(issuer, found);
    const request = new Request('https://api.example/', { headers: { authorization: authorization(world) } });
    await oauth.validateJwtAccessToken(server, request, world.audience, { ...insecure, signingAlgorithms: [world.alg] });
  },
  async 'express-oauth2-jwt-bearer'(world) {
    const { auth } = await import('express-oauth2-jwt-bearer');
    await run(auth({ issuerBaseURL: world.issuer, audience: world.audience, tokenSigningAlg: world.alg }), world);
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
  async '@graphql-yoga/plugin-jwt'(world) {
    const { createSchema, createYoga } = await import('graphql-yoga');
    const { createRemoteJwksSigningKeyProvider, extractFromHeader, useJWT } = await import('@graphql-yoga/plugin-jwt');
    const plugin = useJWT({
      signingKeyProviders: [createRemoteJwksSigningKeyProvider({ jwksUri: world.jwksUri })],
      tokenLookupLocations: [extractFromHeader({ name: 'authorization', prefix: 'Bearer' })],
      tokenVerification: usual(world),
      reject: { missingToken: true, invalidToken: true },
    });
    const schema = createSchema({ typeDefs: 'type Query { read: Boolean }', resolvers: { Query: { read: () => true } } });
    const yoga = createYoga({ schema, plugins: [plugin], logging: false });
    const headers = { authorization: authorization(world), 'content-type': 'application/json' };
    const answer = await yoga.fetch('http://api.example/graphql', { method: 'POST', headers, body: '{"query":"{ read }"}' });
    assert.equal((await answer.json()).data?.read, true);
  },
  async 'fast-jwt'(world) {
    const { createVerifier } = await import('fast-jwt');
    const { default: getJwks } = await import('get-jwks');
    const keys = getJwks({ jwksPath: '/.well-known/jwks.json' });
    const key = ({ header: { kid, alg } }) => keys.getPublicKey({ kid, alg, domain: world.issuer });
    const verify = createVerifier({ key, algorithms: [world.alg], allowedIss: world.issuer, allowedAud: world.audience });
    await verify(world.token);
  },
  async '@fastify/jwt'(world) {
    const [{ default: fastify }, { default: jwt }, { default: getJwks }] = await Promise.all(['fastify', '@fastify/jwt', 'get-jwks'].map((name) => import(name)));
    const keys = getJwks({ jwksPath: '/.well-known/jwks.json' });
    const app = fastify();
    const secret = (_, { header: { kid, alg } }) => keys.getPublicKey({ kid, alg, domain: world.issuer });
    app.register(jwt, { decode: { complete: true }, secret, verify: { allowedIss: world.issuer, allowedAud: world.audience } });
    await app.after();
    await inject(app, world);
  },
  async 'fastify-jwt-jwks'(world) {
    const [{ default: fastify }, { default: plugin }] = await Promise.all(['fastify', 'fastify-jwt-jwks'].map((name) => import(name)));
    const app = fastify();
    app.register(plugin, { jwksUrl: world.jwksUri, issuer: world.issuer, audience: world.audience });
    await app.after();
    await inject(app, world);
  },
  async '@hapi/jwt'(world) {
    const [{ default: hapi }, { default: jwt }] = await Promise.all(['@hapi/hapi', '@hapi/jwt'].map((name) => import(name)));
    const server = hapi.server();
    await server.register(jwt);
    server.auth.strategy('own', 'jwt', {
      keys: { uri: world.jwksUri, algorithms: [world.alg] },
      verify: { iss: world.issuer, aud: world.audience, sub: false },
      validate: () => ({ isValid: true }),
    });
    server.route({ method: 'GET', path: '/', options: { auth: 'own' }, handler: () => 'read' });
    await server.initialize();
    const answer = await server.inject({ url: '/', headers: { authorization: authorization(world) } });
    await server.stop();
    assert.equal(answer.statusCode, 200);
  },
  hono: (world) => hono(world),
  'hono, set': (world) => hono(world, { verification: { typ: 'at+jwt' } }),
  async 'aws-jwt-verify'(world) {
    const { JwtVerifier } = await import('aws-jwt-verify');
    const verifier = JwtVerifier.create({ issuer: world.issuer, audience: world.audience, jwksUri: world.jwksUri });
    verifier.cacheJwks({ keys: world.keys });
    await verifier.verify(world.token);
  },
  async '@tsndr/cloudflare-worker-jwt'(world) {
    const { default: jwt } = await import('@tsndr/cloudflare-worker-jwt');
    assert(await jwt.verify(world.token, world.key, { algorithm: world.alg, throwError: true }));
  },
};

