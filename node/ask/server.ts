/**
 * HTTP for `ask --serve`, on 127.0.0.1 alone: connections, their limits and their ends. What is asked and answered over them is
 * src/run/ask/service.ts.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { RequestError } from '../../src/run/ask/chatRequest.ts';
import { Service } from '../../src/run/ask/service.ts';
import type { Serve } from '../../src/run/ask/service.ts';
import { NodeExchange } from './exchange.ts';

const HEADERS_MS = 10_000;
const IDLE_MS = 10_000;
const MAX_CONNECTIONS = 1024;
/** Of what the operating system holds before we accept it. */
const BACKLOG = 511;

export const serve: Serve = async (settings) => {
  const keyHash = hashOf(settings.key);
  // Hashes are of one length, whatever is sent, and are compared in the same time.
  const service = new Service(settings, (key) => timingSafeEqual(hashOf(key), keyHash));
  const server = createServer({
    connectionsCheckingInterval: 1000,
    headersTimeout: HEADERS_MS,
    requestTimeout: 0,
    keepAliveTimeout: IDLE_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  const handle = (request: IncomingMessage, response: ServerResponse): void => void service.handle(new NodeExchange(request, response));
  server.on('request', handle).on('checkContinue', handle).on('clientError', tellBroken);
  // Neither is spoken here.
  server.on('upgrade', (_request, socket: Duplex) => socket.destroy()).on('connect', (_request, socket: Duplex) => socket.destroy());
  await listening(server, settings.port);
  const { port } = server.address() as AddressInfo;
  service.hosts = ['127.0.0.1', 'localhost', '[::1]'].flatMap((host) => (port === 80 ? [host, `${host}:80`] : [`${host}:${port}`]));
  return {
    port,
    async close() {
      service.stop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
    held: () => service.held(),
  };
};

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** What is no HTTP, or too slow to be. */
function tellBroken(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [status, words] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'The request has not come in time.']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'The headers are too long.']
        : ['400 Bad Request', 'The request is not valid HTTP.'];
  const body = JSON.stringify(new RequestError(400, words).body);
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
  setTimeout(() => socket.destroy(), 1000).unref();
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
