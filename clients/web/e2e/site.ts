/**
 * What the browser sees: a proxy before the server that can lose, delay and falsify answers, a page that has nothing
 * but the built client, and a second origin.
 */
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, createServer, request as ask } from 'node:http';
import { createServer as createSecure } from 'node:https';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { makeCertificate } from './certificate.js';
import { Unsupported, named } from './other.js';
import { type Flags, type Server, startServer } from './servers.js';

/** What happens to a request instead of its passing through. */
export type Fault =
  /** The server answers, and nobody hears it. */
  | 'drop'
  /** It never gets to the server. */
  | 'lose'
  | { readonly delayMs: number }
  /**
   * The server's answer with some members of its JSON replaced. Make a lifetime longer only if the token is not used
   * afterwards: a slow machine reaches its real end, and the server then refuses what the client trusts.
   */
  | { readonly patch: Record<string, unknown> }
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

export interface Seen {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
}

export interface Site {
  /** The origin of the page and of the API. */
  readonly url: string;
  /** Another origin, whose `/__e2e/echo` tells what it was sent. */
  readonly other: string;
  readonly server: Server;
  /** Every request of the browser, in order. */
  readonly seen: Seen[];
  /** Called for each request that would go to the server. */
  fault: (path: string, method: string) => Fault | undefined;
  /** How many requests the server answered, whether or not the browser heard it. */
  count(path: string, status?: number): number;
  /** How many the browser sent, whatever became of them. */
  sent(path: string): number;
  /** How often something happened to a session, as the server's log says: maybe a moment after the answer. */
  happened(event: 'refreshed' | 'replayed' | 'reused'): number;
  stop(): Promise<void>;
}

// The copy that the demos embed; `npm run embed:check` fails if it differs from a fresh build.
const bundle = readFileSync('embed/auth.js');
const sessions = readFileSync('dist/sessions.js');
const dpop = readFileSync('dist/dpop.js');

// WebKit takes a `Secure` cookie over HTTPS alone, on this machine too.
const certificate = named == 'webkit' ? makeCertificate() : undefined;
const scheme = certificate ? 'https' : 'http';

const listen = async (handler: (request: IncomingMessage, response: ServerResponse) => void) => {
  const server = certificate ? createSecure(certificate, handler) : createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
};

/** `host` is the name under which the browser finds the site. */
export type SiteFlags = Partial<Flags> & { readonly host?: string };

export const startSite = async ({ host = '127.0.0.1', ...flags }: SiteFlags): Promise<Site> => {
  if (certificate && host != '127.0.0.1') throw new Unsupported('it finds no name that is not secure');
  const seen: Seen[] = [];
  const answered: { readonly path: string; readonly status: number }[] = [];
  let target: Server;

  const own = (request: IncomingMessage, response: ServerResponse): boolean => {
    const url = new URL(request.url!, 'http://site');
    const cors = {
      'access-control-allow-origin': request.headers.origin ?? '*',
      'access-control-allow-headers': 'authorization',
      'access-control-expose-headers': 'www-authenticate',
    };
    if (url.pathname == '/__e2e.html') {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>test</title>');
    } else if (url.pathname == '/__e2e/auth.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(bundle);
    } else if (url.pathname == '/__e2e/sessions.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(sessions);
    } else if (url.pathname == '/__e2e/dpop.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(dpop);
    } else if (url.pathname == '/__e2e/echo') {
      response.writeHead(200, { 'content-type': 'application/json', ...cors }).end(JSON.stringify(request.headers));
    } else if (url.pathname == '/__e2e/redirect') {
      response.writeHead(307, { location: url.searchParams.get('to')!, ...cors }).end();
    } else if (url.pathname == '/__e2e/forbidden') {
      response.writeHead(401, { 'www-authenticate': 'Bearer error="insufficient_user_authentication"' }).end();
    } else return false;
    return true;
  };

  const pass = (request: IncomingMessage, response: ServerResponse, fault: Fault | undefined) => {
    const { hostname, port } = new URL(target.url);
    const onward = ask(
      { hostname, port, method: request.method, path: request.url, headers: request.headers },
      (answer) => {
        answered.push({ path: request.url!.split('?')[0]!, status: answer.statusCode! });
        if (fault == 'drop') {
          answer.resume();
          answer.on('end', () => request.socket.destroy());
          return;
        }
        if (typeof fault == 'object' && 'patch' in fault) {
          json(answer).then((body) => {
            const { 'content-length': _, ...headers } = answer.headers;
            response.writeHead(answer.statusCode!, headers).end(JSON.stringify({ ...(body as object), ...fault.patch }));
          });
          return;
        }
        setTimeout(
          () => {
            response.writeHead(answer.statusCode!, answer.headers);
            answer.pipe(response);
          },
          typeof fault == 'object' && 'delayMs' in fault ? fault.delayMs : 0,
        ).unref();
      },
    );
    onward.on('error', () => request.socket.destroy());
    request.pipe(onward);
  };

  const logged = (line: RegExp) => target.log().filter((each) => line.test(each)).length;

  const site: Site = {
    url: '',
    other: '',
    server: undefined as never,
    seen,
    fault: () => undefined,
    count: (path, status) => answered.filter((each) => each.path == path && each.status == (status ?? each.status)).length,
    sent: (path) => seen.filter((entry) => entry.path == path).length,
    happened: (event) => logged(new RegExp(`\\bevent=${event}\\b`)),
    async stop() {
      for (const { server } of [front, second]) {
        server.closeAllConnections();
        server.close();
      }
      await target.stop();
    },
  };

  const front = await listen((request, response) => {
    const path = request.url!.split('?')[0]!;
    const { authorization } = request.headers;
    seen.push({ at: Date.now(), method: request.method!, path, authorization });
    if (own(request, response)) return;
    const fault = site.fault(path, request.method!);
    if (fault == 'lose') request.socket.destroy();
    else if (typeof fault == 'object' && 'status' in fault) {
      request.resume();
      response.writeHead(fault.status, fault.headers).end(fault.body);
    } else pass(request, response, fault);
  });
  const second = await listen((request, response) => own(request, response) || response.writeHead(404).end());
  const origin = `${scheme}://${host}:${front.port}`;
  target = await startServer({ accessTtl: 300, grace: 30, tolerance: 5, origin, ...flags });
  return Object.assign(site, { url: origin, other: `${scheme}://127.0.0.1:${second.port}`, server: target });
};
