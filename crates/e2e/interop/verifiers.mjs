// Who reads the access tokens: measures the first table of docs/interop.md again, each verifier by the usual call of its
// documentation, and compares them with the page. With VERBOSE=1 it says why a token is not read.
//
// `cargo xtask interop` runs it. HALLPASS_E2E_SERVER names a demo, HALLPASS_PYTHON a Python that has what requirements.txt pins,
// HALLPASS_RUST what is built of rust/.
import { VERIFIERS as GATEWAYS } from './verifiers/gateways.mjs';
import { VERIFIERS } from './verifiers/npm.mjs';
import { PYTHON, RUST, debian, dependencies, finish, program, rows } from './servers.mjs';
import { ALGORITHMS, demo, usual } from './worlds.mjs';

const worlds = [];
for (const make of [demo, usual]) for (const alg of ALGORITHMS) worlds.push(await make(alg));

const script = (name) => new URL(`verifiers/${name}`, import.meta.url).pathname;

/** Programs that read all issuers as JSON, and say who reads which. */
const PROGRAMS = [
  ['PyPI', PYTHON, ['-W', 'ignore', script('pypi.py')]],
  ['Debian 12', 'ruby', ['-W0', script('ruby.rb')]],
  ['Debian 12', 'perl', [script('perl.pl')]],
  ['Debian 12', 'go', ['run', script('golang.go')]],
  ['Debian 12', 'escript', [script('erlang.escript')]],
  ['Rust crate', RUST, ['verifiers']],
];

const measured = [];
const input = JSON.stringify(worlds.map(({ end, ...world }) => world));
for (const [from, command, parameters] of PROGRAMS) {
  const found = JSON.parse(await program(command, parameters, input));
  measured.push(...found.map((row) => ({ from, version: row.version ?? debian(row.package), ...row })));
}

const reads = async (name, verify, world) => {
  try {
    await verify(world);
    return true;
  } catch (error) {
    if (process.env.VERBOSE) console.error(`${name} ${world.alg}: ${error?.message ?? error}`);
    return false;
  }
};

const npm = Object.entries(VERIFIERS).map(([name, verify]) => ({ from: 'npm', name, version: dependencies[name.split(', set')[0]], verify }));
for (const { verify, ...row } of [...npm, ...GATEWAYS]) {
  row.reads = [];
  for (const world of worlds) row.reads.push(await reads(row.name, verify, world));
  measured.push(row);
}
for (const world of worlds) world.end();

const marks = (reads) => reads.map((read) => (read ? '✓' : '✗')).join(' ');
const table = rows.filter((cells) => /^[✓✗]$/.test(cells[2] ?? ''));
const faults = [];
const seen = new Set();
for (const { from, name, version, reads } of measured) {
  const [plain, set] = name.split(', ');
  const label = `${plain} ${version}`;
  const found = table.find(([origin, row]) => origin == from && (row == label || row.startsWith(`${label} `) || row.startsWith(`${label},`)));
  const [ours, others] = [reads.slice(0, ALGORITHMS.length), reads.slice(ALGORITHMS.length)];
  console.log(`${from} ${label}${set ? ', with what is to be set' : ''}: ${marks(ours)}`);
  seen.add(found);
  if (!found) faults.push(`${label}: the table does not have it`);
  else if (set && !(ours.every(Boolean) && found[6].includes('then all four'))) faults.push(`${label}: the setting does not help`);
  else if (!set && found.slice(2, 6).join(' ') != marks(ours)) faults.push(`${label}: the table says ${found.slice(2, 6).join(' ')}`);
  if (!ours.some(Boolean) && !others.some(Boolean)) faults.push(`${label}: it does not read a token of typ JWT with all claims either`);
}
const left = table.filter((row) => !seen.has(row)).map(([from, name]) => `${from} ${name}`);
console.log(`\n${table.length - left.length} of ${table.length} rows measured; without a script: ${left.join('; ') || 'none'}`);
finish(faults);
