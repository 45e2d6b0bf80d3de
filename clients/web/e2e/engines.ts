/**
 * Browsers that are not Chromium: Firefox by WebDriver BiDi, which it speaks itself, and WebKitGTK by its driver. Only
 * what the tests need of them: tabs that run functions.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PATIENCE, sleep } from './patience.js';

export interface Tab {
  /** Runs a function in the page, with arguments and a result that JSON can carry. */
  run<A extends unknown[], T>(body: (...parameters: A) => T | Promise<T>, ...parameters: A): Promise<T>;
  /** Runs it in each page that is opened or loaded again from now on, before anything that a test runs there. */
  before(body: () => void): Promise<void>;
  go(url: string): Promise<void>;
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** Tabs that share cookies and storage with no other profile. */
export interface Profile {
  open(): Promise<Tab>;
  close(): Promise<void>;
}

export interface Engine {
  readonly version: string;
  profile(): Promise<Profile>;
  close(): Promise<void>;
}

const ended = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    if (child.exitCode != null || child.signalCode) return resolve();
    child.once('exit', () => resolve());
    child.kill();
  });

/** A value as text of JavaScript: what JSON has, and `undefined`. */
const literal = (value: unknown): string =>
  Array.isArray(value)
    ? `[${value.map(literal).join()}]`
    : value && typeof value == 'object'
      ? `{${Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${literal(member)}`).join()}}`
      : String(JSON.stringify(value));

/** A function as text that gives JSON, or the error as text. */
const asText = (body: unknown, parameters: unknown[]) =>
  `Promise.resolve().then(() => (${String(body)})(...${literal(parameters)})).then(
     (value) => JSON.stringify({ value }), (error) => JSON.stringify({ error: String(error?.stack ?? error) }))`;

const fromText = <T>(text: string): T => {
  const { value, error } = JSON.parse(text) as { value: T; error?: string };
  if (error) throw new Error(error);
  return value;
};

export const firefox = async (): Promise<Engine> => {
  const home = mkdtempSync(join(tmpdir(), 'hallpass-firefox-'));
  // A name that is not localhost, so that its page is no secure context.
  writeFileSync(join(home, 'user.js'), 'user_pref("network.dns.localDomains", "app.test");\n');
  const flags = ['--headless', '--no-remote', '--profile', home, '--remote-debugging-port', '0', 'about:blank'];
  const child = spawn(process.env.HALLPASS_FIREFOX ?? 'firefox-esr', flags, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: home } });
  const address = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`Firefox ended with ${code}`)));
    createInterface(child.stderr!).on('line', (line) => {
      const found = /WebDriver BiDi listening on (ws:\S+)/.exec(line)?.[1];
      if (found) resolve(found);
    });
  });
  const socket = new WebSocket(`${address}/session`);
  await new Promise((resolve, reject) => ((socket.onopen = resolve), (socket.onerror = reject)));
  const waiting = new Map<number, (answer: { type: string; result: never; message?: string }) => void>();
  socket.onmessage = ({ data }) => {
    const answer = JSON.parse(data as string);
    waiting.get(answer.id)?.(answer);
  };
  let last = 0;
  const send = async <T>(method: string, params: object): Promise<T> => {
    const id = ++last;
    const answer = new Promise<{ type: string; result: T; message?: string }>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const { type, result, message } = await answer;
    if (type != 'success') throw new Error(`${method}: ${message}`);
    return result;
  };
  const { capabilities } = await send<{ capabilities: { browserVersion: string } }>('session.new', {
    capabilities: { alwaysMatch: { acceptInsecureCerts: true } },
  });
  const open = async (userContext: string): Promise<Tab> => {
    // A window of its own is visible, so that its timers are not slowed down.
    const { context } = await send<{ context: string }>('browsingContext.create', { type: 'window', userContext });
    return {
      run: async (body, ...parameters) => {
        const { result } = await send<{ result: { value: string } }>('script.evaluate', {
          expression: asText(body, parameters),
          target: { context },
          awaitPromise: true,
        });
        return fromText(result.value);
      },
      before: (body) => send('script.addPreloadScript', { functionDeclaration: String(body), contexts: [context] }),
      go: (url) => send('browsingContext.navigate', { context, url, wait: 'complete' }),
      reload: () => send('browsingContext.reload', { context, wait: 'complete' }),
      close: () => send('browsingContext.close', { context }),
    };
  };
  return {
    version: `Firefox ${capabilities.browserVersion}`,
    profile: async () => {
      const { userContext } = await send<{ userContext: string }>('browser.createUserContext', {});
      return { open: () => open(userContext), close: () => send('browser.removeUserContext', { userContext }) };
    },
    close: async () => {
      socket.close();
      await ended(child);
      rmSync(home, { recursive: true, force: true });
    },
  };
};

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** One profile: the driver starts a browser for each. */
const webkitProfile = async (): Promise<Profile & { readonly version: string }> => {
  const libraries = '/usr/lib/x86_64-linux-gnu';
  const folder = readdirSync(libraries).find((name) => existsSync(join(libraries, name, 'MiniBrowser')));
  if (!folder) throw new Error('there is no MiniBrowser of WebKitGTK');
  const home = mkdtempSync(join(tmpdir(), 'hallpass-webkit-'));
  const port = await freePort();
  // Without a screen: `xvfb-run` lends one.
  const child = spawn('xvfb-run', ['--auto-servernum', 'WebKitWebDriver', `--port=${port}`], {
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, HOME: home, WEBKIT_DISABLE_COMPOSITING_MODE: '1', LIBGL_ALWAYS_SOFTWARE: '1' },
  });
  const ask = async <T>(method: string, path: string, body?: object): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    const { value } = (await response.json()) as { value: T & { error?: string; message?: string } };
    if (!response.ok) throw new Error(`${path}: ${value.error} ${value.message}`);
    return value;
  };
  const end = Date.now() + PATIENCE;
  while (!(await ask('GET', '/status').then(() => true, () => false))) {
    if (Date.now() > end) throw new Error('WebKitWebDriver does not answer');
    await sleep(200);
  }
  const options = { binary: join(libraries, folder, 'MiniBrowser'), args: ['--automation'] };
  const { sessionId, capabilities } = await ask<{ sessionId: string; capabilities: { browserVersion: string } }>('POST', '/session', {
    capabilities: { alwaysMatch: { acceptInsecureCerts: true, 'webkitgtk:browserOptions': options } },
  });
  const own = `/session/${sessionId}`;
  await ask('POST', `${own}/timeouts`, { script: PATIENCE, pageLoad: PATIENCE });
  // Each command is for the window that was chosen last, so nothing may come between.
  let last: Promise<unknown> = Promise.resolve();
  const within = <T>(handle: string, then: () => Promise<T>): Promise<T> => {
    const done = last.then(() => ask('POST', `${own}/window`, { handle })).then(then);
    last = done.catch(() => {});
    return done;
  };
  // The first window stays empty: without any, the browser would end.
  const spare = await ask<string>('GET', `${own}/window`);
  return {
    version: `WebKitGTK ${capabilities.browserVersion}`,
    open: async () => {
      const { handle } = await within(spare, () => ask<{ handle: string }>('POST', `${own}/window/new`, { type: 'window' }));
      const here = <T>(then: () => Promise<T>) => within(handle, then);
      const bodies: (() => void)[] = [];
      const execute = <T>(script: string) => here(() => ask<T>('POST', `${own}/execute/sync`, { script, args: [] }));
      let runs = 0;
      // The driver does one thing at a time, so what takes long is started and asked for.
      const run = async <T>(body: unknown, parameters: unknown[]): Promise<T> => {
        const id = ++runs;
        await execute(`(window.runs ??= {})[${id}] = ''; ${asText(body, parameters)}.then((text) => (window.runs[${id}] = text));`);
        for (;;) {
          const text = await execute<string | null>(`return window.runs?.[${id}] ?? null`);
          if (text == null) throw new Error('the page was left');
          if (text) return fromText(text);
          await sleep(10);
        }
      };
      const load = async (path: string, body: object) => {
        await here(() => ask('POST', `${own}/${path}`, body));
        for (const body of bodies) await run(body, []);
      };
      return {
        run: (body, ...parameters) => run(body, parameters),
        before: async (body) => void bodies.push(body),
        go: (url) => load('url', { url }),
        reload: () => load('refresh', {}),
        close: () => here(() => ask('DELETE', `${own}/window`)),
      };
    },
    close: async () => {
      await ask('DELETE', own).catch(() => {});
      // The driver and its screen are one group of processes.
      process.kill(-child.pid!, 'SIGTERM');
      await ended(child);
      rmSync(home, { recursive: true, force: true });
    },
  };
};

export const webkit = async (): Promise<Engine> => {
  const profiles = [await webkitProfile()];
  const { version } = profiles[0]!;
  let used = 0;
  return {
    version,
    profile: async () => {
      if (used++) profiles.push(await webkitProfile());
      return profiles.at(-1)!;
    },
    close: async () => void (await Promise.all(profiles.map((profile) => profile.close().catch(() => {})))),
  };
};
