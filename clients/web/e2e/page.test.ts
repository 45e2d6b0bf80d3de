/** The page of the demos, as a person uses it: clicks, and what the screen shows. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BrowserContext, Page } from 'playwright-core';
import { sleep, until } from './browser.js';
import { isMock } from './servers.js';
import type { Site } from './site.js';
import { REFRESH, inBrowser } from './within.js';

const within = inBrowser();

const open = async (context: BrowserContext, site: Site): Promise<Page> => {
  const page = await context.newPage();
  await page.goto(site.url);
  return page;
};

const logIn = async (page: Page, transport = 'header', user = 'alice') => {
  await page.check(`[name=transport][value=${transport}]`);
  await page.click(`[data-user=${user}]`);
  await signedIn(page, user);
};

const signedIn = (page: Page, user = 'alice') => page.waitForSelector(`#status:has-text("Signed in as ${user}")`);

const signedOut = (page: Page) => page.waitForSelector('#login:visible');

/** Waits for an entry of the timeline. */
const happened = (page: Page, text: string) => page.waitForSelector(`#entries li:has-text("${text}")`, { state: 'attached' });

/** Everything that a script of the page can find: cookies, storage, the database. */
const withinReach = (page: Page): Promise<string> =>
  page.evaluate(async () => {
    const found: unknown[] = [document.cookie, { ...localStorage }, { ...sessionStorage }];
    found.push(await (globalThis as never as { cookieStore: { getAll(): Promise<unknown> } }).cookieStore.getAll());
    for (const { name } of await indexedDB.databases()) {
      const db = await new Promise<IDBDatabase>((resolve) => {
        const open = indexedDB.open(name!);
        open.onsuccess = () => resolve(open.result);
      });
      for (const store of db.objectStoreNames)
        await new Promise<void>((resolve) => {
          const all = db.transaction(store).objectStore(store).getAll();
          all.onsuccess = () => (found.push(all.result), resolve());
        });
      db.close();
    }
    return JSON.stringify(found);
  });

const COOKIES = {
  header: [],
  cookie: [{ name: '__Host-Http-refresh', sameSite: 'Strict' }],
  session: [{ name: '__Host-Http-session', sameSite: 'Lax' }],
};

