/**
 * Proofs of possession (RFC 9449): a `fetch` that signs each request with a key which cannot be exported. A module of its
 * own: give what {@link dpopFetch} returns to `createAuth` as `fetch`, with the transport `header`.
 *
 * Importing this has no effect, and `dpopFetch` does nothing before its first call.
 */

/** All of it may be left out. */
export interface DpopOptions {
  /** Names the key: one for each independent login of an origin, as in `AuthOptions`. Default `auth`. */
  readonly key?: string;
  /**
   * The routes that give tokens, the login first: their requests are signed although they carry no access token. Relative
   * to the page or absolute. Default: `login`, `refresh`, `step-up` and `password` below `/auth`.
   */
  readonly routes?: readonly [login: string, ...others: string[]];
  /** The route of the logout, which is never signed. Relative to the page or absolute. Default: `logout` beside the login. */
  readonly logout?: string;
  /** Instead of the `fetch` that is in place at the first call. */
  readonly fetch?: typeof fetch;
}

type Key = {
  readonly privateKey: CryptoKey;
  readonly jwk: { readonly [member: string]: string };
  /** The thumbprint (RFC 7638), by which a token names its key. */
  readonly jkt: string;
};

const DATABASE = '@hallpass/web/dpop';

/** Servers accept a proof that is a minute ahead; clocks that differ by less than this, in milliseconds, are not corrected. */
const TOLERANCE = 5e3;

const bytes = (text: string) => new TextEncoder().encode(text);

const base64 = (buffer: ArrayBuffer | Uint8Array) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

const encode = (value: object) => base64(bytes(JSON.stringify(value)));

const hash = async (text: string) => base64(await crypto.subtle.digest('SHA-256', bytes(text)));

/** The thumbprint of the key to which a token is bound, if it is. */
const confirmation = (token: string): string | undefined => {
  try {
    return JSON.parse(atob(token.split('.')[1]!.replaceAll('-', '+').replaceAll('_', '/'))).cnf.jkt;
  } catch {
    return;
  }
};

/** Opens the place of keys for one use; the key in it, or the one that is put there before `limit` aborts. */
const open = (limit: AbortSignal, name: string, put?: Key): Promise<Key | undefined> =>
  new Promise((resolve, reject) => {
    limit.onabort = () => reject(limit.reason);
    const open = indexedDB.open(DATABASE);
    open.onupgradeneeded = () => open.result.createObjectStore('keys');
    open.onerror = () => reject(open.error);
    open.onsuccess = () => {
      const db = open.result;
      try {
        // What was refused in the meantime must not replace the key of a later login.
        limit.throwIfAborted();
        const transaction = db.transaction('keys', put ? 'readwrite' : 'readonly');
        const keys = transaction.objectStore('keys');
        const request: IDBRequest = put ? keys.put(put, name) : keys.get(name);
        transaction.oncomplete = () => resolve(put ?? (request.result as Key | undefined));
        transaction.onabort = () => reject(transaction.error);
      } catch (error) {
        reject(error);
      }
      db.close();
    };
  });

