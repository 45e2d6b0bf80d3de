// Demos for the scripts beside this, and what they print.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const AUDIENCE = 'https://api.example';

const { HALLPASS_E2E_SERVER, HALLPASS_PYTHON, HALLPASS_RUST } = process.env;
assert(HALLPASS_E2E_SERVER && HALLPASS_PYTHON && HALLPASS_RUST, 'run `cargo xtask interop`');
export const PYTHON = HALLPASS_PYTHON;
export const RUST = HALLPASS_RUST;

const here = (name) => new URL(name, import.meta.url);
export const { dependencies } = JSON.parse(readFileSync(here('package.json')));

/** The rows of the tables of docs/interop.md. */
export const rows = readFileSync(here('../../../docs/interop.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));

/** The upstream version of a package of Debian. */
export const debian = (name) => {
  const version = execFileSync('dpkg-query', ['--show', '--showformat=${Version}', name], { encoding: 'utf8' });
  return version.replace(/^\d+:/, '').replace(/-[^-]*$/, '');
};

/** The version of a package of PyPI. */
export const pypi = (name) => execFileSync(PYTHON, ['-c', 'import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))', name], { encoding: 'utf8' }).trim();

// Go finds the packages of Debian so.
const environment = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode' };

/** Runs a program and gives what it writes; rejects if it fails. */
export const program = async (command, parameters, input = '') => {
  const child = spawn(command, parameters, { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
  let [written, said] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (written += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  child.stdin.on('error', () => {}).end(input);
  const [code] = await once(child, 'close');
  if (process.env.VERBOSE) process.stderr.write(said);
  assert.equal(code, 0, `${command} ${parameters.join(' ')}: ${said}`);
  return written;
};

/** A server with these flags. */
export const start = async (...flags) => {
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-interop-'));
  const usual = ['--listen=127.0.0.1:0', '--store=memory:', '--rate-limit=off', `--audience=${AUDIENCE}`];
  const child = spawn(HALLPASS_E2E_SERVER, [...usual, ...flags, `--keys=${join(folder, 'keys.json')}`], { stdio: ['ignore', 'pipe', 'ignore'] });
  const [line] = await once(createInterface(child.stdout), 'line');
  const issuer = line.replace('listening on ', '');
  const end = () => (child.kill(), rmSync(folder, { recursive: true }));
  const logIn = async () => {
    const body = JSON.stringify({ username: 'alice', password: 'wonderland' });
    const answer = await fetch(`${issuer}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    assert.equal(answer.status, 200);
    return answer.json();
  };
  return { issuer, logIn, end };
};

/** Ends the script, with an error if the page says something else than was measured. */
export const finish = (faults) => {
  if (faults.length) console.error(`\n${faults.join('\n')}`);
  process.exit(faults.length ? 1 : 0); // some libraries keep timers
};