describe('the page', { skip: isMock && 'the mock serves none', concurrency: 2 }, () => {
  for (const [transport, expected] of Object.entries(COOKIES))
    test(`${transport}: log in, reload, see the session, end it from a second tab, and the first loses it`, () =>
      within({}, async (site, _open, context) => {
        const first = await open(context, site);
        await logIn(first, transport);
        await first.reload();
        await signedIn(first);
        assert.equal(await first.textContent('#transport'), `transport: ${transport}`);
        const session = await first.waitForSelector('#sessions li');
        assert.match((await session.textContent())!, new RegExp(`Chrome.*this one.*${transport}`));

        const cookies = await context.cookies();
        assert.deepEqual(cookies.map(({ name, sameSite }) => ({ name, sameSite })), expected);
        const reach = await withinReach(first);
        for (const { value, httpOnly, secure, path } of cookies) {
          assert.deepEqual([httpOnly, secure, path], [true, true, '/']);
          assert.ok(value.length > 20 && !reach.includes(value), reach);
        }
        // Else the search could not find anything.
        assert.equal(reach.includes('"access":"ey'), transport != 'session');
        assert.equal(reach.includes('"refresh":"ey'), transport == 'header');

        const second = await open(context, site);
        await signedIn(second);
        await second.click('#sessions button');
        for (const page of [first, second]) {
          await signedOut(page);
          await happened(page, 'You logged out here, or in another tab.');
        }
        await first.reload();
        await signedOut(first);
        assert.equal(await first.evaluate(() => fetch('/api/me').then(({ status }) => status)), 401);
        assert.equal((await context.cookies()).filter(({ value }) => value).length <= expected.length, true);
      }));

  test('a replayed token is harmless within the grace, and after it ends the session in every tab', () =>
    within({ grace: 15, tolerance: 0, reused: 1 }, async (site, _open, context) => {
      const first = await open(context, site);
      await logIn(first);
      const second = await open(context, site);
      await signedIn(second);
      assert.equal(await first.isDisabled('#replay'), true);
      await sleep(1000);
      await first.click('#renew');
      await happened(first, 'A new access token and a new refresh token');
      await first.click('#replay:enabled');
      await happened(first, 'The old token was taken for a lost answer');
      // The next rotation waits for the grace and for the margin of a slow store, 10 s. A further renewal
      // gives the thief no further grace.
      await sleep(26e3);
      await first.click('#clear');
      await first.click('#renew');
      await happened(first, 'A new access token and a new refresh token');
      await first.click('#replay');
      for (const page of [first, second]) {
        await signedOut(page);
        await happened(page, 'The old token was caught');
      }
      assert.match((await second.textContent('#reason'))!, /an old refresh token came back/);
    }));

  for (const transport of ['header', 'cookie'])
    test(`${transport}: the next answer is dropped, the client asks again, and nobody is logged out`, () =>
      within({}, async (site, _open, context) => {
        const page = await open(context, site);
        await logIn(page, transport);
        const cookie = async () => (await context.cookies())[0]?.value;
        const before = await cookie();
        await sleep(1000);
        await page.click('#drop');
        await page.click('#renew');
        await happened(page, 'An answer was lost');
        await happened(page, 'A new access token');
        await until(() => site.happened('replayed') == 1);
        assert.equal(site.happened('refreshed'), 1);
        assert.equal(await page.getAttribute('#drop', 'aria-pressed'), 'false');
        assert.equal((await cookie()) == before, transport == 'header');
        await signedIn(page);
      }));

  test('cookie: what is dropped sets no cookie either', () =>
    within({ grace: 30 }, async (site, _open, context) => {
      const page = await open(context, site);
      await logIn(page, 'cookie');
      const cookie = async () => (await context.cookies())[0]!.value;
      const before = await cookie();
      await sleep(1000);
      const answer = page.evaluate(() =>
        fetch('/auth/refresh', { method: 'POST', headers: { 'demo-lose-answer': '1' } }).then(({ status }) => status),
      );
      assert.equal(await answer, 502);
      assert.equal(await cookie(), before);
      assert.equal(site.happened('refreshed'), 1);
    }));

  test('offline nothing is sent; online again it goes on', () =>
    within({}, async (site, _open, context) => {
      const page = await open(context, site);
      await logIn(page);
      await page.waitForSelector('#sessions li');
      await page.click('#offline');
      const before = site.count('/api/reports');
      await page.click('[data-call="GET /api/reports"]');
      await happened(page, 'GET /api/reports: this tab is offline');
      assert.equal(site.count('/api/reports'), before);
      await page.click('#offline');
      await page.click('[data-call="GET /api/reports"]');
      await page.waitForSelector('#answer:has-text("Tea parties")');
    }));

  test('session: offline, the list of sessions stays', () =>
    within({}, async (site, _open, context) => {
      const page = await open(context, site);
      await logIn(page, 'session');
      await page.waitForSelector('#sessions li');
      await page.click('#offline');
      await page.click('[data-call="GET /api/me"]');
      await happened(page, 'GET /auth/sessions: this tab is offline');
      assert.equal(await page.isVisible('#sessions li'), true);
      await signedIn(page);
    }));

  test('bob may not read reports, and the page says why', () =>
    within({}, async (site, _open, context) => {
      const page = await open(context, site);
      await logIn(page, 'session', 'bob');
      await page.click('[data-call="GET /api/reports"]');
      await page.waitForSelector('#explained:has-text("Not allowed for bob: the session lacks the scope reports:read.")');
      await page.click('[data-call="GET /api/me"]');
      await page.waitForSelector('#explained', { state: 'hidden' });
    }));

  test('a second tab shows what the first does, and takes its tokens over', () =>
    within({ accessTtl: 12 }, async (site, _open, context) => {
      const first = await open(context, site);
      await logIn(first);
      const [second] = await Promise.all([context.waitForEvent('page'), first.click('#tab')]);
      await signedIn(second);
      assert.deepEqual([await first.textContent('#tab-number'), await second.textContent('#tab-number')], ['tab 1', 'tab 2']);
      await until(() => site.count(REFRESH) >= 1);
      await Promise.any([first, second].map((page) => happened(page, 'Took over what another tab fetched')));
      for (const page of [first, second]) {
        await happened(page, 'POST /auth/refresh');
        await page.waitForSelector('#access-left:has-text("s left")');
      }
    }));

  test('a silent renewal in each tokens transport, without a click', () =>
    within({ accessTtl: 4 }, async (site, _open, context) => {
      const page = await open(context, site);
      for (const transport of ['header', 'cookie']) {
        await logIn(page, transport);
        const before = site.count(REFRESH, 200);
        await until(() => site.count(REFRESH, 200) > before);
        await happened(page, 'A new access token');
        await page.click('#clear');
        await page.click('#logout');
        await signedOut(page);
      }
    }));

  test('logging out everywhere ends the session in another browser too', () =>
    within({}, async (site, _open, context) => {
      const elsewhere = await context.browser()!.newContext();
      const [here, there] = [await open(context, site), await open(elsewhere, site)];
      await logIn(there, 'cookie');
      await logIn(here, 'session');
      await here.click('#logout-all');
      await signedOut(here);
      await there.click('[data-call="GET /api/me"]');
      await signedOut(there);
      assert.match((await there.textContent('#reason'))!, /was ended/);
      await elsewhere.close();
    }));

  test('a wrong password is said, and nobody is signed in', () =>
    within({}, async (site, _open, context) => {
      const page = await open(context, site);
      await page.fill('[name=username]', 'alice');
      await page.fill('#login [name=password]', 'looking-glass');
      await page.click('#login .primary');
      await page.waitForSelector('#login-error:has-text("Unknown user or wrong password.")');
      assert.equal(await page.isVisible('#in'), false);
    }));

  for (const colorScheme of ['light', 'dark'] as const)
    test(`on a phone, ${colorScheme}: nothing is cut off, and the policy stops nothing`, () =>
      within({}, async (site, _open, context) => {
        const phone = await context.browser()!.newContext({ viewport: { width: 390, height: 844 }, colorScheme });
        const page = await phone.newPage();
        const complaints: string[] = [];
        page.on('console', (message) => message.type() == 'error' && complaints.push(message.text()));
        await page.goto(site.url);
        const fits = () => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
        await signedOut(page);
        assert.equal(await fits(), true);
        await logIn(page);
        await page.waitForSelector('#sessions li');
        assert.equal(await fits(), true);
        assert.equal(await page.isVisible('#latest'), true);
        assert.deepEqual(complaints, []);
        await phone.close();
      }));
});
