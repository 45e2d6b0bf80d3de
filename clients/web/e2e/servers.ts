/** Which server the browser tests run against: the mock, or an example binary named by HALLPASS_E2E_SERVER. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { startMock } from './mock-server.js';

/** In seconds, and the origin that the browser sees. */
export interface Flags {
  readonly accessTtl: number;
  readonly grace: number;
  readonly tolerance: number;
  readonly origin: string;
}

export interface Server {
  readonly url: string;
  /** What it logged: `request method=… path=… status=…` for each answer, `event=…` for what happened to a session. */
  log(): readonly string[];
  stop(): Promise<void>;
}

export type StartServer = (flags: Flags) => Promise<Server>;

/** Runs a program until it says where it listens. */
const run = async (path: string, flags: readonly string[]): Promise<Server> => {
  const store = flags.includes('--store') ? [] : ['--store', 'memory:'];
  const child = spawn(path, ['--listen', '127.0.0.1:0', '--rate-limit', 'off', ...store, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, RUST_LOG: 'info,example_support=debug' },
  });
  const lines: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${path} ended with ${code}: ${lines.join('\n')}`)));
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => {
        lines.push(line);
        const found = /^listening on (https?:\/\/\S+)/.exec(line)?.[1];
        if (found) resolve(found);
      });
  });
  return {
    url,
    log: () => lines,
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill();
      }),
  };
};

const startBinary =
  (path: string): StartServer =>
  (flags) =>
    run(
      path,
      [
        ['--access-ttl', `${flags.accessTtl}s`],
        ['--grace', `${flags.grace}s`],
        ['--tolerance', `${flags.tolerance}s`],
        ['--origin', flags.origin],
      ].flat(),
    );

/** An example that speaks HTTPS itself and demands what browsers prove, and the pin of its certificate. */
export const startBound = async (): Promise<Server & { readonly pin: string }> => {
  const server = await run(process.env.HALLPASS_E2E_SERVER!, ['--tls', 'self', '--binding', 'require']);
  const pin = /sha256\/\/(\S+)/.exec(server.log().join('\n'))?.[1];
  if (!pin) throw new Error('the server did not log its pin');
  return { ...server, pin };
};

/** An example behind a proxy that speaks HTTPS. */
export const startBehind = (flags: readonly string[]): Promise<Server> => run(process.env.HALLPASS_E2E_SERVER!, flags);

export const startServer: StartServer = process.env.HALLPASS_E2E_SERVER
  ? startBinary(process.env.HALLPASS_E2E_SERVER)
  : startMock;

/** Whether the mock runs, which alone has the flaws that some tests ask for. */
export const isMock = !process.env.HALLPASS_E2E_SERVER;
