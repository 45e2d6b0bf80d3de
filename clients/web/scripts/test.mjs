// Compiles the TypeScript tests of one folder and runs them: node scripts/test.mjs test|e2e|long [name…]
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { build } from 'esbuild';
import { root } from './bundle.mjs';

const [folder = 'test', ...names] = process.argv.slice(2);
const entryPoints = readdirSync(root + folder)
  .filter((file) => file.endsWith('.test.ts') && (!names.length || names.some((name) => file.includes(name))))
  .map((file) => `${root}${folder}/${file}`);
const outdir = `${root}build/${folder}`;
rmSync(outdir, { recursive: true, force: true });
await build({
  entryPoints,
  outdir,
  bundle: true,
  format: 'esm',
  platform: 'node',
  packages: 'external',
  sourcemap: 'inline',
  // An engine that cannot do everything skips what it cannot.
  alias: process.env.HALLPASS_E2E_BROWSER ? { 'node:test': `${root}e2e/testing.ts` } : {},
});
const files = readdirSync(outdir).map((file) => `${outdir}/${file}`);
// So that what hangs ends; a busy machine takes many times what an idle one does, which is two minutes.
const limits = folder != 'test' ? ['--test-concurrency=2', '--test-timeout=1800000'] : [];
// Firefox is driven over a WebSocket, which Node.js 20 has if it is told to.
const sockets = folder != 'test' ? ['--experimental-websocket'] : [];
const { status } = spawnSync(process.execPath, ['--enable-source-maps', '--test', '--test-reporter=spec', ...limits, ...sockets, ...files], {
  stdio: 'inherit',
  cwd: root,
});
process.exit(status ?? 1);
