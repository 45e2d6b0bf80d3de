// Builds dist/: the modules and their types by tsc, and the whole client as one minified file by esbuild.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { bundle, root } from './bundle.mjs';

rmSync(root + 'dist', { recursive: true, force: true });
execFileSync(process.execPath, [root + 'node_modules/typescript/bin/tsc', '-p', root + 'tsconfig.json'], {
  stdio: 'inherit',
});
mkdirSync(root + 'dist', { recursive: true });
writeFileSync(root + 'dist/auth.min.js', await bundle());
for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) copyFileSync(root + '../../' + licence, root + licence);
