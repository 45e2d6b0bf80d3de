/**
 * The HTTP contract in miniature, for the browser tests: the routes, the three transports and the decision table of
 * the design. Tokens are readable and unsigned; nothing here is meant to be safe.
 */
import { randomBytes } from 'node:crypto';
import { type IncomingMessage, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Flags, StartServer } from './servers.js';

interface Session {
  readonly id: string;
  readonly transport: string;
  generation: number;
  rotatedAt: number;
  ended: string | undefined;
  readonly createdAt: number;
}

interface Reply {
  status: number;
  body?: unknown;
  headers?: Record<string, string | string[]>;
}

const PASSWORDS: Record<string, string> = { alice: 'wonderland', bob: 'builder' };

const read = async (request: IncomingMessage): Promise<Record<string, string>> => {
  let text = '';
  for await (const chunk of request) text += chunk;
  if (request.headers['content-type']?.startsWith('application/json')) return JSON.parse(text || '{}');
  return Object.fromEntries(new URLSearchParams(text));
};

const cookies = (request: IncomingMessage): Record<string, string> =>
  Object.fromEntries((request.headers.cookie ?? '').split('; ').map((pair) => pair.split('=') as [string, string]));

const seconds = (): number => Math.floor(Date.now() / 1e3);

export const startMock: StartServer = async (flags: Flags) => {
  const sessions = new Map<string, Session>();
  const log: string[] = [];

  const refreshToken = (session: Session): string => `r.${session.id}.${session.generation}`;
  const sessionOf = (token = ''): Session | undefined => sessions.get(token.split('.')[1] ?? '');

  const tokens = (session: Session): Reply => {
    const now = seconds();
    const common = { session_id: session.id, server_time: now };
    if (session.transport == 'session')
      return {
        status: 200,
        body: { ...common, session_expires_in: 2592000, session_expires_at: now + 2592000 },
        headers: { 'set-cookie': `__Host-Http-session=c.${session.id}; Path=/; HttpOnly; Secure; SameSite=Lax; Priority=High` },
      };
    const header = session.transport == 'header';
    return {
      status: 200,
      body: {
        ...common,
        token_type: 'Bearer',
        access_token: `a.${session.id}.${now + flags.accessTtl}.${randomBytes(6).toString('hex')}`,
        expires_in: flags.accessTtl,
        access_expires_at: now + flags.accessTtl,
        ...(header && { refresh_token: refreshToken(session) }),
        refresh_expires_in: 2592000,
        refresh_grace: flags.grace,
      },
      headers: header
        ? {}
        : { 'set-cookie': `__Host-Http-refresh=${refreshToken(session)}; Path=/; HttpOnly; Secure; SameSite=Strict; Priority=High` },
    };
  };

  const refresh = async (request: IncomingMessage): Promise<Reply> => {
    const { refresh_token: sent } = await read(request);
    const cookie = cookies(request)['__Host-Http-refresh'];
    if ((sent && cookie) || (!sent && !cookie)) return { status: 400, body: { error: 'invalid_request' } };
    const say = (event: string) => log.push(`event=${event}`);
    const refuse = (reason: string): Reply => ({ status: 400, body: { error: 'invalid_grant', reason } });
    const session = sessionOf(sent ?? cookie);
    if (!session) return refuse('unknown');
    if (session.ended) return refuse(session.ended);
    const generation = Number((sent ?? cookie)!.split('.')[2]);
    const age = Date.now() - session.rotatedAt;
    const within = flags.grace > 0 && age <= (flags.grace + flags.tolerance) * 1e3;
    if (generation == session.generation && !(generation && within)) {
      say('refreshed');
      session.generation++;
      session.rotatedAt = Date.now();
    } else if (generation >= session.generation - 1 && within) say('replayed');
    else {
      session.ended = 'revoked';
      say('reused');
      return refuse('reused');
    }
    return tokens(session);
  };

  const challenge = (error?: string): Reply => ({
    status: 401,
    body: { error: error ?? 'unauthorized' },
    headers: { 'www-authenticate': `Bearer realm="mock"${error ? `, error="${error}"` : ''}` },
  });

  const authenticate = (request: IncomingMessage): Session | Reply => {
    const bearer = /^bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
    const token = bearer ?? cookies(request)['__Host-Http-session'];
    if (!token) return challenge();
    const session = sessionOf(token);
    const expired = bearer && Number(bearer.split('.')[2]) <= seconds();
    return !session || session.ended || expired ? challenge('invalid_token') : session;
  };

  const answer = async (request: IncomingMessage): Promise<Reply> => {
    const { pathname: path, searchParams } = new URL(request.url!, 'http://mock');
    const route = `${request.method} ${path}`;
    if (route == 'POST /auth/login') {
      const { username = '', password, transport = 'header' } = await read(request);
      if (!password || PASSWORDS[username] != password)
        return { ...challenge(), body: { error: 'invalid_credentials' } };
      const id = username + randomBytes(4).toString('hex');
      const now = Date.now();
      const session = { id, transport, generation: 0, rotatedAt: 0, ended: undefined, createdAt: now };
      sessions.set(id, session);
      return tokens(session);
    }
    if (route == 'POST /auth/refresh') return refresh(request);
    if (route == 'POST /auth/step-up') {
      const { password, refresh_token } = await read(request);
      const session = sessionOf(refresh_token ?? cookies(request)['__Host-Http-refresh']);
      if (!session || session.ended) return { status: 400, body: { error: 'invalid_grant', reason: 'unknown' } };
      if (PASSWORDS[session.id.slice(0, -8)] != password)
        return { ...challenge(), body: { error: 'invalid_credentials' } };
      session.generation++;
      session.rotatedAt = Date.now();
      return tokens(session);
    }
    if (route == 'POST /auth/revoke' || route == 'POST /auth/logout') {
      const { token, refresh_token: body } = await read(request);
      const own = cookies(request);
      const bearer = request.headers.authorization?.slice(7);
      const presented = [body, bearer, own['__Host-Http-refresh'], own['__Host-Http-session']];
      for (const credential of path == '/auth/revoke' ? [token] : presented) {
        const session = sessionOf(credential);
        if (session) session.ended ??= 'revoked';
      }
      const gone = ['refresh', 'session'].map((name) => `__Host-Http-${name}=; Path=/; Secure; HttpOnly; Max-Age=0`);
      return path == '/auth/revoke' ? { status: 200 } : { status: 204, headers: { 'set-cookie': gone } };
    }
    const session = authenticate(request);
    if ('status' in session) return session;
    if (route == 'GET /auth/sessions')
      return {
        status: 200,
        body: {
          sessions: [...sessions.values()]
            .filter((each) => !each.ended && each.id.slice(0, -8) == session.id.slice(0, -8))
            .map((each) => ({
              session_id: each.id,
              current: each == session,
              transport: each.transport,
              created_at: Math.floor(each.createdAt / 1e3),
            })),
        },
      };
    if (request.method == 'DELETE' && path.startsWith('/auth/sessions')) {
      const id = path.split('/')[3];
      if (id && !sessions.has(id)) return { status: 404, body: { error: 'not_found' } };
      for (const each of sessions.values())
        if (id ? each.id == id : !(searchParams.get('keep') && each == session)) each.ended ??= 'revoked';
      return { status: 204 };
    }
    if (route == 'GET /api/me') return { status: 200, body: { sub: session.id.slice(0, -8), session_id: session.id } };
    if (route == 'POST /api/notes') return { status: 200, body: await read(request) };
    return { status: 404, body: { error: 'not_found' } };
  };

  const server = createServer((request, response) => {
    answer(request).then(
      ({ status, body, headers }) => {
        log.push(`request method=${request.method} path=${request.url!.split('?')[0]} status=${status}`);
        response.writeHead(status, { 'cache-control': 'no-store', 'content-type': 'application/json', ...headers });
        response.end(body === undefined ? undefined : JSON.stringify(body));
      },
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log: () => log,
    stop: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
};
