/** The user's sessions, as this project's servers list and end them. A module of its own: not every page needs it. */
import { expect } from './errors.js';
import type { Auth, Transport } from './options.js';

/** One of the user's sessions; times are Unix seconds by the server's clock. */
export interface Session {
  readonly session_id: string;
  readonly current: boolean;
  readonly created_at: number;
  readonly last_seen_at: number;
  readonly expires_at: number;
  readonly transport: Transport;
  readonly device: { readonly label?: string; readonly user_agent?: string; readonly ip_prefix?: string };
}

/**
 * The session of the user who is signed in; `undefined` if nobody is. For a page that asks when it loads.
 *
 * Asks the server only if this browser knows of a session, or with the transport `session`, whose cookie no script sees.
 * Rejects as `auth.fetch` if that cannot be known now, and with `RequestRefused` on another error status than 401.
 */
export const currentSession = async (
  auth: Pick<Auth, 'fetch'>,
  url = '/auth/session',
): Promise<Session | undefined> => {
  try {
    const response = await auth.fetch(url);
    return response.status == 401 ? undefined : await (await expect(response)).json();
  } catch (error) {
    if ((error as Error).name != 'LoginRequired') throw error;
    return undefined;
  }
};

/** The user's live sessions. Rejects as `auth.fetch`, and with `RequestRefused` on an error status. */
export const listSessions = async (auth: Pick<Auth, 'fetch'>, url = '/auth/sessions'): Promise<Session[]> =>
  (await (await expect(await auth.fetch(url))).json()).sessions;

/** Ends one of the user's sessions, or all `others` than this one. Rejects as `listSessions`. */
export const endSession = async (auth: Pick<Auth, 'fetch'>, id: string, url = '/auth/sessions'): Promise<void> => {
  const target = url + (id == 'others' ? '?keep=current' : '/' + encodeURIComponent(id));
  await expect(await auth.fetch(target, { method: 'DELETE' }));
};
