/**
 * Firefox and WebKitGTK in the place of Chromium: of Playwright's interface as much as the tests of the client use and
 * these engines can do. A test that asks for more is skipped, with what it asked for as the reason.
 */
import type { Browser } from 'playwright-core';
import { type Engine, type Profile, type Tab, firefox, webkit } from './engines.js';

/** The engine that the environment names; `undefined` is Chromium. */
export const named = process.env.HALLPASS_E2E_BROWSER as 'firefox' | 'webkit' | undefined;

/** Something that a test asks for and the engine, or what drives it, cannot do. */
export class Unsupported extends Error {}

/** Tests that an engine cannot pass, with the reason, where it cannot be seen from what they ask for. */
export const WITHOUT: Record<string, Record<string, string>> = {
  firefox: { 'a stream is sent once, because the first attempt uses it up': 'its requests have no streams' },
  webkit: {
    'other origins, look-alike hosts and redirects get no token': 'it finds no look-alike host',
    'a thousand clients created and disposed of leave no timer, listener or channel behind': 'its driver sets timers in the page',
  },
};

const REASONS: Record<string, string> = {
  clock: 'the clock of its pages cannot be turned',
  newCDPSession: 'it does not speak the DevTools protocol',
  setOffline: 'its network cannot be cut',
};

/** An object that has these members, and for each other one says that it is missing. */
const only = (members: object): unknown =>
  new Proxy(members, {
    get: (own, name) => {
      if (typeof name == 'symbol' || name == 'then' || name in own) return own[name as keyof typeof own];
      throw new Unsupported(REASONS[name] ?? `nothing here does \`${name}\` in it`);
    },
  });

const page = (tab: Tab, context: unknown) =>
  only({
    addInitScript: (body: () => void) => tab.before(body),
    close: () => tab.close(),
    context: () => context,
    evaluate: (body: (parameter: unknown) => unknown, parameter?: unknown) => tab.run(body, parameter),
    goto: (url: string) => tab.go(url),
    reload: () => tab.reload(),
  });

const context = (profile: Profile, browser: unknown) => {
  const self = only({
    browser: () => browser,
    close: () => profile.close(),
    newPage: async () => page(await profile.open(), self),
    // What nobody handles in a script is seen in Chromium alone.
    on: () => self,
    setDefaultTimeout: () => {},
  });
  return self;
};

export const other = async (name: keyof typeof ENGINES): Promise<Browser> => {
  const engine = await ENGINES[name]();
  const self = only({
    close: () => engine.close(),
    newContext: async () => context(await engine.profile(), self),
    version: () => engine.version,
  });
  return self as Browser;
};

const ENGINES = { firefox, webkit } satisfies Record<string, () => Promise<Engine>>;
