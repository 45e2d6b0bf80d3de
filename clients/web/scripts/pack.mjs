// Fails unless the package holds what a user needs and nothing else.
import { execFileSync } from 'node:child_process';
import { root } from './bundle.mjs';

const modules = ['dpop', 'errors', 'index', 'keeper', 'machine', 'options', 'record', 'sessions', 'store'];
const wanted = [
  'LICENSE-APACHE',
  'LICENSE-MIT',
  'README.md',
  'dist/auth.min.js',
  'dist/index.js',
  'dist/index.js.map',
  'dist/dpop.js',
  'dist/dpop.js.map',
  'dist/sessions.js',
  'dist/sessions.js.map',
  ...modules.map((name) => `dist/${name}.d.ts`),
  'package.json',
];
const listing = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' });
const packed = JSON.parse(listing)[0].files.map(({ path }) => path);
const differences = [
  ...wanted.filter((path) => !packed.includes(path)).map((path) => `missing: ${path}`),
  ...packed.filter((path) => !wanted.includes(path)).map((path) => `not wanted: ${path}`),
];
if (differences.length) {
  console.error(`npm pack\n${differences.join('\n')}`);
  process.exit(1);
}
