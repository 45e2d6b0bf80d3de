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
  /** Instead of the `fetch` that is in place at the first call. */
  readonly fetch?: typeof fetch;
}

type Key = { readonly privateKey: CryptoKey; readonly jwk: { readonly [member: string]: string } };

const DATABASE = '@hallpass/web/dpop';

const bytes = (text: string) => new TextEncoder().encode(text);

const base64 = (buffer: ArrayBuffer | Uint8Array) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

const encode = (value: object) => base64(bytes(JSON.stringify(value)));

/** Opens the place of keys for one use; the key in it, or the one that is put there. */
const stored = (name: string, put?: Key): Promise<Key | undefined> =>
  new Promise((resolve, reject) => {
    const open = indexedDB.open(DATABASE);
    open.onupgradeneeded = () => open.result.createObjectStore('keys');
    open.onerror = reject;
    open.onsuccess = () => {
      const db = open.result;
      try {
        const transaction = db.transaction('keys', put ? 'readwrite' : 'readonly');
        const keys = transaction.objectStore('keys');
        const request: IDBRequest = put ? keys.put(put, name) : keys.get(name);
        transaction.oncomplete = () => resolve(put ?? (request.result as Key | undefined));
        transaction.onabort = reject;
      } catch (error) {
        reject(error);
      }
      db.close();
    };
  });

const generate = async (): Promise<Key> => {
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const { crv, kty, x, y } = (await crypto.subtle.exportKey('jwk', publicKey)) as Key['jwk'];
  return { privateKey, jwk: { crv, kty, x, y } as Key['jwk'] };
};

/**
 * A `fetch` that sends a proof along: with the requests that get tokens, and with those that carry one, which is then sent
 * by the scheme `DPoP`. Others are fetched as they are. A server that asks for a nonce is asked again with it.
 *
 * The key is kept in IndexedDB, one for all tabs, and replaced at each login; where there is no IndexedDB it ends with the
 * page. Rejects as `fetch`, and if no key can be made or kept.
 */
export const dpopFetch = (options: DpopOptions = {}): typeof fetch => {
  const { key: name = 'auth', routes = ['login', 'refresh', 'step-up', 'password'].map((route) => '/auth/' + route) } = options;
  const page = globalThis as Partial<typeof globalThis>;
  /** The last nonce of each origin. */
  const nonces = new Map<string, string>();
  let own: Key | undefined;

  const keep = async (put?: Key) => (page.indexedDB ? stored(name, put) : (own = put ?? own));

  const prove = async ({ privateKey, jwk }: Key, { method, url }: Request, token: string | undefined) => {
    const { origin, pathname } = new URL(url);
    const input =
      encode({ typ: 'dpop+jwt', alg: 'ES256', jwk }) +
      '.' +
      encode({
        jti: base64(crypto.getRandomValues(new Uint8Array(16))),
        htm: method,
        htu: origin + pathname,
        iat: Math.floor(Date.now() / 1e3),
        nonce: nonces.get(origin),
        ath: token && base64(await crypto.subtle.digest('SHA-256', bytes(token))),
      });
    const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, bytes(input));
    return input + '.' + base64(signature);
  };

  return async (input, init) => {
    const send = options.fetch ?? page.fetch!;
    const request = new Request(input, init);
    const { origin } = new URL(request.url);
    const route = routes.map((path) => new URL(path, page.location as unknown as string).href).indexOf(request.url);
    const token = /^Bearer (.*)/.exec(request.headers.get('authorization') ?? '')?.[1];
    if (route < 0 && !token) return send(request);
    const login = !route && !token;
    let key = login ? undefined : await keep();
    // A login has a key of its own, so that nobody who has used the page before can go on.
    key ??= (await keep(await generate()))!;
    const attempt = async () => {
      const proven = request.clone();
      if (token) proven.headers.set('authorization', 'DPoP ' + token);
      proven.headers.set('dpop', await prove(key, request, token));
      const response = await send(proven);
      const nonce = response.headers.get('dpop-nonce');
      if (nonce) nonces.set(origin, nonce);
      return response;
    };
    const response = await attempt();
    const asked = /use_dpop_nonce/;
    const again =
      (response.status == 401 && asked.test(response.headers.get('www-authenticate') ?? '')) ||
      (response.status == 400 && asked.test(await response.clone().text()));
    return again ? attempt() : response;
  };
};
