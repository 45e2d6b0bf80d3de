/**
 * The shell: does what the reducer decides, with the platform's storage, locks, channels, timers and `fetch`.
 *
 * Importing this has no effect, and under Node `createAuth` starts nothing that keeps the process alive.
 */
import { failure } from './errors.js';
import type { Auth, AuthOptions, Routes, TokenResponse } from './options.js';
import { type Clock, type Write, apply } from './record.js';
import { type Effect, type Event, initial, reduce } from './reducer.js';
import { type Store, indexedDb, memory } from './store.js';

export type { AuthError, LoginRequired, RefreshUnavailable, RequestRefused } from './errors.js';
export type { Auth, AuthEvents, AuthOptions, Routes, Session, TokenResponse, Transport } from './options.js';
export type { SessionRecord } from './record.js';
export type { Store } from './store.js';

type Runners = { [E in Effect as E[0]]: (...args: E extends readonly [unknown, ...infer A] ? A : never) => void };

type Caller = [(token: string) => void, (error: Error) => void];

const disposed = { name: 'LoginRequired', reason: 'disposed' } as const;

const clock = (): Clock => ({ wall: Date.now(), mono: performance.now() });

/** In milliseconds; a date is measured by the server's own clock, never by this device's. */
const retryAfter = ({ headers }: Response): number => {
  const value = headers.get('retry-after')!;
  return Math.max(0, +value * 1e3 || Date.parse(value) - Date.parse(headers.get('date')!) || 0);
};

