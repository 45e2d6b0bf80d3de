/** A place for the record that fails, once or for good, or that does not answer. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { type Auth, type AuthOptions, type SessionRecord, type Store, createAuth } from '../src/index.js';
import { Server } from './world.js';

// Under Node the pauses of the client do not keep the process alive.
const alive = setInterval(() => {}, 1e3);
after(() => clearInterval(alive));

type Change = Parameters<Store['update']>[0];

/** A record that several clients share, and what happens to each call, by its number. */
class Disk implements Store {
  record: SessionRecord | undefined;
  calls = 0;
  /** What goes wrong with this call: nothing, all of it, only the putting of a record, or there is no answer. */
  fault: (call: number) => 'fails' | 'hangs' | 'hangs late' | 'is full' | undefined = () => undefined;

  async update(change: Change): Promise<unknown> {
    const fault = this.fault(this.calls++);
    if (fault == 'fails') throw new Error('fails');
    if (fault == 'hangs') await new Promise(() => {});
    const next = change(structuredClone(this.record));
    if (next && fault == 'is full') throw new Error('is full');
    if (next !== undefined) this.record = next === null ? undefined : structuredClone(next);
    if (fault == 'hangs late') await new Promise(() => {});
    return structuredClone(this.record);
  }
}

/** The rotation of the servers, behind `fetch`; a refresh token that comes back after its grace is `reused`. */
class Backend {
  readonly server = new Server(300, 0, 0);
  readonly sent: string[] = [];
  down = false;

  readonly fetch = (async (input: RequestInfo | URL, init: RequestInit = {}) => {
    const path = new URL(String(input)).pathname.slice('/auth/'.length);
    this.sent.push(path);
    if (this.down) throw new TypeError('no network');
    const form = init.body instanceof URLSearchParams ? init.body : undefined;
    if (path == 'login') return json(this.server.issue(Date.now()));
    if (path == 'refresh') {
      const { status, body } = this.server.refresh(form?.get('refresh_token') ?? undefined, Date.now());
      return json(body, status);
    }
    if (path == 'logout') this.server.ended = 'revoked';
    return new Response(null, { status: 204 });
  }) as typeof fetch;

  client(storage: Store, options: AuthOptions = {}): Auth {
    return createAuth({ transport: 'header', baseUrl: 'https://app.example/auth', storage, fetch: this.fetch, ...options });
  }
}

const json = (body: unknown, status = 200) => new Response(JSON.stringify(body), { status });

const heard = (auth: Auth, name: 'refreshError' | 'refreshed' | 'signedOut' | 'switched') => {
  const list: Record<string, unknown>[] = [];
  auth.on(name, (detail) => list.push({ ...detail }));
  return list;
};

