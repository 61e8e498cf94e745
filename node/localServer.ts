/** HTTP on 127.0.0.1 alone: connections, their limits and their ends. What is asked and answered over them is src/run's. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { brokenAnswer } from '../src/run/localServer.ts';

const HEADERS_MS = 10_000;
const IDLE_MS = 10_000;
const MAX_CONNECTIONS = 1024;
/** Of what the operating system holds before we accept it. */
const BACKLOG = 511;

export interface LocalServer {
  port: number;
  /** What is under way is broken off. */
  close(): Promise<void>;
}

/** @param onContinue of requests that ask before they send their body; absent: they may */
export async function listenLocally(port: number, onRequest: RequestListener, onContinue?: RequestListener): Promise<LocalServer> {
  const server = createServer({
    connectionsCheckingInterval: 1000,
    headersTimeout: HEADERS_MS,
    requestTimeout: 0,
    keepAliveTimeout: IDLE_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', onRequest).on('clientError', tellBroken);
  if (onContinue) server.on('checkContinue', onContinue);
  // Neither is spoken here.
  server.on('upgrade', (_request, socket: Duplex) => socket.destroy()).on('connect', (_request, socket: Duplex) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1', backlog: BACKLOG }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Whether a text is this secret. Hashes are of one length, whatever is sent, and are compared in the same time. */
export function sameAs(secret: string): (text: string) => boolean {
  const hash = hashOf(secret);
  return (text) => timingSafeEqual(hashOf(text), hash);
}

/** What is no HTTP, or too slow to be. */
function tellBroken(error: Error & { code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  socket.end(brokenAnswer(error.code));
  setTimeout(() => socket.destroy(), 1000).unref();
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
