// The one-file build, in one place: the package, the embedded copy and the size limit must speak of the same bytes.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

export const root = fileURLToPath(new URL('..', import.meta.url));

// Names between the reducer and the shell, shortened for size. None of them is in an option, a stored record, an event
// that the application hears, or an object of the platform; a new name belongs here only if that is true of it.
const internal =
  'caller|carrier|flight|gap|hold|jitter|kind|locked|look|looked|mono|online|patch|ready|record|rejected|sent|since|type|until|' +
  'waiters|wall';

export const bundle = async () => {
  const { outputFiles } = await build({
    entryPoints: [root + 'src/index.ts'],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    mangleProps: new RegExp(`^(${internal})$`),
    write: false,
  });
  return outputFiles[0].text;
};
