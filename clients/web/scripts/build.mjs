// Builds dist/: the types by tsc, and by esbuild the client as one readable file and as one minified file.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { bundle, minified, root } from './bundle.mjs';

rmSync(root + 'dist', { recursive: true, force: true });
execFileSync(process.execPath, [root + 'node_modules/typescript/bin/tsc', '-p', root + 'tsconfig.json'], {
  stdio: 'inherit',
});
mkdirSync(root + 'dist', { recursive: true });
// With a source map, because the names of internal properties are shortened here too.
for (const { path, text } of await bundle({ entryPoints: ['index', 'sessions', 'dpop'].map((name) => `${root}src/${name}.ts`), sourcemap: 'linked' }))
  writeFileSync(path, text);
writeFileSync(root + 'dist/auth.min.js', await minified());
for (const licence of ['LICENSE-APACHE', 'LICENSE-MIT']) copyFileSync(root + '../../' + licence, root + licence);
