/** What every test in the browser starts from, and what must hold when it ends. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { PATIENCE, launch, openTab, until } from './browser.js';
import { type Site, type SiteFlags, startSite } from './site.js';

export const REFRESH = '/auth/refresh';

export type Open = (options?: Parameters<typeof openTab>[2]) => Promise<Page>;

type Body = (site: Site, open: Open, context: BrowserContext) => Promise<void>;

/** One browser for a file of tests; call it at the top. */
export const inBrowser = () => {
  let browser: Browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser.close());

  /**
   * Runs `body` with a site and a fresh profile of the browser. Then no error in a script may be unhandled, and exactly
   * `reused` tokens may have come back after their grace, as a thief's would.
   */
  return async (flags: SiteFlags & { reused?: number }, body: Body): Promise<void> => {
    const { reused = 0, ...rest } = flags;
    const site = await startSite(rest);
    const context = await browser.newContext();
    context.setDefaultTimeout(PATIENCE);
    const unheard: string[] = [];
    context.on('weberror', (error) => unheard.push(String(error.error().stack)));
    try {
      await body(site, (options) => openTab(context, site, options), context);
      assert.deepEqual(unheard, []);
      await until(() => site.happened('reused') >= reused);
      assert.equal(site.happened('reused'), reused, 'tokens that came back');
    } finally {
      await context.close();
      await site.stop();
    }
  };
};

/** For `TabOptions.before`: a browser that has no Web Locks. */
export const withoutLocks = () => Object.defineProperty(navigator, 'locks', { value: undefined });
