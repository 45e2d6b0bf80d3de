/** A server that demands what browsers prove, and a browser that keeps keys for it (Device Bound Session Credentials). */
import { request } from 'node:https';
import type { BrowserContext, CDPSession, Page } from 'playwright-core';
import { launch } from './browser.js';
import { type Server, startBound } from './servers.js';

/** On Linux keys are in software, and only if the browser is told to. */
export const FEATURES = 'DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting';

export interface Cookie {
  readonly name: string;
  readonly value: string;
}

export interface Bound {
  readonly server: Server;
  readonly context: BrowserContext;
  readonly page: Page;
  readonly tools: CDPSession;
  /** What the browser says of its sessions; the reasons of its failures are in no answer and no log. */
  readonly told: object[];
  /** The session's bound cookie, if there is one. */
  cookies(): Promise<{ readonly name: string; readonly value: string; readonly expires: number }[]>;
  /** Deletes it, as if its time had come: the browser renews before its next request. */
  forget(): Promise<void>;
  /** The statuses at the address where the browser registers and renews. */
  answers(): string[];
  /** How often something happened to a session, as the server's log says. */
  happened(event: string): number;
}

/** Runs a test with a profile of its own: the browser counts signatures by site, and remembers. */
export const inBound = async (test: (bound: Bound) => Promise<void>): Promise<void> => {
  const server = await startBound();
  const args = [`--enable-features=${FEATURES}`, `--ignore-certificate-errors-spki-list=${server.pin}`];
  const browser = await launch({ args });
  try {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(`${server.url}/healthz`);
    const tools = await context.newCDPSession(page);
    const told: object[] = [];
    tools.on('Network.deviceBoundSessionEventOccurred' as never, (event: object) => told.push(event));
    await tools.send('Network.enableDeviceBoundSessions' as never, { enable: true } as never);
    const cookies = async () => (await context.cookies()).filter(({ name }) => name.startsWith('__Host-bound-'));
    await test({
      server,
      context,
      page,
      tools,
      told,
      cookies,
      forget: async () => {
        for (const { name } of await cookies()) await tools.send('Network.deleteCookies', { name, url: server.url });
      },
      answers: () =>
        server.log().flatMap((line) => /method=POST path="?\/auth\/device"? status=(\d+)/.exec(line)?.[1] ?? []),
      happened: (event) => server.log().filter((line) => line.includes(`event=${event} `)).length,
    });
  } finally {
    await browser.close();
    await server.stop();
  }
};

/** The status of a request of the page itself. */
export const send = (page: Page, method: string, path: string, body?: object): Promise<number> =>
  page.evaluate(
    async ([method, path, body]) => {
      const headers = { 'content-type': 'application/json' };
      return (await fetch(path, body ? { method, headers, body } : { method })).status;
    },
    [method, path, body && JSON.stringify(body)] as const,
  );

/** The answer to somebody who has a copy of the cookies, and no key. */
export const copied = (
  url: string,
  method: string,
  path: string,
  cookies: readonly Cookie[],
  fields: Record<string, string> = {},
): Promise<number> =>
  new Promise((resolve, reject) => {
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
    const headers = { ...fields, cookie, origin: url, 'content-length': 0 };
    request(url + path, { method, headers, rejectUnauthorized: false, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode!);
    })
      .on('error', reject)
      .end();
  });
