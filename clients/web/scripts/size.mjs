// Measures what the client adds to an application: esbuild bundles and minifies the package's entries, as the bundler of
// a user does, and gzip -9 compresses the result. Fails if that is more than the limit. Run `build` first.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { root } from './bundle.mjs';

/** The size of these entries together, in bytes: minified, and gzipped. */
const sizes = async (...names) => {
  const { exports } = JSON.parse(readFileSync(root + 'package.json', 'utf8'));
  const { outputFiles } = await build({
    // All of it: an application that uses less does not exist.
    stdin: { contents: names.map((name) => `export * from '${exports[name].default}'`).join('\n'), resolveDir: root },
    bundle: true,
    minify: true,
    format: 'esm',
    write: false,
  });
  const code = outputFiles[0].contents;
  return { minified: code.length, gzipped: gzipSync(code, { level: 9 }).length };
};

const check = (what, { minified, gzipped }, limit) => {
  console.log(`${what}, bundled: ${minified} bytes minified, ${gzipped} gzipped, limit ${limit}`);
  if (gzipped > limit) process.exitCode = 1;
};

const main = await sizes('.');
const both = await sizes('.', './dpop');
check("the package's entry", main, 4096);
check(
  'what `dpop` adds to it',
  { minified: both.minified - main.minified, gzipped: both.gzipped - main.gzipped },
  1536,
);
