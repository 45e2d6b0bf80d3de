/**
 * A server over HTTPS that can fail: a proxy with a certificate of its own before a demo, which can be restarted. It
 * loses answers, keeps a route away and refuses others, and counts what was answered.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, request as ask } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate } from '../e2e/certificate.js';
import { type Server, startBehind } from '../e2e/servers.js';

export interface Front {
  readonly url: string;
  /** For `--ignore-certificate-errors-spki-list`. */
  readonly pin: string;
  /** A folder that is deleted at the end. */
  readonly folder: string;
  server: Server;
  /** The share of answers that nobody hears. */
  loss: number;
  /** Paths of which nobody hears any answer, and paths of which everybody hears each, whatever is the share. */
  readonly deaf: Set<string>;
  readonly spared: Set<string>;
  /** The paths of the answers that nobody heard. */
  readonly unheard: string[];
  /** The status of requests that do not get to the server, by their path. */
  away: Map<string, number>;
  /** What the server offered browsers to register with. */
  readonly offers: string[];
  /** Paths whose answers get an offer to register, as who sits between a browser and the server could give one. */
  readonly forged: Map<string, string>;
  /** Of each request that was answered 401: why the browser says that it has not renewed, if it does. */
  readonly refused: (string | undefined)[];
  /** How many requests to a path were answered so by the server. */
  count(path: string, status?: number): number;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** The field with which a server offers a browser to register a key. */
const OFFER = 'secure-session-registration';

export const startFront = async (flags: readonly string[] = []): Promise<Front> => {
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-front-'));
  const { key, cert, pin } = makeCertificate();
  const answered: { path: string; status: number }[] = [];

  const pass = (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url!.split('?')[0]!;
    const away = front.away.get(path);
    if (away) {
      response.writeHead(away, away == 429 ? { 'retry-after': '1' } : {}).end();
      return;
    }
    const { hostname, port } = new URL(front.server.url);
    const lost = front.deaf.has(path) || (!front.spared.has(path) && Math.random() < front.loss);
    const onward = ask({ hostname, port, method: request.method, path: request.url, headers: request.headers }, (answer) => {
      answered.push({ path, status: answer.statusCode! });
      const offer = answer.headers[OFFER]?.toString();
      if (offer) front.offers.push(offer);
      const forged = front.forged.get(path);
      if (answer.statusCode == 401) front.refused.push(request.headers['secure-session-skipped']?.toString());
      if (lost) {
        front.unheard.push(path);
        answer.resume();
        answer.on('end', () => request.socket.destroy());
        return;
      }
      response.writeHead(answer.statusCode!, forged ? { ...answer.headers, [OFFER]: forged } : answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => request.socket.destroy());
    // The browser gave up: an event stream ends.
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  };
  const listener = createServer({ key, cert }, pass);
  // A handshake of a WebSocket, which no route of the demos accepts: the server answers as to any request.
  listener.on('upgrade', (request, socket) => {
    const { hostname, port } = new URL(front.server.url);
    const { upgrade: _, connection: __, ...headers } = request.headers;
    ask({ hostname, port, method: request.method, path: request.url, headers }, (answer) => {
      answered.push({ path: `websocket ${request.url}`, status: answer.statusCode! });
      answer.resume();
      socket.destroy();
    }).end();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  const start = () =>
    startBehind([
      ...['--origin', url, '--binding', 'require', '--keys', join(folder, 'keys.json')],
      ...['--store', `sqlite:${join(folder, 'sessions.db')}`, ...flags],
    ]);
  const front: Front = {
    url,
    folder,
    pin,
    server: await start(),
    loss: 0,
    deaf: new Set(),
    spared: new Set(),
    unheard: [],
    away: new Map(),
    offers: [],
    forged: new Map(),
    refused: [],
    count: (path, status) => answered.filter((one) => one.path == path && (!status || one.status == status)).length,
    restart: async () => {
      await front.server.stop();
      front.server = await start();
    },
    stop: async () => {
      listener.close();
      listener.closeAllConnections();
      await front.server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return front;
};
