// Writes the committed copy that the Rust examples embed; with --check proves that it equals a fresh build.
import { readFileSync, writeFileSync } from 'node:fs';
import { bundle, root } from './bundle.mjs';

const file = root + 'embed/auth.js';
const fresh = await bundle();
if (!process.argv.includes('--check')) writeFileSync(file, fresh);
else if (readFileSync(file, 'utf8') != fresh) {
  console.error('embed/auth.js differs from a fresh build: npm run embed');
  process.exit(1);
}
