/** The client in Firefox and WebKitGTK: a login, requests, a renewal, a reload and two tabs, with and without a key. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sleep, until } from '../e2e/browser.js';
import { startSite } from '../e2e/site.js';
import { startFront } from './front.js';
import { type Engine, type Tab, firefox, webkit } from '../e2e/engines.js';

const REFRESH = '/auth/refresh';

/** Puts a client into a page; with `proves`, one that has a key. */
const start = (tab: Tab, transport: 'header' | 'cookie' | 'session', proves: boolean): Promise<void> =>
  tab.run(
    async (transport, path, dpop) => {
      const { createAuth } = (await import(path)) as typeof import('../src/index.js');
      const proving = async () => ((await import(dpop)) as typeof import('../src/dpop.js')).dpopFetch();
      globalThis.auth = createAuth({ transport, ...(dpop ? { fetch: await proving() } : {}) });
    },
    transport,
    transport == 'header' ? '/__e2e/auth.js' : '/auth.js',
    proves ? '/__e2e/dpop.js' : '',
  );

/** WebKit takes our cookies over HTTPS alone, so with cookies a demo serves the client. */
const serve = async (transport: string) =>
  transport == 'header'
    ? { ...(await startSite({ accessTtl: 300, grace: 0, tolerance: 0 })), page: '/__e2e.html' }
    : { ...(await startFront(['--access-ttl', '5m', '--grace', '0s', '--tolerance', '0s'])), page: '/page.css' };

const login = (tab: Tab) => tab.run(async () => (await auth.login({ username: 'alice', password: 'wonderland' })).token_type);
const call = (tab: Tab) => tab.run(() => auth.fetch('/api/me').then(({ status }) => status, (error) => String(error.name)));
const token = (tab: Tab) => tab.run(() => auth.getToken().catch((error) => String(error.name)));

/** What a script gets of the key. */
const steal = (tab: Tab) =>
  tab.run(async () => {
    const db = await new Promise<IDBDatabase>((resolve) => {
      const open = indexedDB.open('@hallpass/web/dpop');
      open.onsuccess = () => resolve(open.result);
    });
    const key = await new Promise<{ privateKey: CryptoKey }>((resolve) => {
      const get = db.transaction('keys').objectStore('keys').get('auth');
      get.onsuccess = () => resolve(get.result);
    });
    db.close();
    return crypto.subtle.exportKey('jwk', key.privateKey).then(() => 'exported', (error) => String(error.name));
  });

const ENGINES: Record<string, () => Promise<Engine>> = { firefox, webkit };

describe('the client in another engine', () => {
  for (const [name, launch] of Object.entries(ENGINES))
    for (const [transport, proves] of [['header', true], ['header', false], ['cookie', false], ['session', false]] as const)
      test(`${name}, transport ${transport}${proves ? ', with a key' : ''}: login, renewal, reload, two tabs, logout`, async () => {
        const site = await serve(transport);
        const engine = await launch();
        try {
          const profile = await engine.profile();
          const tabs = [await profile.open(), await profile.open()] as const;
          for (const tab of tabs) {
            await tab.go(site.url + site.page);
            await start(tab, transport, proves);
          }
          const [first, second] = tabs;
          const type = await login(first);
          if (transport != 'session') {
            assert.equal(type, proves ? 'DPoP' : 'Bearer');
            // The other tab hears of it a moment later.
            await until(async () => (await token(second)).startsWith('ey'));
          }
          for (const tab of tabs) assert.equal(await call(tab), 200);
          if (proves) {
            assert.equal(await steal(first), 'InvalidAccessError');
            const access = await token(first);
            for (const scheme of ['Bearer', 'DPoP']) {
              const copied = await first.run(
                async (scheme, token) => (await fetch('/api/me', { headers: { authorization: `${scheme} ${token}` } })).status,
                scheme,
                access,
              );
              assert.equal(copied, 401, scheme);
            }
          }
          if (transport != 'session') {
            const access = await token(first);
            await sleep(1100);
            await second.run(async () => void (await auth.getToken(await auth.getToken())));
            assert.equal(site.count(REFRESH, 200), 1);
            await until(async () => (await token(first)) != access);
          }
          for (const tab of tabs) assert.equal(await call(tab), 200);
          await first.reload();
          await start(first, transport, proves);
          assert.equal(await call(first), 200);
          await first.run(async () => void (await auth.logout()));
          await until(async () => (await call(second)) != 200);
          console.log(`ROW ${engine.version}, transport ${transport}${proves ? ' with a key' : ''}: passed`);
        } finally {
          await engine.close();
          await site.stop();
        }
      });
});
