// Three tabs of one Chromium, in use while the application at the address that is given is replaced: node tabs.mjs ORIGIN.
// Says "at work", goes on until it reads a line, and some rounds more. Fails if a tab is asked to log in, or refused.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { chromium } from '../../../../clients/web/node_modules/playwright-core/index.mjs';

/** How long a busy machine may take, in milliseconds. */
const PATIENCE = 12e4;
const TABS = 3;
/** Rounds of each tab before it is said that they are at work, and after the application has moved. */
const ROUNDS = 3;

const [origin] = process.argv.slice(2);
const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'];
const chrome = await chromium.launch({ executablePath: '/usr/bin/chromium', timeout: PATIENCE, args });
const context = await chrome.newContext();
const moved = once(createInterface(process.stdin), 'line');
let isMoved = false;
moved.then(() => (isMoved = true));

/** Repeats what fails because nobody serves, or because a connection was cut off. */
const insist = async (attempt) => {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!/net::ERR_|interrupted by another navigation|Failed to fetch/.test(error.message) || Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
};

const open = async () => {
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  return page;
};

let rounds = 0;
const round = async (page) => {
  const answer = await insist(() => page.goto(origin + '/'));
  const body = await answer.text();
  if (answer.status() != 200 || body != 'alice') throw Error(`a login was asked: ${answer.status()} ${answer.url()} ${body}`);
  const status = await insist(() => page.evaluate(() => fetch('/notes', { method: 'POST' }).then(({ status }) => status)));
  if (status != 200) throw Error(`refused: ${status}`);
  rounds++;
};

const first = await open();
await first.goto(origin + '/login');
await first.fill('[name=name]', 'alice');
await first.fill('[name=password]', 'wonderland');
await Promise.all([first.waitForURL(origin + '/'), first.click('button')]);
const tabs = [first, ...(await Promise.all(Array.from({ length: TABS - 1 }, open)))];
await Promise.all(
  tabs.map(async (page) => {
    for (let left = ROUNDS; left; left--) await round(page);
  }),
);
console.log('at work');
await Promise.all(
  tabs.map(async (page) => {
    for (let left = ROUNDS; left; left -= isMoved) await round(page);
  }),
);
const names = (await context.cookies()).map(({ name }) => name);
if (names.join() != '__Host-Http-session') throw Error(`cookies: ${names}`);
await chrome.close();
console.log(`${rounds} rounds of ${TABS} tabs, none refused`);
process.exit();
