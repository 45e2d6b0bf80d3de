// The clients of npm: by name, what renews a token at `${url}/auth/refresh`, or rejects.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const ISSUER = 'https://issuer.example';

const metadata = (url) => ({ issuer: ISSUER, token_endpoint: `${url}/auth/refresh` });

export const CLIENTS = {
  async oauth4webapi(url, token) {
    const oauth = await import('oauth4webapi');
    const [as, client] = [metadata(url), { client_id: 'app' }];
    const insecure = { [oauth.allowInsecureRequests]: true };
    const answer = await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, insecure);
    await oauth.processRefreshTokenResponse(as, client, answer);
  },
  async 'openid-client'(url, token) {
    const client = await import('openid-client');
    const config = new client.Configuration(metadata(url), 'app', undefined, client.None());
    client.allowInsecureRequests(config);
    await client.refreshTokenGrant(config, token);
  },
  async 'openid-client-5'(url, token) {
    const { Issuer } = await import('openid-client-5');
    const { Client } = new Issuer(metadata(url));
    await new Client({ client_id: 'app', token_endpoint_auth_method: 'none' }).refresh(token);
  },
  async 'simple-oauth2'(url, token) {
    const { AuthorizationCode } = await import('simple-oauth2');
    const auth = { tokenHost: url, tokenPath: '/auth/refresh', refreshPath: '/auth/refresh' };
    const client = new AuthorizationCode({ client: { id: 'app', secret: '' }, auth });
    await client.createToken({ refresh_token: token }).refresh();
  },
  async '@badgateway/oauth2-client'(url, token) {
    const { OAuth2Client } = await import('@badgateway/oauth2-client');
    const client = new OAuth2Client({ server: url, clientId: 'app', tokenEndpoint: '/auth/refresh' });
    await client.refreshToken({ accessToken: 'x', refreshToken: token, expiresAt: null });
  },
  async 'client-oauth2'(url, token) {
    const { default: ClientOAuth2 } = await import('client-oauth2');
    const client = new ClientOAuth2({ clientId: 'app', accessTokenUri: `${url}/auth/refresh` });
    await client.createToken('x', token, 'bearer', {}).refresh();
  },
  // It is written for bundlers: its files do not name the ends of what they import.
  async '@openid/appauth'(url, token) {
    await bundled("export * from '@openid/appauth'", 'node', async (file) => {
      const { AuthorizationServiceConfiguration, BaseTokenRequestHandler, FetchRequestor, TokenRequest } = await import(file);
      const configuration = new AuthorizationServiceConfiguration(metadata(url));
      const request = new TokenRequest({ client_id: 'app', redirect_uri: 'https://app.example/', grant_type: 'refresh_token', refresh_token: token });
      await new BaseTokenRequestHandler(new FetchRequestor()).performTokenRequest(configuration, request);
    });
  },
  async 'oidc-client-ts'(url, token) {
    const { InMemoryWebStorage, User, UserManager, WebStorageStateStore } = await import('oidc-client-ts');
    const [userStore, stateStore] = [0, 1].map(() => new WebStorageStateStore({ store: new InMemoryWebStorage() }));
    const own = { authority: ISSUER, client_id: 'app', redirect_uri: 'https://app.example/', metadata: metadata(url) };
    const manager = new UserManager({ ...own, userStore, stateStore, automaticSilentRenew: false });
    const profile = { sub: 'alice', iss: ISSUER, aud: 'app', exp: 0, iat: 0 };
    await manager.storeUser(new User({ access_token: 'x', refresh_token: token, token_type: 'Bearer', profile }));
    await manager.signinSilent();
  },
  // In a page that has just been loaded, with tokens of an earlier visit.
  async 'react-oauth2-code-pkce'(url, token) {
    const text = `
      import { createElement, useContext } from 'react';
      import { createRoot } from 'react-dom/client';
      import { AuthContext, AuthProvider } from 'react-oauth2-code-pkce';
      const Page = () => ((window.token = useContext(AuthContext).token), null);
      window.show = (authConfig) => createRoot(document.body).render(createElement(AuthProvider, { authConfig }, createElement(Page)));
    `;
    const { JSDOM } = await import('jsdom');
    const page = new JSDOM('<!doctype html><body>', { url: 'http://localhost/', runScripts: 'outside-only', pretendToBeVisual: true });
    const { window } = page;
    const kept = { token: 'x', tokenExpire: 1, refreshToken: token, refreshTokenExpire: 9999999999, loginInProgress: false };
    for (const [name, value] of Object.entries(kept)) window.localStorage.setItem(`ROCP_${name}`, JSON.stringify(value));
    const answered = new Promise((resolve, reject) => {
      window.fetch = (...request) => fetch(...request).then((response) => (resolve(), response), (error) => (reject(error), Promise.reject(error)));
    });
    let login = false;
    const onRefreshTokenExpire = () => (login = true);
    const own = { clientId: 'app', authorizationEndpoint: 'http://localhost/login', tokenEndpoint: `${url}/auth/refresh`, redirectUri: 'http://localhost/' };
    await bundled(text, 'browser', async (_, code) => {
      Object.assign(window, { TextEncoder, Response });
      window.eval(code);
      window.show({ ...own, autoLogin: false, decodeToken: false, refreshWithScope: false, onRefreshTokenExpire });
      await answered.catch(() => {});
      for (let left = 100; left && !login && window.token == 'x'; left -= 1) await new Promise((done) => setTimeout(done, 50));
    });
    const renewed = window.token && window.token != 'x';
    window.close();
    if (!renewed) throw new Error(login ? 'asks for a login' : `token ${window.token}`);
  },
};

/** Bundles the text for this platform, and gives its file, as a module, and its code. */
const bundled = async (contents, platform, use) => {
  const { build } = await import('esbuild');
  const here = new URL('..', import.meta.url).pathname;
  const folder = mkdtempSync(join(here, 'node_modules/.bundled-'));
  try {
    const outfile = join(folder, 'bundle.mjs');
    const format = platform == 'node' ? 'esm' : 'iife';
    const define = { 'process.env.NODE_ENV': '"production"' };
    const options = { bundle: true, write: true, outfile, format, platform, define, logLevel: 'error' };
    await build({ stdin: { contents, resolveDir: here }, ...options });
    await use(outfile, platform == 'node' ? '' : readFileSync(outfile, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true });
  }
};
