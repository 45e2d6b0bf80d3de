#!/usr/bin/env bash
# In Chromium an exclusive Web Lock does not keep tabs from losing updates of localStorage
#
# Versions: Chromium 156 of Debian, driven by playwright-core 1.65.1 (npm, Node 20).
#
# Four tabs of one origin, in processes of their own, each add 1 to a number 300 times: ask for an exclusive lock, read, write,
# release. In localStorage the sum is too low, since a tab that has got the lock may still see what it was before the last
# holder wrote: each process has a copy, and hears of changes a little later than of the lock. In IndexedDB, under the same
# lock, no update is lost.
#
# Why it matters: "a lock around localStorage" is the usual advice against two tabs that renew one token at once. A tab may then
# read the token that was just replaced. Keep what is guarded by a lock in IndexedDB.
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

const [TABS, TIMES] = [4, 300];
const server = createServer((request, response) => {
  response.setHeader('content-type', 'text/html');
  response.end('<!doctype html><title>page</title>');
}).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const address = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch({ executablePath: process.argv[2], args: ['--no-sandbox'] });

/** How many of the updates are there at the end. */
const look = async (store) => {
  const context = await browser.newContext();
  const pages = [];
  for (let index = 0; index < TABS; index += 1) pages.push(await context.newPage());
  for (const page of pages) {
    await page.goto(address);
    await page.evaluate(() => {
      const opened = new Promise((resolve, reject) => {
        const request = indexedDB.open('own');
        request.onupgradeneeded = () => request.result.createObjectStore('own');
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
      const inDatabase = async (mode, work) => {
        const transaction = (await opened).transaction('own', mode);
        const request = work(transaction.objectStore('own'));
        await new Promise((resolve, reject) => ((transaction.oncomplete = resolve), (transaction.onabort = reject)));
        return request.result;
      };
      globalThis.stores = {
        localStorage: { read: async () => localStorage.getItem('sum'), write: async (sum) => localStorage.setItem('sum', sum) },
        indexedDB: {
          read: () => inDatabase('readonly', (own) => own.get('sum')),
          write: (sum) => inDatabase('readwrite', (own) => own.put(sum, 'sum')),
        },
      };
    });
  }
  const add = async ([store, times]) => {
    const { read, write } = globalThis.stores[store];
    const one = async () => write(Number(await read() ?? 0) + 1);
    for (let index = 0; index < times; index += 1) await navigator.locks.request('own', one);
  };
  await Promise.all(pages.map((page) => page.evaluate(add, [store, TIMES])));
  // Long after the last write.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const sum = await pages[0].evaluate(async (store) => Number(await globalThis.stores[store].read()), store);
  await context.close();
  return sum;
};

const all = TABS * TIMES;
const [local, database] = [await look('localStorage'), await look('indexedDB')];
await browser.close();
server.closeAllConnections();
server.close();
console.log(`of ${all} updates under an exclusive lock, localStorage has ${local}, IndexedDB ${database}`);
const same = local < all && database == all;
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
JS
node look.js "$browser"
