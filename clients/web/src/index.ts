/**
 * The shell: does what the reducer decides, with the platform's storage, locks, channels, timers and `fetch`.
 *
 * Importing this has no effect, and under Node `createAuth` starts nothing that keeps the process alive.
 */
import { expect, failure, retryAfter } from './errors.js';
import { keeper } from './keeper.js';
import type { Auth, AuthOptions, Routes, TokenResponse } from './options.js';
import { type Clock, type Write, patience, sound } from './record.js';
import { type Answer, type Effect, type Event, accept, initial, reduce } from './reducer.js';
import { type Store, indexedDb, memory } from './store.js';

export type { AuthError, LoginRequired, RefreshUnavailable, RequestRefused } from './errors.js';
export type { Auth, AuthEvents, AuthOptions, Routes, TokenResponse, Transport } from './options.js';
export type { SessionRecord } from './record.js';
export type { Store } from './store.js';

type Runners = { [E in Effect as E[0]]: (...args: E extends readonly [unknown, ...infer A] ? A : never) => void };

type Caller = [(token: string) => void, (error: Error) => void];

const disposed = { name: 'LoginRequired', reason: 'disposed' } as const;

const clock = (): Clock => ({ wall: Date.now(), mono: performance.now() });

/** Creates the client of one login. One for each page; see `AuthOptions` for what can be set. */
export const createAuth = (options: AuthOptions = {}): Auth => {
  const { transport = 'cookie', baseUrl = '/auth', key = 'auth', routes = {}, params, storage } = options;
  const name = 'hallpass:' + key;
  const page = globalThis as Partial<typeof globalThis>;
  const send = options.fetch ?? page.fetch!;
  const locks = page.navigator?.locks;
  // On a server there are no other tabs, an open channel keeps the process alive, and some runtimes have none, nor allow
  // timers and random numbers while a module is loaded: nothing happens there before the first call.
  const channel = page.location && page.BroadcastChannel && new BroadcastChannel(name);
  const disposal = new AbortController();
  const { signal } = disposal;
  const handlers = new Set<readonly [string, (detail: never) => void]>();
  let state = initial(transport);
  let storing: Promise<unknown> = Promise.resolve();
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Releases the lock, if a renewal of this tab holds it. */
  let release = () => {};

  const address = (route: keyof Routes) =>
    new URL(routes[route] ?? baseUrl + '/' + route, page.location as unknown as string).href;

  /** Aborts after `ms`, also if this was disposed of; only at disposal in a runtime that lacks it. */
  const limit = (ms: number) => AbortSignal.timeout?.(ms) ?? signal;

  /** Aborts after `ms`, or at disposal; only then in a runtime that cannot join signals, which has no tabs either. */
  const until = (ms: number) => AbortSignal.any?.([signal, limit(ms)]) ?? signal;

  const sleep = (ms: number) => new Promise((resolve) => (limit(ms).onabort = resolve));

  const keep = keeper(
    (storage as Store)?.update ? (storage as Store) : storage == 'memory' || !page.indexedDB ? memory() : indexedDb(key),
    clock,
    sleep,
  );

  /** Sends no cookie along with a refresh token, and follows no redirect. */
  const post = (route: keyof Routes, init: RequestInit, form?: Record<string, string> | '') =>
    send(address(route), {
      method: 'POST',
      cache: 'no-store',
      redirect: 'error',
      credentials: transport == 'header' ? 'omit' : 'include',
      body: form ? new URLSearchParams({ ...form, ...params }) : null,
      // It may hold the lock, for which others wait.
      signal: limit(3e4),
      ...init,
    });

  const dispatch = (event: Event): void => {
    if (signal.aborted) return;
    const now = clock();
    const [next, effects] = reduce(state, event, now, Math.random());
    state = next;
    const { write, won } = event as { write?: Write; won?: boolean };
    run.emit('activity', {
      write: write?.kind,
      won,
      busy: !!state.flight,
      known: { ...state.record, access: 0, refresh: 0 },
    });
    for (const [name, ...args] of effects) (run[name] as (...args: unknown[]) => void)(...args);
  };

  /** Writes after the writes before it, so that what is read later is not older; resolves with what the store had. */
  const perform = (write: Write, delay = 0): Promise<unknown> =>
    (storing = storing.then(async () => {
      if (delay) await sleep(delay);
      const kept = await keep(write, state.record, limit(2e3));
      dispatch(kept);
      return kept.found;
    }));

  /** Calls `use` when this tab has the lock or cannot have it. It is held until `done` is called. */
  const lock = (use: (locked: boolean, done: () => void) => void) => {
    const turn = (locked: boolean) => new Promise<void>((done) => use(locked, done));
    // Longer than a renewal's request may take; a step-up, which may take longer, leaves a mark. Once the lock is granted
    // the signal has no effect on it.
    (async () => locks!.request(name, { signal: until(8e3) }, () => turn(true)))().catch(() => turn(false));
  };

  /** Runs `body` while no refresh is in flight, whose late answer could put an older cookie in the place of a newer. */
  const alone = <T>(body: () => Promise<T>): Promise<T> =>
    new Promise((resolve) => lock((_, done) => resolve(body().finally(done))));

  const run: Runners = {
    store: perform,
    lock: (claim) =>
      lock((locked, done) => {
        release = done;
        if (!signal.aborted) perform({ ...claim, locked });
      }),
    release: () => release(),
    async send(token) {
      // As it is now: a request that the network left later may have reached the server.
      let answer: Answer = { status: 0, offline: page.navigator?.onLine === false };
      try {
        const response = await post(
          'refresh',
          { signal: until(7e3) },
          token && { grant_type: 'refresh_token', refresh_token: token },
        );
        answer = {
          status: response.status,
          body: await response.json().catch(() => {}),
          retryAfterMs: retryAfter(response),
        };
      } catch {}
      dispatch({ type: 'answer', ...answer });
    },
    revoke(token) {
      if (routes.revoke != '') post('revoke', { keepalive: true }, { token }).catch(() => {});
    },
    tell: () => channel?.postMessage(0),
    timer(ms) {
      clearTimeout(timer);
      if (ms == 1 / 0) return;
      timer = setTimeout(() => dispatch({ type: 'tick' }), ms);
      // Under Node only a caller who waits keeps the process alive.
      if (!state.waiters.length) (timer as { unref?(): void }).unref?.();
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

  const adopt = async (body: TokenResponse, sent: number, kind: 'renew' | 'set') => {
    if (!body.access_token && transport != 'session') throw TypeError('no token');
    await perform({ kind, patch: accept(transport, body, sent) });
    return body;
  };

  /** Sends credentials as JSON. */
  const ask = async (route: 'login' | 'step-up', body: object, ms = 3e4): Promise<TokenResponse> =>
    (
      await expect(
        await post(route, {
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
          signal: limit(ms),
        }),
      )
    ).json();

  const stepUp = async (credentials: object) => {
    // No renewal may present the token that the server replaces meanwhile, not even one that has waited for the lock.
    const mark = () => perform({ kind: 'mark' });
    const sent = Date.now();
    await mark();
    const body = { refresh_token: state.record?.refresh, ...credentials };
    // 7 s or less: each request ends before its mark does.
    const ms = (patience(state.record) * 14) / 15;
    const again = async (error: { status?: number; retryAfterMs?: number }) => {
      // The server may have renewed the tokens before the answer was lost. It gives it again within its grace.
      if (![undefined, 502, 504].includes(error.status)) {
        await perform({ kind: 'mark', patch: { sentAtWall: 0 } });
        throw error;
      }
      await mark();
      await sleep(Math.min(Math.max(1e3, error.retryAfterMs ?? 0), Math.max(ms / 4, sent + ms - Date.now())));
      await mark();
      return ask('step-up', body, ms);
    };
    return adopt(await ask('step-up', body, ms).catch(again), sent, 'renew');
  };

  const fetchWithToken = async (input: RequestInfo | URL, init?: RequestInit) => {
    const make = () => new Request(input, init);
    let request = make();
    const { url, signal } = request;
    if (
      !(options.origins ?? [new URL(address('refresh')).origin]).includes(new URL(url).origin) ||
      url == address('refresh') ||
      url == address('logout')
    )
      return send(request);
    if (transport == 'session') {
      request = new Request(request, { credentials: 'include' });
      if (!state.ready) await perform({ kind: 'read' });
    }
    // Of the session that the request belongs to; no record has -1.
    const gen = state.record?.gen ?? -1;
    const attempt = (token: string) => {
      if (token) request.headers.set('authorization', 'Bearer ' + token);
      return send(request);
    };
    const aborted = new Promise<never>((_, reject) => {
      signal.throwIfAborted();
      signal.onabort = () => reject(signal.reason);
    });
    const wanted = (rejected?: string) => Promise.race([aborted, getToken(rejected)]);
    const token = await wanted();
    const response = await attempt(token);
    // After a redirect the answer says nothing of the first request, which may have done what it was to do.
    if (response.redirected || response.status != 401 || !/error="?invalid_token/.test(response.headers.get('www-authenticate')!))
      return response;
    if (transport == 'session') perform({ kind: 'end', gen, patch: { end: 'expired' } });
    else {
      const renewal = wanted(token).catch(() => token);
      // A stream was used up by the first attempt: then the renewal is for the requests after this one.
      const used = (input as Request).bodyUsed || (init?.body as ReadableStream | undefined)?.getReader;
      const fresh = used ? token : await renewal;
      if (fresh != token) {
        request = make();
        return attempt(fresh);
      }
    }
    return response;
  };

  if (channel) {
    channel.onmessage = () => dispatch({ type: 'wake' });
    for (const type of ['visibilitychange', 'pageshow', 'focus', 'online', 'resume', 'pagehide'])
      addEventListener(
        type,
        // A page that holds the lock is not kept in the back/forward cache (Chromium 156).
        () => (type == 'pagehide' ? release() : dispatch({ type: 'wake', online: type == 'online' })),
        // While capturing, so that the document's own events arrive here too.
        { capture: true, signal },
      );
    dispatch({ type: 'wake' });
  }

  return {
    login: (credentials) =>
      alone(async () => {
        const sent = Date.now();
        return adopt(await ask('login', { transport, ...credentials }), sent, 'set');
      }),
    stepUp: (credentials) => alone(() => stepUp(credentials)),
    setTokens: async (body, sent = Date.now()) => void (await adopt(body, sent, 'set')),
    getToken,
    fetch: fetchWithToken,
    async logout() {
      const { access, refresh = '' } = sound(await perform({ kind: 'end', patch: { end: 'logout' } })) ?? {};
      return alone(() =>
        post(
          'logout',
          { keepalive: true, headers: access ? { authorization: 'Bearer ' + access } : {} },
          refresh && { refresh_token: refresh, token: refresh },
        ).then(
          ({ ok }) => ok,
          () => false,
        ),
      );
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
