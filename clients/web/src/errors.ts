import { max } from './record.js';

/**
 * What promises of this client reject with, told apart by `name` as the platform's own errors are; a network failure
 * of a request that the application asked for stays the `TypeError` of `fetch`.
 */
export type AuthError = LoginRequired | RefreshUnavailable | RequestRefused;

/** There is no session, or it has ended: the user must log in. */
export interface LoginRequired extends Error {
  readonly name: 'LoginRequired';
  /**
   * As in the event `signedOut`; `none` if nobody was signed in, `disposed` after `dispose()`. With the transport `cookie`
   * the server is asked first if nobody is known to be signed in: then it is what the server answers, as `invalid_request`.
   */
  readonly reason: string;
}

/** The token could not be renewed now. The session has not ended. */
export interface RefreshUnavailable extends Error {
  readonly name: 'RefreshUnavailable';
  /** When the next attempt is due, in milliseconds by this device's wall clock. */
  readonly retryAt: number;
}

/** The server answered with an error: to `login` or `stepUp`, or to a function of `@hallpass/web/sessions`. */
export interface RequestRefused extends Error {
  readonly name: 'RequestRefused';
  readonly status: number;
  /** The member `error` of the answer, such as `invalid_credentials`. */
  readonly error?: string;
  /** Milliseconds; 0 if the server does not say. */
  readonly retryAfterMs: number;
}

type Detail<E> = E extends AuthError ? Omit<E, 'message' | 'stack' | 'cause'> : never;

/** An error with these members, whose message says what to do. */
export const failure = (detail: Detail<AuthError>): Error => {
  const { reason, error = 'retry later' } = detail as Partial<LoginRequired & RequestRefused>;
  return Object.assign(Error(reason ? 'log in: ' + reason : error), detail);
};

/** What an answer of this project's routes, or of a token endpoint, says. */
export const read = async (response: Response) => {
  const { headers, status } = response;
  const after = headers.get('retry-after')!;
  return {
    status,
    body: await response.json().catch(() => {}),
    // A date is measured by the server's own clock, never by this device's.
    retryAfterMs: max(0, +after * 1e3 || Date.parse(after) - Date.parse(headers.get('date')!) || 0),
  };
};

/** The response, or {@link RequestRefused} if it has an error status. */
export const expect = async (response: Response): Promise<Response> => {
  if (response.ok) return response;
  const { body, ...detail } = await read(response);
  throw failure({ name: 'RequestRefused', error: body?.error, ...detail });
};