/** Creates the client of one login. One for each page; see `AuthOptions` for what can be set. */
export const createAuth = (options: AuthOptions = {}): Auth => {
  const { transport = 'header', key = 'auth', routes = {}, params, storage } = options;
  const send = options.fetch ?? fetch;
  const name = 'hallpass:' + key;
  const page = globalThis as Partial<typeof globalThis>;
  const locks = page.navigator?.locks;
  // Not under Node, where an open channel keeps the process alive.
  const channel = page.addEventListener && new BroadcastChannel(name);
  const disposal = new AbortController();
  const { signal } = disposal;
  const handlers = new Set<readonly [string, (detail: never) => void]>();

  let state = initial(transport);
  let store: Store =
    typeof storage == 'object' ? storage : storage == 'memory' ? memory() : indexedDb(key);
  let storing: Promise<unknown> = Promise.resolve();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let release = () => {};

  const address = (route: keyof Routes) =>
    new URL(routes[route] ?? (options.baseUrl ?? '/auth') + '/' + route, page.location?.href).href;

  /** Aborts after `ms`, or at disposal. */
  const until = (ms: number) => AbortSignal.any([signal, AbortSignal.timeout(ms)]);

  /** A refresh token never travels together with a cookie, nor to where a redirect points. */
  const post = (route: keyof Routes, init: RequestInit, form?: Record<string, string> | '') =>
    send(address(route), {
      method: 'POST',
      cache: 'no-store',
      redirect: 'error',
      credentials: transport == 'header' ? 'omit' : 'include',
      body: form ? new URLSearchParams({ ...form, ...params }) : null,
      ...init,
    });

  const dispatch = (event: Event): void => {
    if (signal.aborted) return;
    const now = clock();
    const [next, effects] = reduce(state, event, now, Math.random());
    state = next;
    const { write, won, status } = event as { write?: Write; won?: boolean; status?: number };
    run.emit('activity', {
      event: event.type,
      write: write?.kind,
      won,
      status,
      busy: !!state.flight,
      known: { ...state.record, access: 0, refresh: 0 },
    });
    for (const [name, ...args] of effects) (run[name] as (...args: unknown[]) => void)(...args);
  };

  const run: Runners = {
    store(write, delay) {
      // One after the other, so that what is read later is not older.
      storing = storing.then(async () => {
        if (delay) await new Promise((resolve) => (until(delay).onabort = resolve));
        let won = false;
        const change = (found: unknown) => {
          const next = apply(write, found, clock());
          won = !!next;
          return next;
        };
        let record;
        try {
          record = await store.update(change);
        } catch {
          store = memory(state.record);
          record = await store.update(change);
        }
        dispatch({ type: 'stored', write, record, won });
      });
    },
    lock() {
      const turn = (locked: boolean) =>
        new Promise<void>((resolve) => {
          release = resolve;
          dispatch({ type: 'turn', locked });
        });
      // Longer than the holder's request may take. Once the lock is granted the signal has no effect on it.
      (async () => locks!.request(name, { signal: until(8e3) }, () => turn(true)))().catch(() => turn(false));
    },
    release: () => release(),
    send(token) {
      (async () => {
        const response = await post(
          'refresh',
          { signal: until(7e3) },
          token && { grant_type: 'refresh_token', refresh_token: token },
        );
        return {
          status: response.status,
          body: await response.json().catch(() => {}),
          retryAfterMs: retryAfter(response),
        };
      })()
        .catch(() => ({ status: 0, offline: page.navigator?.onLine === false }))
        .then((answer) => dispatch({ type: 'answer', ...answer }));
    },
    revoke(token) {
      if (routes.revoke != '') post('revoke', {}, { token }).catch(() => {});
    },
    tell: () => channel?.postMessage({ gen: state.record?.gen }),
    timer(ms) {
      clearTimeout(timer);
      if (ms < 1 / 0) timer = setTimeout(() => dispatch({ type: 'tick' }), ms);
    },
    give: (caller, token) => (caller as Caller)[0](token),
    deny: (caller, detail) => (caller as Caller)[1](failure(detail)),
    emit(name, detail) {
      for (const [wanted, handler] of handlers) if (wanted == name) queueMicrotask(() => handler(detail as never));
    },
  };

  const getToken = (rejected?: string) =>
    new Promise<string>((resolve, reject) => {
      if (transport == 'session') return resolve('');
      if (signal.aborted) return reject(failure(disposed));
      dispatch({ type: 'get', caller: [resolve, reject] satisfies Caller, rejected });
    });

  const setTokens = async (body: TokenResponse, sent = Date.now()) => {
    if (!body.access_token && transport != 'session') throw new TypeError('no token');
    dispatch({ type: 'set', body, sent });
    await storing;
  };

  const fetchWithToken = async (input: RequestInfo | URL, init?: RequestInit) => {
    const make = () => new Request(input, init);
    let request = make();
    const { url } = request;
    if (
      !(options.origins ?? [new URL(address('refresh')).origin]).includes(new URL(url).origin) ||
      url == address('refresh') ||
      url == address('logout')
    )
      return send(request);
    if (transport == 'session') request = new Request(request, { credentials: 'include' });
    const attempt = (token: string) => {
      if (token) request.headers.set('authorization', 'Bearer ' + token);
      return send(request);
    };
    const token = await getToken();
    const response = await attempt(token);
    if (response.status != 401 || !/error="?invalid_token/.test(response.headers.get('www-authenticate')!))
      return response;
    if (transport == 'session') dispatch({ type: 'end', reason: 'expired', gen: state.record?.gen });
    // A stream was used up by the first attempt.
    else if (!(input as Request).bodyUsed && !(init?.body as ReadableStream | undefined)?.getReader) {
      const fresh = await getToken(token).catch(() => token);
      if (fresh != token) {
        request = make();
        return attempt(fresh);
      }
    }
    return response;
  };

  const expect = async (response: Response) => {
    if (!response.ok)
      throw failure({
        name: 'RequestRefused',
        status: response.status,
        error: (await response.json().catch(() => {}))?.error,
        retryAfterMs: retryAfter(response),
      });
    return response;
  };

  channel?.addEventListener('message', () => dispatch({ type: 'wake' }));
  if (channel)
    for (const type of ['visibilitychange', 'pageshow', 'focus', 'online', 'resume'])
      // While capturing, so that the document's own events arrive here too.
      addEventListener(type, () => dispatch({ type: 'wake', online: type == 'online' }), { capture: true, signal });
  dispatch({ type: 'wake' });

  return {
    async login(credentials) {
      const sent = Date.now();
      const response = await post('login', {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ transport, ...credentials }),
      });
      const body = await (await expect(response)).json();
      await setTokens(body, sent);
      return body;
    },
    setTokens,
    getToken,
    fetch: fetchWithToken,
    async logout() {
      await storing;
      const { access, refresh = '' } = state.record ?? {};
      dispatch({ type: 'end', reason: 'logout' });
      await storing;
      return post(
        'logout',
        { keepalive: true, headers: access ? { authorization: 'Bearer ' + access } : {} },
        refresh && { refresh_token: refresh, token: refresh },
      ).then(
        ({ ok }) => ok,
        () => false,
      );
    },
    sessions: async () => (await (await expect(await fetchWithToken(address('sessions')))).json()).sessions,
    async endSession(id) {
      const url = address('sessions') + (id == 'others' ? '?keep=current' : '/' + encodeURIComponent(id));
      await expect(await fetchWithToken(url, { method: 'DELETE' }));
    },
    on(name, handler) {
      const entry = [name, handler] as const;
      handlers.add(entry);
      return () => handlers.delete(entry);
    },
    dispose() {
      disposal.abort();
      clearTimeout(timer);
      channel?.close();
      release();
      for (const { caller } of state.waiters) run.deny(caller, disposed);
      handlers.clear();
    },
  };
};
