/**
 * What the browser sees: a proxy before the server that can lose, delay and falsify answers, a page that has nothing
 * but the built client, and a second origin.
 */
import { readFileSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, createServer, request as ask } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Flags, type Server, startServer } from './servers.js';

/** What happens to a request instead of its passing through. */
export type Fault =
  /** The server answers, and nobody hears it. */
  | 'drop'
  /** It never gets to the server. */
  | 'lose'
  | { readonly delayMs: number }
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

export interface Seen {
  readonly at: number;
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  status: number;
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
  count(path: string, status?: number): number;
  stop(): Promise<void>;
}

// The copy that is embedded, as a page of the examples gets it; a test elsewhere proves that it is fresh.
const bundle = readFileSync('embed/auth.js');

const listen = async (handler: (request: IncomingMessage, response: ServerResponse) => void) => {
  const server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
};

export const startSite = async ({
  host = '127.0.0.1',
  ...flags
}: Partial<Flags> & { host?: string } = {}): Promise<Site> => {
  const seen: Seen[] = [];
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
    } else if (url.pathname == '/__e2e/echo') {
      response.writeHead(200, { 'content-type': 'application/json', ...cors }).end(JSON.stringify(request.headers));
    } else if (url.pathname == '/__e2e/redirect') {
      response.writeHead(307, { location: url.searchParams.get('to')!, ...cors }).end();
    } else if (url.pathname == '/__e2e/forbidden') {
      response.writeHead(401, { 'www-authenticate': 'Bearer error="insufficient_user_authentication"' }).end();
    } else return false;
    return true;
  };

  const pass = (request: IncomingMessage, response: ServerResponse, entry: Seen, fault: Fault | undefined) => {
    const { hostname, port } = new URL(target.url);
    const onward = ask(
      { hostname, port, method: request.method, path: request.url, headers: request.headers },
      (answer) => {
        entry.status = answer.statusCode!;
        if (fault == 'drop') {
          answer.resume();
          answer.on('end', () => request.socket.destroy());
          return;
        }
        setTimeout(
          () => {
            response.writeHead(answer.statusCode!, answer.headers);
            answer.pipe(response);
          },
          typeof fault == 'object' && 'delayMs' in fault ? fault.delayMs : 0,
        );
      },
    );
    onward.on('error', () => request.socket.destroy());
    request.pipe(onward);
  };

  const site: Site = {
    url: '',
    other: '',
    server: undefined as never,
    seen,
    fault: () => undefined,
    count: (path, status) =>
      seen.filter((entry) => entry.path == path && (status === undefined || entry.status == status)).length,
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
    const entry = { at: Date.now(), method: request.method!, path, authorization, status: 0 };
    seen.push(entry);
    if (own(request, response)) return;
    const fault = site.fault(path, request.method!);
    if (fault == 'lose') request.socket.destroy();
    else if (typeof fault == 'object' && 'status' in fault) {
      request.resume();
      entry.status = fault.status;
      response.writeHead(fault.status, fault.headers).end(fault.body);
    } else pass(request, response, entry, fault);
  });
  const second = await listen((request, response) => own(request, response) || response.writeHead(404).end());
  const origin = `http://${host}:${front.port}`;
  target = await startServer({ accessTtl: 300, grace: 30, tolerance: 5, origin, ...flags });
  return Object.assign(site, { url: origin, other: `http://127.0.0.1:${second.port}`, server: target });
};