/** The same with the patience of the main client: a call that fails is tried again, and all of it takes at most 2 s. */
const stored = async (name: string, put?: Key) => {
  const limit = AbortSignal.timeout(2e3);
  for (let more = 2; ; more--)
    try {
      return await open(limit, name, put);
    } catch (error) {
      if (limit.aborted || !more) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
};

const generate = async (): Promise<Key> => {
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  // In the order that the thumbprint wants.
  const { crv, kty, x, y } = (await crypto.subtle.exportKey('jwk', publicKey)) as Key['jwk'];
  const jwk = { crv, kty, x, y } as Key['jwk'];
  return { privateKey, jwk, jkt: await hash(JSON.stringify(jwk)) };
};

/**
 * A `fetch` that sends a proof along: with the requests that get tokens, and with those that carry a token which is bound
 * to a key, which is then sent by the scheme `DPoP`. Others are fetched as they are, and so is everything as long as no
 * login has made a key. A request is repeated if the server asks for a nonce, or if it refuses the proof and its clock
 * differs from this device's.
 *
 * Each login has a key of its own. Once the server has accepted the login, the key replaces the one before in IndexedDB,
 * for all tabs; if that fails, it ends with the page. Rejects as `fetch`, if no key can be made for a login, and if the
 * stored key is needed and cannot be read.
 */
export const dpopFetch = (options: DpopOptions = {}): typeof fetch => {
  const { key: name = 'auth', routes = ['login', 'refresh', 'step-up', 'password'].map((route) => '/auth/' + route) } = options;
  const page = globalThis as Partial<typeof globalThis>;
  /** The last nonce of each origin. */
  const nonces = new Map<string, string>();
  /** The key of the last login of this page, if it could not be stored. */
  let own: Key | undefined;
  /** The stored key when it was last read. */
  let seen: Key | undefined;
  /** How far the server's clock is ahead of this device's, in milliseconds. */
  let ahead = 0;

  const address = (path: string | URL) => new URL(path, page.location as unknown as string).href;

  const keep = async (key: Key) => {
    own = key;
    if (page.indexedDB)
      await stored(name, key).then(
        () => (own = undefined),
        () => {},
      );
  };

  /** The key with this thumbprint, or else the one that is kept. */
  const find = async (jkt?: string) => {
    if (own && (!jkt || jkt == own.jkt)) return own;
    if (jkt && jkt == seen?.jkt) return seen;
    if (page.indexedDB) seen = await stored(name);
    // Another tab has logged in after this one.
    if (jkt && jkt == seen?.jkt) own = undefined;
    return seen ?? own;
  };

  const prove = async ({ privateKey, jwk }: Key, { method, url }: Request, token: string | undefined) => {
    const { origin, pathname } = new URL(url);
    const input =
      encode({ typ: 'dpop+jwt', alg: 'ES256', jwk }) +
      '.' +
      encode({
        jti: base64(crypto.getRandomValues(new Uint8Array(16))),
        htm: method,
        htu: origin + pathname,
        iat: Math.floor((Date.now() + ahead) / 1e3),
        nonce: nonces.get(origin),
        ath: token && (await hash(token)),
      });
    const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, bytes(input));
    return input + '.' + base64(signature);
  };

  return async (input, init) => {
    const send = options.fetch ?? page.fetch!;
    const request = new Request(input, init);
    const { url } = request;
    const { origin } = new URL(url);
    const addresses = routes.map(address);
    const route = addresses.indexOf(url);
    const token = /^Bearer (.*)/.exec(request.headers.get('authorization') ?? '')?.[1];
    const jkt = token && confirmation(token);
    // Nothing is awaited before this: a page that is left sends its logout at once or never.
    if (url == address(options.logout ?? new URL('logout', addresses[0])) || (token ? !jkt : route < 0)) return send(request);
    const login = !route && !token;
    // A login has a key of its own, so that nobody who has used the page before can go on.
    const key = login ? await generate() : await find(jkt);
    if (!key) return send(request);
    for (let more = 2; ; more--) {
      const proven = request.clone();
      const used = nonces.get(origin);
      // The answer to another request may correct it before this one's comes.
      const was = ahead;
      if (token) proven.headers.set('authorization', 'DPoP ' + token);
      proven.headers.set('dpop', await prove(key, request, token));
      const response = await send(proven);
      const { headers, ok, status } = response;
      const now = Date.now();
      const nonce = headers.get('dpop-nonce');
      if (nonce) nonces.set(origin, nonce);
      // What another route answers belongs to the application, and may be long.
      const body = route < 0 ? undefined : await response.clone().json().catch(() => {});
      const error =
        status == 401
          ? /error="?(use_dpop_nonce|invalid_dpop_proof)/.exec(headers.get('www-authenticate') ?? '')?.[1]
          : status == 400 && body?.error;
      const refused = error == 'invalid_dpop_proof';
      // The answer of a cache has an old `Date`, but no cache refuses a proof.
      const time = refused ? Date.parse(headers.get('date') ?? '') : body?.server_time * 1e3;
      const moved = Math.abs(time - now - was) > TOLERANCE;
      if (moved) ahead = time - now;
      if (more && (refused ? moved : error == 'use_dpop_nonce' && nonce && nonce != used)) continue;
      if (login && ok) await keep(key);
      return response;
    }
  };
};
