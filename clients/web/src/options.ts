/** What the application configures, calls and hears. */
import type { LoginRequired, RefreshUnavailable, RequestRefused } from './errors.js';
import type { SessionRecord, Write } from './record.js';
import type { TokenBody } from './machine.js';
import type { Store } from './store.js';

/** How the tokens travel; see the README for what each choice means if a script of an attacker runs in the page. */
export type Transport = 'cookie' | 'header' | 'session';

/** Other addresses than `baseUrl` followed by a slash and the name here; relative to the page, or absolute. */
export interface Routes {
  readonly login?: string;
  /** The token endpoint of RFC 6749 section 6. */
  readonly refresh?: string;
  /** Gets the refresh token as `refresh_token` and as `token`, so that it may be an RFC 7009 endpoint. */
  readonly logout?: string;
  /** RFC 7009; the empty string if there is none. */
  readonly revoke?: string;
  readonly 'step-up'?: string;
}

/** All of it may be left out. */
export interface AuthOptions {
  /** The base of the routes, relative to the page or absolute, without a slash at the end. Default `/auth`. */
  readonly baseUrl?: string;
  /** Default `cookie`. A token endpoint that knows no cookies, as those of RFC 6749, needs `header`. */
  readonly transport?: Transport;
  /** `indexeddb` (default) shares the session between tabs; `memory` ends with the page; or a place of your own. */
  readonly storage?: 'indexeddb' | 'memory' | Store;
  /**
   * Names the record, the lock and the channel. Default `auth`. Several logins of one origin at once need one each, and the
   * transport `header`: with the others they would share a cookie.
   */
  readonly key?: string;
  /** Origins that `fetch` gives the token to, compared exactly. Default: that of `baseUrl` alone. */
  readonly origins?: readonly string[];
  readonly routes?: Routes;
  /** More form parameters for the token endpoint, such as `client_id` or `scope`. Default none. */
  readonly params?: Readonly<Record<string, string>>;
  /** Instead of the `fetch` that is in place at construction. */
  readonly fetch?: typeof fetch;
}

/** A token response of RFC 6749 section 5.1, with the additions of this project if the server has them. */
export interface TokenResponse extends TokenBody {
  readonly [member: string]: unknown;
}

/** What the events carry. Times are milliseconds by this device's wall clock. */
export interface AuthEvents {
  /** This tab has a new access token, from its own renewal, from another tab, or from a login. */
  readonly refreshed: { readonly session?: string; readonly expiresAt: number };
  /**
   * Another session took the place of the one that this tab had, by a login here or in another tab: what the page shows
   * may be somebody else's. Comes instead of `refreshed`, and only from servers that name the session (`session_id`).
   */
  readonly switched: { readonly session?: string; readonly expiresAt: number };
  /**
   * The session has ended. `reason` is `logout`, what the server gave (`expired`, `revoked`, `reused`, `unknown`,
   * `malformed`, or its error code), or `storage` if something else deleted the record.
   */
  readonly signedOut: { readonly reason: string };
  /** A renewal failed and will be tried again. `status` is 0 if no answer came. */
  readonly refreshError: {
    readonly status: number;
    readonly error?: string;
    /** How many attempts have failed in a row. */
    readonly fails: number;
    readonly offline?: boolean;
    readonly retryAt: number;
  };
  /** Every step of the state machine, for a page that shows them. Not covered by semantic versioning. */
  readonly activity: {
    /** The write that was done, and whether its condition held; absent for every other step. */
    readonly write?: Write['kind'];
    readonly won?: boolean;
    /** A refresh of this tab is on its way, from the wait for the lock to the commit. */
    readonly busy: boolean;
    /** What all tabs share, without the tokens; `end` says that the session has ended, `retry` that attempts fail. */
    readonly known: Partial<Omit<SessionRecord, 'access' | 'refresh'>>;
  };
}

/** The client. Every method may be taken off the object. */
export interface Auth {
  /**
   * Sends `credentials` as JSON to the login route and keeps what it answers.
   *
   * Rejects with {@link RequestRefused} if the server refuses, and as `fetch` if it cannot be reached: with a `TypeError`, or
   * with a `TimeoutError` after 30 s.
   */
  login(credentials: Readonly<Record<string, unknown>>): Promise<TokenResponse>;
  /**
   * Authenticates again in the same session: sends `credentials` as JSON to the step-up route, with the refresh token if
   * the transport is `header`, and keeps what it answers. Asks once more if the answer is lost. Rejects as `login`,
   * but each of the two requests has 7 s at most.
   */
  stepUp(credentials: Readonly<Record<string, unknown>>): Promise<TokenResponse>;
  /**
   * Keeps a token response that the application obtained itself. `sentAt` is when it was asked for (`Date.now()`;
   * default: now). Resolves with it; rejects with a `TypeError` if it has no token.
   */
  setTokens(response: TokenResponse, sentAt?: number): Promise<TokenResponse>;
  /**
   * An access token that is believed to be good; the empty string with the transport `session`.
   *
   * `rejected` is a token that a resource server refused as invalid: if it is still the current one it is renewed first.
   * Waits at most 10 s. Rejects with {@link LoginRequired} or {@link RefreshUnavailable}.
   */
  getToken(rejected?: string): Promise<string>;
  /**
   * `fetch` with the token, for the configured origins; any other address is fetched without.
   *
   * A 401 that names `invalid_token` is answered by one renewal, and by one repetition if the body can be sent again (else
   * it is returned without a wait for the renewal); by neither if the request was redirected.
   * With the transport `session` by the repetition alone: the session has ended if that is refused as well.
   * Rejects as `getToken` and as `fetch`.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Forgets the session in every tab, then ends it on the server; `false` if the server could not be told. */
  logout(): Promise<boolean>;
  /** Calls `handler` at each such event, after the step that caused it; returns the way to stop that. */
  on<Name extends keyof AuthEvents>(name: Name, handler: (detail: AuthEvents[Name]) => void): () => void;
  /**
   * Removes timers, channel, listeners and lock. The session stays; callers who wait for a token are rejected. A login,
   * step-up or logout that has begun is finished.
   */
  dispose(): void;
}
