// Builds the client into one file, for the package, the embedded copy and the size limit alike.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const root = fileURLToPath(new URL('..', import.meta.url));

// Property names that only the machine and the shell use. They are shortened, which saves a tenth of the size. None of
// them is in an option, a stored record, an event of the application, or an object of the platform; add a new name only
// if that is true of it.
const internal =
  'answer|ask|chance|clock|drop|emit|failed|found|kind|lock|locked|mono|online|patch|record|release|stop|store|stored|' +
  'tell|tick|timer|wake|wall|want';

/** The client as one ES module; `options` are esbuild's. */
export const bundle = async (options = {}) => {
  const { outputFiles } = await build({
    entryPoints: [root + 'src/index.ts'],
    outdir: root + 'dist',
    bundle: true,
    format: 'esm',
    target: 'es2022',
    mangleProps: new RegExp(`^(${internal})$`),
    write: false,
    ...options,
  });
  return outputFiles;
};

/** The same, minified: what a page without a bundler loads. */
export const minified = async () => (await bundle({ minify: true }))[0].text;
