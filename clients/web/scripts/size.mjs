// Measures what the client adds to an application: esbuild bundles and minifies the package's entry, as the bundler of
// a user does, and gzip -9 compresses the result. Fails if that is more than the limit. Run `build` first.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { root } from './bundle.mjs';

const LIMIT = 4400;
const entry = JSON.parse(readFileSync(root + 'package.json', 'utf8')).exports['.'].default;
const { outputFiles } = await build({
  // All of it: an application that uses less than `createAuth` does not exist.
  stdin: { contents: `export * from '${entry}'`, resolveDir: root },
  bundle: true,
  minify: true,
  format: 'esm',
  write: false,
});
const code = outputFiles[0].contents;
const size = gzipSync(code, { level: 9 }).length;
console.log(`the package's entry, bundled: ${code.length} bytes minified, ${size} gzipped, limit ${LIMIT}`);
if (size > LIMIT) process.exit(1);