const until = async (condition: () => boolean, ms = 2e4) => {
  for (const end = Date.now() + ms; !condition(); ) {
    assert.ok(Date.now() < end, `not in time: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A login and a forced renewal, more than a second later, since renewals are at least that far apart. */
const loginAndRenew = async (auth: Auth) => {
  await auth.login({});
  const token = await auth.getToken();
  await pause(1100);
  return auth.getToken(token);
};

describe('one call that fails', { concurrency: true }, () => {
  for (let wrong = 0; wrong < 6; wrong++)
    for (const fault of ['fails', 'is full'] as const)
      test(`${fault}, call ${wrong}: the store has what the tab uses, and a later tab goes on`, async () => {
        const [backend, disk] = [new Backend(), new Disk()];
        disk.fault = (call) => (call == wrong ? fault : undefined);
        const auth = backend.client(disk);
        const token = await loginAndRenew(auth);
        assert.equal(disk.record?.access, token);
        auth.dispose();
        const later = backend.client(disk);
        assert.equal(await later.getToken(), token);
        assert.notEqual(await later.getToken(token), token);
        assert.equal(backend.server.count('reused'), 0);
        later.dispose();
      });

  for (let wrong = 1; wrong < 6; wrong++)
    for (const fault of ['hangs', 'hangs late'] as const)
      test(`${fault}, call ${wrong}: a later tab is not taken for a thief`, async () => {
        const [backend, disk] = [new Backend(), new Disk()];
        disk.fault = (call) => (call == wrong ? fault : undefined);
        const auth = backend.client(disk);
        await loginAndRenew(auth).catch(() => {});
        await pause(3e3);
        auth.dispose();
        const later = backend.client(disk);
        const stored = await later.getToken().catch(() => '');
        await later.getToken(stored).catch(() => {});
        assert.equal(backend.server.count('reused'), 0);
        later.dispose();
      });
});

describe('a store that fails for good', { concurrency: true }, () => {
  test('from the start: the page works in memory', async () => {
    const [backend, disk] = [new Backend(), new Disk()];
    disk.fault = () => 'fails';
    const auth = backend.client(disk);
    await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'none' });
    assert.match(await loginAndRenew(auth), /^a/);
    auth.dispose();
  });

  test('a full disk: the session stays there as it is, and a new login works in memory', async () => {
    const [backend, disk] = [new Backend(), new Disk()];
    const auth = backend.client(disk);
    const errors = heard(auth, 'refreshError');
    await auth.login({});
    const token = await auth.getToken();
    disk.fault = () => 'is full';
    await pause(1100);
    auth.getToken(token).catch(() => {});
    await until(() => errors.length > 0);
    assert.equal(errors[0]!.error, 'storage');
    assert.equal(disk.record?.access, token);
    assert.equal(backend.sent.includes('refresh'), false);
    const later = backend.client(disk);
    assert.equal(await later.getToken(), token);
    later.dispose();
    assert.notEqual(await loginAndRenew(auth), token);
    assert.equal(backend.server.count('reused'), 0);
    auth.dispose();
  });

  test('altogether: nothing is renewed that is stored, what is live is given, and it goes on once the store works', async () => {
    const [backend, disk] = [new Backend(), new Disk()];
    const auth = backend.client(disk);
    const errors = heard(auth, 'refreshError');
    await auth.login({});
    const token = await auth.getToken();
    disk.fault = () => 'fails';
    await pause(1100);
    const waiting = auth.getToken(token);
    await until(() => errors.length > 0);
    assert.equal(backend.sent.includes('refresh'), false);
    assert.equal(errors[0]!.error, 'storage');
    assert.ok((errors[0]!.retryAt as number) < Date.now() + 1e4);
    disk.fault = () => undefined;
    assert.notEqual(await waiting, token);
    assert.equal(disk.record?.access, await auth.getToken());
    auth.dispose();
  });

  test('just after the server renewed: the new tokens are stored as soon as it works', async () => {
    const [backend, disk] = [new Backend(), new Disk()];
    const auth = backend.client(disk);
    await auth.login({});
    const token = await auth.getToken();
    await pause(1100);
    // Only what is in flight then: the mark of the refresh is stored, its answer is not.
    disk.fault = () => (backend.sent.includes('refresh') ? 'fails' : undefined);
    const waiting = auth.getToken(token);
    await pause(2e3);
    assert.equal(disk.record?.access, token);
    disk.fault = () => undefined;
    const fresh = await waiting;
    assert.equal(disk.record?.access, fresh);
    assert.equal(backend.server.count('reused'), 0);
    auth.dispose();
  });

  test('with the transport cookie there is nothing in it that could become stale: it goes on in memory', async () => {
    const [disk, sent] = [new Disk(), [] as string[]];
    let serial = 0;
    const auth = createAuth({
      baseUrl: 'https://app.example/auth',
      transport: 'cookie',
      storage: disk,
      fetch: async (input) => {
        sent.push(String(input));
        return json({ access_token: `a${++serial}`, expires_in: 300, session_id: 's' });
      },
    });
    await auth.login({});
    disk.fault = () => 'fails';
    await pause(1100);
    assert.equal(await auth.getToken('a1'), 'a2');
    auth.dispose();
  });
});

describe('a store that never answers', { concurrency: true }, () => {
  const hanging = () => {
    const [backend, disk] = [new Backend(), new Disk()];
    disk.fault = () => 'hangs';
    return { backend, disk, auth: backend.client(disk) };
  };

  test('a login that the server accepts is done within 2 s or a little more', async () => {
    const { auth } = hanging();
    const errors = heard(auth, 'signedOut');
    await pause(2100);
    const begin = Date.now();
    await auth.login({});
    assert.ok(Date.now() - begin < 3500, `${Date.now() - begin}`);
    assert.match(await auth.getToken(), /^a/);
    assert.deepEqual(errors, []);
    auth.dispose();
  });

  test('nobody is known to be signed in, which a caller is told', async () => {
    const { auth } = hanging();
    const begin = Date.now();
    await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'none' });
    assert.ok(Date.now() - begin < 3500, `${Date.now() - begin}`);
    auth.dispose();
  });

  test('a logout tells the server, and the tab forgets', async () => {
    const { backend, disk, auth } = hanging();
    disk.fault = () => undefined;
    await auth.login({});
    disk.fault = () => 'hangs';
    assert.equal(await auth.logout(), true);
    assert.ok(backend.sent.includes('logout'));
    await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'logout' });
    auth.dispose();
  });

  test('a caller is told a time for the next attempt', async () => {
    const { backend, disk, auth } = hanging();
    disk.fault = () => undefined;
    await auth.login({});
    const token = await auth.getToken();
    await pause(1100);
    disk.fault = () => 'hangs';
    const error = await auth.getToken(token).catch((error) => error);
    assert.equal(error.name, 'RefreshUnavailable');
    assert.ok(Math.abs(error.retryAt - Date.now()) < 1e4, `${error.retryAt}`);
    assert.equal(backend.sent.includes('refresh'), false);
    auth.dispose();
  });

  test('once it answers, the session that it has is found without a reload', async () => {
    const [backend, disk] = [new Backend(), new Disk()];
    const first = backend.client(disk);
    await first.login({});
    first.dispose();
    disk.fault = () => 'hangs';
    const auth = backend.client(disk);
    const refreshed = heard(auth, 'refreshed');
    await assert.rejects(auth.getToken(), { name: 'LoginRequired', reason: 'none' });
    disk.fault = () => undefined;
    await until(() => refreshed.length > 0);
    assert.match(await auth.getToken(), /^a/);
    auth.dispose();
  });
});
