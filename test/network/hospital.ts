/**
 * A network as hospitals have it, on local ports: a proxy that notes who comes by and may want a password, and an https server whose
 * certificate only the network's own authority vouches for, in front of any http server. `ca.pem`, `server.crt.pem` and `server.key` are
 * for tests alone, valid for a hundred years, the key of the authority thrown away; README.md says how they were made.
 */
import { readFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
export const CA_FILE = beside('ca.pem');

async function listening(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
}

/** Passes requests on to `target` as they come, and the answers back. */
function passOn(request: IncomingMessage, response: ServerResponse, target: URL): void {
  const onward = httpRequest(target, { method: request.method, headers: { ...request.headers, host: target.host } }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    // A connection that is cut off behind us is cut off before us.
    answer.on('aborted', () => response.destroy());
  });
  onward.on('error', () => response.destroy());
  request.pipe(onward);
}

/** https://localhost:port in front of an http address. */
export class TlsFront {
  #server: Server | undefined;
  port = 0;

  async start(target: string): Promise<this> {
    const options = { key: readFileSync(beside('server.key')), cert: readFileSync(beside('server.crt.pem')) };
    this.#server = createTlsServer(options, (request, response) => passOn(request, response, new URL(request.url ?? '/', target)));
    this.port = await listening(this.#server);
    return this;
  }

  get address(): string {
    return `https://localhost:${this.port}`;
  }

  close(): Promise<void> {
    return closed(this.#server!);
  }
}

export class Proxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  port = 0;
  /** "user:password" that it wants. */
  signIn: string | undefined;
  /** Answers everything with it. */
  refusal: number | undefined;
  /** CONNECT to another port than this is answered by 403, as squid does. */
  tunnels: 'all' | 'none' = 'all';
  /** "CONNECT host:port" and "GET http://host/…". */
  readonly seen: string[] = [];
  bytesThrough = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      this.seen.push(`${request.method ?? ''} ${request.url ?? ''}`);
      const status = this.#refusalOf(request);
      if (status !== undefined) return void response.writeHead(status, status === 407 ? { 'Proxy-Authenticate': 'Basic realm="hospital"' } : {}).end('refused');
      delete request.headers['proxy-authorization'];
      passOn(request, response, new URL(request.url ?? '/'));
    });
    this.#server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.seen.push(`CONNECT ${request.url ?? ''}`);
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      const status = this.#refusalOf(request) ?? (this.tunnels === 'none' ? 403 : undefined);
      if (status !== undefined) {
        socket.end(`HTTP/1.1 ${status} Refused\r\n${status === 407 ? 'Proxy-Authenticate: Basic realm="hospital"\r\n' : ''}Content-Length: 0\r\n\r\n`);
        return;
      }
      const [host = '', port = ''] = (request.url ?? '').split(':');
      // Every name leads to this machine, so that a test can have any.
      const onward = connect(Number(port), host.endsWith('.test') ? '127.0.0.1' : host, () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        onward.write(head);
        onward.pipe(socket);
        socket.pipe(onward);
      });
      onward.on('data', (piece: Buffer) => (this.bytesThrough += piece.length));
      onward.on('error', () => socket.destroy());
      onward.on('close', () => socket.destroy());
      socket.on('close', () => onward.destroy());
    });
  }

  #refusalOf(request: IncomingMessage): number | undefined {
    if (this.refusal !== undefined) return this.refusal;
    if (this.signIn === undefined) return undefined;
    return request.headers['proxy-authorization'] === `Basic ${Buffer.from(this.signIn).toString('base64')}` ? undefined : 407;
  }

  async start(): Promise<this> {
    this.port = await listening(this.#server);
    return this;
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await closed(this.#server);
  }
}
