/**
 * Browsers that are not Chromium: Firefox by WebDriver BiDi, which it speaks itself, and WebKitGTK by its driver. Only
 * what the tests need of them: tabs that run functions.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PATIENCE, sleep } from '../e2e/browser.js';

export interface Tab {
  /** Runs a function in the page, with arguments and a result that JSON can carry. */
  run<A extends unknown[], T>(body: (...parameters: A) => T | Promise<T>, ...parameters: A): Promise<T>;
  reload(): Promise<void>;
}

export interface Engine {
  readonly version: string;
  open(url: string): Promise<Tab>;
  close(): Promise<void>;
}

const ended = (child: ChildProcess) =>
  new Promise<void>((resolve) => {
    if (child.exitCode != null || child.signalCode) return resolve();
    child.once('exit', () => resolve());
    child.kill();
  });

/** A function as text that gives JSON, or the error as text. */
const asText = (body: unknown, parameters: unknown[]) =>
  `Promise.resolve().then(() => (${String(body)})(...${JSON.stringify(parameters)})).then(
     (value) => JSON.stringify({ value }), (error) => JSON.stringify({ error: String(error?.stack ?? error) }))`;

const fromText = <T>(text: string): T => {
  const { value, error } = JSON.parse(text) as { value: T; error?: string };
  if (error) throw new Error(error);
  return value;
};

export const firefox = async (): Promise<Engine> => {
  const profile = mkdtempSync(join(tmpdir(), 'hallpass-firefox-'));
  const flags = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank'];
  const child = spawn('/usr/bin/firefox-esr', flags, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: profile } });
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
  return {
    version: `Firefox ${capabilities.browserVersion}`,
    open: async (url) => {
      const { context } = await send<{ context: string }>('browsingContext.create', { type: 'tab' });
      await send('browsingContext.navigate', { context, url, wait: 'complete' });
      return {
        run: async (body, ...parameters) => {
          const { result } = await send<{ result: { value: string } }>('script.evaluate', {
            expression: asText(body, parameters),
            target: { context },
            awaitPromise: true,
          });
          return fromText(result.value);
        },
        reload: () => send('browsingContext.reload', { context, wait: 'complete' }),
      };
    },
    close: async () => {
      socket.close();
      await ended(child);
      rmSync(profile, { recursive: true, force: true });
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

export const webkit = async (): Promise<Engine> => {
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
  let opened = 0;
  return {
    version: `WebKitGTK ${capabilities.browserVersion}`,
    open: async (url) => {
      const handle = opened++
        ? (await ask<{ handle: string }>('POST', `${own}/window/new`, { type: 'tab' })).handle
        : await ask<string>('GET', `${own}/window`);
      const here = () => ask('POST', `${own}/window`, { handle });
      await here();
      await ask('POST', `${own}/url`, { url });
      return {
        run: async (body, ...parameters) => {
          await here();
          const script = `const done = arguments[0]; ${asText(body, parameters)}.then(done);`;
          return fromText(await ask<string>('POST', `${own}/execute/async`, { script, args: [] }));
        },
        reload: async () => {
          await here();
          await ask('POST', `${own}/refresh`, {});
        },
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

