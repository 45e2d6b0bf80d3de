/**
 * What promises of this client reject with, told apart by `name` as the platform's own errors are; a network failure
 * of a request that the application asked for stays the `TypeError` of `fetch`.
 */
export type AuthError = LoginRequired | RefreshUnavailable | RequestRefused;

/** There is no session (any more): only a login helps. */
export interface LoginRequired extends Error {
  readonly name: 'LoginRequired';
  /** As in the event `signedOut`, or `none` where nobody was signed in, or `disposed`. */
  readonly reason: string;
}

/** The server could not be asked. The session stands. */
export interface RefreshUnavailable extends Error {
  readonly name: 'RefreshUnavailable';
  /** When the next attempt is due, in milliseconds by this device's wall clock. */
  readonly retryAt: number;
}

/** The server answered `login`, `sessions` or `endSession` with an error. */
export interface RequestRefused extends Error {
  readonly name: 'RequestRefused';
  readonly status: number;
  /** The member `error` of the answer, such as `invalid_credentials`. */
  readonly error?: string;
  /** Milliseconds; 0 where the server says nothing. */
  readonly retryAfterMs: number;
}

type Detail<E> = E extends AuthError ? Omit<E, 'message' | 'stack' | 'cause'> : never;

/** An error with these members. */
export const failure = (detail: Detail<AuthError>): Error => Object.assign(new Error(detail.name), detail);
