// Fails unless a fresh clone can be packed, and the package installed into an empty folder and bundled there.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hallpass-web-'));
try {
  // What git knows, and so nothing that was built or installed here.
  const listing = execFileSync('git', ['ls-files', '-z', 'clients/web', 'LICENSE-*'], { cwd: repository, encoding: 'utf8' });
  for (const path of listing.split('\0').filter(Boolean)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    cpSync(join(repository, path), join(folder, path));
  }
  const clone = join(folder, 'clients/web');
  const npm = (cwd, ...args) => execFileSync('npm', args, { cwd, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, npm_config_loglevel: 'error' } });
  npm(clone, 'ci', '--prefer-offline', '--no-audit', '--no-fund');
  npm(clone, 'pack', '--silent');
  const tarball = readdirSync(clone).find((name) => name.endsWith('.tgz'));

  const application = join(folder, 'application');
  mkdirSync(application);
  writeFileSync(join(application, 'package.json'), '{ "private": true, "type": "module" }');
  // It has no dependencies, so there is nothing to ask for.
  npm(application, 'install', '--offline', '--no-audit', '--no-fund', join(clone, tarball));
  writeFileSync(
    join(application, 'main.js'),
    "import { createAuth } from '@hallpass/web';\nif (typeof createAuth !== 'function') throw new Error('no createAuth');\n",
  );
  execFileSync(process.execPath, ['main.js'], { cwd: application, stdio: 'inherit' });
  const esbuild = createRequire(join(clone, 'package.json'))('esbuild');
  const built = await esbuild.build({
    absWorkingDir: application,
    entryPoints: ['main.js'],
    bundle: true,
    format: 'esm',
    write: false,
  });
  const bytes = built.outputFiles[0].contents.length;
  if (bytes < 5_000) throw new Error(`the bundle has ${bytes} bytes: the client is not in it`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
