#!/usr/bin/env bash
# Playwright's clock also stops AbortSignal.timeout(), the time limit of a fetch included
#
# Versions: playwright-core 1.65.1 (npm), with Chromium 156 of Debian and Node 20. Since 1.59.0; not so in 1.57.0.
#
# `page.clock.pauseAt()` stops more than setTimeout, Date and performance.now(): AbortSignal.timeout() is replaced too.
# With 1.57.0, beside the same browser, it still ran in real time. A signal of 50 ms made in a page whose clock stands does
# not abort after a second of real time; it aborts when the test moves the clock by 50 ms. A fetch that a server never
# answers, given such a signal, hangs just as long.
#
# Why it matters: a test that stops the clock and then waits until the page is idle waits for ever if what the page does
# has a time limit, or waits between two attempts, by AbortSignal.timeout(); it does so rarely, on a busy machine, when the
# first attempt failed. And a test that moves the clock by 5 s in one step ends each 2 s limit that began within the step,
# although the disk or the network behind it had no time at all. Let such a clock go on, slowly, while you wait.
set -euo pipefail
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund playwright-core@1.65.1
cat >look.js <<'JS'
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const server = createServer((request, response) => {
  if (request.url == '/never') return;
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>page</title>');
}).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const address = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({ executablePath: process.argv[2], args: ['--no-sandbox'] });
const real = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const look = async (stopped) => {
  const page = await browser.newPage();
  const start = Date.now();
  if (stopped) await page.clock.install({ time: start - 60000 });
  await page.goto(address);
  if (stopped) await page.clock.pauseAt(start);
  await page.evaluate(() => {
    globalThis.seen = { signal: false, fetch: 'pending' };
    globalThis.limit = AbortSignal.timeout(50);
    limit.onabort = () => (seen.signal = true);
    fetch('/never', { signal: AbortSignal.timeout(50) }).catch((error) => (seen.fetch = error.name));
  });
  await real(1000);
  const after = await page.evaluate(() => seen);
  if (!stopped) return { after };
  await page.clock.runFor(60);
  await real(300);
  const moved = await page.evaluate(() => seen);
  return { after, moved };
};

const free = await look(false);
const held = await look(true);
await browser.close();
server.closeAllConnections();
server.close();
console.log('clock of the page untouched, 1 s later:   ', JSON.stringify(free.after));
console.log('clock stopped, 1 s of real time later:    ', JSON.stringify(held.after));
console.log('clock stopped, then moved by 60 ms:       ', JSON.stringify(held.moved));
const same =
  free.after.signal && free.after.fetch == 'TimeoutError' &&
  !held.after.signal && held.after.fetch == 'pending' &&
  held.moved.signal && held.moved.fetch != 'pending';
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js "$browser"
