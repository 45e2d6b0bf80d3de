/**
 * The shell: does what the machine decides, with the platform's storage, locks, channels, timers and `fetch`.
 *
 * Importing this has no effect, and under Node `createAuth` starts nothing that keeps the process alive.
 */
import { expect, failure, read } from './errors.js';
import { aborted, keeper } from './keeper.js';
import { type Answer, accept, machine, unheard } from './machine.js';
import type { Auth, AuthOptions, Routes, TokenResponse } from './options.js';
import { type SessionRecord, type Write, max, min, patience } from './record.js';
import { type Store, indexedDb, memory } from './store.js';

export type { AuthError, LoginRequired, RefreshUnavailable, RequestRefused } from './errors.js';
export type { Auth, AuthEvents, AuthOptions, Routes, TokenResponse, Transport } from './options.js';
export type { SessionRecord } from './record.js';
export type { Store } from './store.js';

/** Creates the client of one login. One for each page; see `AuthOptions` for what can be set. */
export const createAuth = (options: AuthOptions = {}): Auth => {
  const { transport = 'cookie', params, baseUrl = '/auth', routes = {}, key = 'auth', storage } = options;
  const name = 'hallpass:' + key;
  const page = globalThis as Partial<typeof globalThis>;
  const locks = page.navigator?.locks;
  const send = options.fetch ?? page.fetch!;
  // On a server there are no other tabs, an open channel keeps the process alive, and some runtimes have none, nor allow
  // timers and random numbers while a module is loaded: nothing happens there before the first call.
  const channel = page.location && page.BroadcastChannel && new BroadcastChannel(name);
  const disposal = new AbortController();
  const { signal } = disposal;
  const handlers = new Set<readonly [string, (detail: never) => void]>();
  /** The record as this tab knows it. */
  let known: SessionRecord | undefined;
  /** The last write, resolved once it is done. */
  let storing = Promise.resolve() as Promise<unknown> as Promise<SessionRecord | undefined>;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Releases the lock, if a renewal of this tab holds it. */
  let release = () => {};

  const address = (route: keyof Routes) =>
    new URL(routes[route] ?? baseUrl + '/' + route, page.location as unknown as string).href;

  /** Aborts after `ms`, also if this was disposed of; only at disposal in a runtime that lacks it. */
  const limit = (ms: number) => AbortSignal.timeout?.(ms) ?? signal;

  /** Aborts after `ms`, or at disposal; only then in a runtime that cannot join signals, which has no tabs either. */
  const until = (ms: number) => AbortSignal.any?.([signal, limit(ms)]) ?? signal;

  const clock = () => ({ wall: Date.now(), mono: performance.now() });

  const sleep = (ms: number) => aborted(limit(ms)).catch(() => {});

  const keep = keeper(
    (storage as Store)?.update ? (storage as Store) : storage != 'memory' && page.indexedDB ? indexedDb(key) : memory(),
    clock,
    sleep,
  );

  /** Sends no cookie along with a refresh token, and follows no redirect. */
  const post = (route: keyof Routes, init: RequestInit, form?: Record<string, string> | '') =>
    send(address(route), {
      credentials: transport == 'header' ? 'omit' : 'include',
      cache: 'no-store',
      redirect: 'error',
      method: 'POST',
      body: form ? new URLSearchParams({ ...form, ...params }) : null,
      // It may hold the lock, for which others wait.
      signal: limit(3e4),
      ...init,
    });

  /** Writes after the writes before it, so that what is read later is not older; resolves with what the store had. */
  const perform = (write: Write, delay = 0): Promise<SessionRecord | undefined> =>
    (storing = storing.then(async () => {
      if (delay) await sleep(delay);
      const kept = await keep(write, known, limit(2e3));
      known = kept.record;
      if (!signal.aborted) tokens.stored(kept);
      return kept.found;
    }));

  /** Calls `use` when this tab has the lock or cannot have it. It is held until that is done, which may not fail. */
  const lock = (use: (locked: boolean) => Promise<void>) =>
    // Longer than a renewal's request may take; a step-up, which may take longer, leaves a mark. Once the lock is granted
    // the signal has no effect on it.
    (async () => locks!.request(name, { signal: until(8e3) }, () => use(true)))().catch(() => use(false));

  /** Runs `body` while no refresh is in flight, whose late answer could put an older cookie in the place of a newer. */
  const alone = <T>(body: () => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => lock(() => body().then(resolve, reject)));

  const tokens = machine(transport, {
    clock,
    chance: Math.random,
    store: perform,
    lock: (claim) =>
      lock(
        (locked) =>
          new Promise((done) => {
            release = done;
            signal.aborted ? done() : perform({ ...claim, locked });
          }),
      ),
    release: () => release(),
    ask: async (token) => {
      // As it is now: a request that the network left later may have reached the server.
      let answer: Answer = { status: 0, offline: page.navigator?.onLine == false };
      try {
        answer = await read(
          await post('refresh', { signal: until(7e3) }, token && { grant_type: 'refresh_token', refresh_token: token }),
        );
      } catch {}
      if (!signal.aborted) tokens.answer(answer);
    },
    drop: (token) => {
      if (routes.revoke != '') post('revoke', { keepalive: true }, { token }).catch(() => {});
    },
    tell: () => channel?.postMessage(0),
    timer: (ms, waited) => {
      clearTimeout(timer);
      if (ms == 1 / 0) return;
      timer = setTimeout(tokens.tick, ms);
      // Under Node only a caller who waits keeps the process alive.
      if (!waited) (timer as { unref?(): void }).unref?.();
    },
    emit: (name, detail) => {
      for (const [wanted, handler] of handlers) if (wanted == name) queueMicrotask(() => handler(detail as never));
    },
  });

  const getToken = (rejected?: string) =>
    new Promise<string>((resolve, reject) => tokens.want(resolve, (why) => reject(failure(why)), rejected));

  /** Keeps a token response that was asked for at the wall time `sent`. */
  const adopt = async (kind: 'commit' | 'set', asked: TokenResponse | Promise<TokenResponse>, sent = Date.now()) => {
    const body = await asked;
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
    const mark = (patch?: Write['patch']) => perform({ kind: 'mark', patch });
    const begun = Date.now();
    await mark();
    // 7 s or less: each request ends before its mark does.
    const ms = (patience(known) * 14) / 15;
    const body = { refresh_token: known?.refresh, ...credentials };
    return ask('step-up', body, ms).catch(async (error: { status?: number; retryAfterMs?: number }) => {
      // The server may have renewed the tokens before the answer was lost. It gives it again within its grace.
      if (!unheard(error.status)) {
        await mark({});
        throw error;
      }
      await mark();
      await sleep(min(max(1e3, error.retryAfterMs || 0), max(ms / 4, begun + ms - Date.now())));
      await mark();
      return ask('step-up', body, ms);
    });
  };

  const fetchWithToken = async (input: RequestInfo | URL, init?: RequestInit, again?: boolean): Promise<Response> => {
    const make = () => new Request(input, init);
    let request = make();
    const { url, signal } = request;
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
    const gone = aborted(signal);
    const wanted = (rejected?: string) => Promise.race([gone, getToken(rejected)]);
    const token = await wanted();
    // Of the session that the request belongs to; no record has -1.
    const gen = known?.gen ?? -1;
    const response = await attempt(token);
    // After a redirect the answer says nothing of the first request, which may have done what it was to do.
    if (response.status != 401 || response.redirected || !/error="?invalid_token/.test(response.headers.get('www-authenticate')!))
      return response;
    if (transport == 'session') {
      // The browser may have got a newer cookie while this was on its way, which goes with the repetition. A body that is
      // used up rejects: then the next request finds out.
      if (!again) return alone(() => fetchWithToken(input, init, true)).catch(() => response);
      perform({ kind: 'end', gen, patch: { end: 'expired' } });
    } else {
      const renewal = wanted(token).catch(() => token);
      try {
        // Throws if the first attempt has used up the body: then the renewal is for the requests after this one.
        request = make();
        const fresh = await renewal;
        if (fresh != token) return attempt(fresh);
      } catch {}
    }
    return response;
  };

  if (channel) {
    channel.onmessage = () => tokens.wake();
    for (const type of ['online', 'focus', 'resume', 'visibilitychange', 'pageshow', 'pagehide'])
      addEventListener(
        type,
        // A page that holds the lock is not kept in the back/forward cache (Chromium 156).
        () => (type == 'pagehide' ? release() : tokens.wake(type == 'online')),
        // While capturing, so that the document's own events arrive here too.
        { signal, capture: true },
      );
    tokens.wake();
  }

  return {
    stepUp: (credentials) => alone(() => adopt('commit', stepUp(credentials))),
    login: (credentials) => alone(() => adopt('set', ask('login', { transport, ...credentials }))),
    fetch: fetchWithToken,
    setTokens: (body, sent) => adopt('set', body, sent),
    getToken,
    async logout() {
      const { access, refresh } = (await perform({ kind: 'end', patch: { end: 'logout' } })) ?? {};
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
      tokens.stop();
      channel?.close();
      release();
      handlers.clear();
    },
  };
};
