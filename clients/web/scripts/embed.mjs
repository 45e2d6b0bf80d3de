// Writes the committed copy that the demos embed; with --check fails if that copy differs from a fresh build.
import { readFileSync, writeFileSync } from 'node:fs';
import { minified, root } from './bundle.mjs';

const file = root + 'embed/auth.js';
const fresh = await minified();
if (!process.argv.includes('--check')) writeFileSync(file, fresh);
else if (readFileSync(file, 'utf8') != fresh) {
  console.error('embed/auth.js differs from a fresh build; run `npm run embed`');
  process.exit(1);
}
