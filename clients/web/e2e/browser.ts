/** A browser without a window, Chromium if no other is named, and tabs that hold nothing but a client. */
import { type Browser, type BrowserContext, type LaunchOptions, type Page, chromium } from 'playwright-core';
import type { Auth, AuthOptions, TokenResponse } from '../src/index.js';
import type { Session } from '../src/sessions.js';
import { named, other } from './other.js';
import { PATIENCE } from './patience.js';
import type { Site } from './site.js';

export { PATIENCE, sleep, until } from './patience.js';

declare global {
  // In the page.
  var auth: Auth;
  var busy: boolean;
  var events: [name: string, detail: Record<string, unknown>][];
}

export const launch = ({ args = [], ...options }: LaunchOptions = {}): Promise<Browser> =>
  named
    ? other(named)
    : chromium.launch({
        ...options,
        executablePath: '/usr/bin/chromium',
        timeout: PATIENCE,
        args: [
          ...args,
          '--no-sandbox',
          '--disable-quic',
          '--disable-background-networking',
          '--disable-component-update',
          '--disable-sync',
          '--disable-gpu',
          '--no-first-run',
          // A name that is not localhost, so that its page is no secure context.
          '--host-resolver-rules=MAP app.test 127.0.0.1',
        ],
      });

export interface TabOptions {
  readonly auth?: Omit<AuthOptions, 'fetch'>;
  /** For the first tab of a profile: stops the clock of all its tabs at this wall time, in milliseconds, until a test moves it. */
  readonly clock?: number;
  /** Runs in the page before anything else. */
  readonly before?: () => void;
}

/** Opens a page of the site with a client in it. */
export const openTab = async (context: BrowserContext, site: Site, options: TabOptions = {}): Promise<Page> => {
  const page = await context.newPage();
  if (options.clock) await page.clock.install({ time: options.clock - 6e4 });
  if (options.before) await page.addInitScript(options.before);
  await page.goto(site.url + '/__e2e.html');
  if (options.clock) await page.clock.pauseAt(options.clock);
  await start(page, options.auth);
  return page;
};

export const start = (page: Page, options: TabOptions['auth'] = {}): Promise<void> =>
  page.evaluate(
    async ([options, path]) => {
      const { createAuth } = (await import(path)) as typeof import('../src/index.js');
      globalThis.auth = createAuth({ transport: 'header', ...options });
      globalThis.events = [];
      auth.on('activity', (detail) => (globalThis.busy = detail.busy));
      for (const name of ['refreshed', 'signedOut', 'switched', 'refreshError'] as const)
        auth.on(name, (detail) => events.push([name, { ...detail }]));
    },
    [options, '/__e2e/auth.js'] as const,
  );

export const login = (page: Page): Promise<TokenResponse> =>
  page.evaluate(() => auth.login({ username: 'alice', password: 'wonderland' }));

/** The user's sessions. */
export const listSessions = (page: Page): Promise<Session[]> =>
  page.evaluate(async (path) => {
    const { listSessions } = (await import(path)) as typeof import('../src/sessions.js');
    return listSessions(auth);
  }, '/__e2e/sessions.js');

/** Ends a session; the status of the refusal if there is one. */
export const endSession = (page: Page, id: string): Promise<number | undefined> =>
  page.evaluate(
    async ([path, id]) => {
      const { endSession } = (await import(path)) as typeof import('../src/sessions.js');
      return endSession(auth, id).catch((error) => error.status);
    },
    ['/__e2e/sessions.js', id] as const,
  );

/** The token, or the error's name. */
export const token = (page: Page): Promise<string> =>
  page.evaluate(() =>
    auth.getToken().catch((error) => `${error.name} ${error.reason ?? ''}`.trim()),
  );

export const heard = (page: Page, name: string): Promise<Record<string, unknown>[]> =>
  page.evaluate((name) => events.filter(([is]) => is == name).map(([, detail]) => detail), name);

/** The status of a fetch through the client, or the error's name. */
export const call = (page: Page, path = '/api/me', init?: RequestInit): Promise<number | string> =>
  page.evaluate(
    ([path, init]) =>
      auth.fetch(path, init).then(
        (response) => response.status,
        (error) => String(error.name),
      ),
    [path, init] as const,
  );
