// A provider of OAuth (oidc-provider) at which everybody is alice and agrees to everything. It prints its address, and
// ends with its standard input.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

let handle;
const server = createServer((request, response) => handle(request, response));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://localhost:${server.address().port}`;

const provider = new Provider(issuer, {
  clientDefaults: { id_token_signed_response_alg: 'ES256' },
  cookies: { keys: ['of the test'] },
  // Its own asks no address of this machine.
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined, signal: undefined }),
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        audience: resource,
        scope: 'notes other',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  jwks: { keys: [{ ...key, kid: 'one', alg: 'ES256', use: 'sig' }] },
  scopes: ['openid', 'offline_access', 'notes', 'other'],
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
});

/** What a user would do. */
const agree = async (request, response) => {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (prompt.name == 'login') {
    await provider.interactionFinished(request, response, { login: { accountId: 'alice' } });
    return;
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(' '));
  grant.addOIDCScope(params.scope);
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
};

const callback = provider.callback();
handle = (request, response) => (request.url.startsWith('/interaction/') ? agree(request, response) : callback(request, response));
console.log(issuer);
process.stdin.on('end', () => process.exit()).resume();
