/** One request to node:http and its answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RequestError } from '../../src/run/ask/chatRequest.ts';
import type { Exchange, Headers } from '../../src/run/ask/exchange.ts';

/** How long the rest of a request that is not wanted is read, so that its client reads the answer. */
const DRAIN_MS = 5000;
/** How long a client may take to read what it was answered. */
const READ_MS = 30_000;

export class NodeExchange implements Exchange {
  private readonly request: IncomingMessage;
  private readonly response: ServerResponse;

  constructor(request: IncomingMessage, response: ServerResponse) {
    [this.request, this.response] = [request, response];
    request.on('error', () => undefined); // a client that goes is seen by its response's close
    response.on('error', () => undefined);
  }

  get method(): string {
    return this.request.method ?? '';
  }

  get url(): string {
    return this.request.url ?? '';
  }

  header(name: string): string | undefined {
    return this.request.headers[name]?.toString();
  }

  body(ms: number, onBytes: (bytes: number) => void): Promise<Uint8Array> {
    const { request } = this;
    if (/^100-continue$/i.test(request.headers.expect ?? '')) this.response.writeContinue();
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      const done = (): void => {
        clearTimeout(timer);
        request.off('data', take).off('end', end).off('error', cut).off('close', cut);
      };
      const fail = (error: unknown): void => {
        done();
        reject(error as Error);
      };
      const take = (piece: Buffer): void => {
        bytes += piece.length;
        try {
          onBytes(bytes);
          pieces.push(piece);
        } catch (error) {
          fail(error);
        }
      };
      const end = (): void => {
        done();
        resolve(Buffer.concat(pieces));
      };
      const cut = (): void => fail(new RequestError(400, 'The connection ended before the body did.'));
      const timer = setTimeout(() => {
        const seconds = Math.round(ms / 100) / 10;
        fail(new RequestError(408, `The body has not come within ${seconds} s.`, { type: 'timeout_error', code: 'request_timeout' }));
      }, ms);
      request.on('data', take).on('end', end).on('error', cut).on('close', cut);
    });
  }

  send(status: number, headers: Headers, json: string): void {
    const body = Buffer.from(json);
    const about = { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length };
    this.response.writeHead(status, { ...headers, ...about });
    this.response.end(body);
    this.closeUnread();
  }

  refuse(status: number, headers: Headers, json: string): void {
    if (!this.request.complete) this.drain();
    this.send(status, headers, json);
  }

  begin(status: number, headers: Headers): void {
    this.response.writeHead(status, headers);
  }

  write(piece: string): void {
    this.response.write(piece);
  }

  end(piece: string): void {
    this.response.end(piece);
    this.closeUnread();
  }

  drop(): void {
    this.response.destroy();
  }

  get hasBegun(): boolean {
    return this.response.headersSent;
  }

  get isGone(): boolean {
    const { destroyed, socket } = this.response;
    return destroyed || socket === null || socket.destroyed;
  }

  onGone(act: () => void): () => void {
    this.response.on('close', act);
    return () => void this.response.off('close', act);
  }

  /** A client that does not read what it asked for does not keep it here. */
  private closeUnread(): void {
    const timer = setTimeout(() => this.response.destroy(), READ_MS).unref();
    this.response.once('close', () => clearTimeout(timer));
  }

  /** Reads on for a while what nobody wants: a connection closed upon unread bytes takes the answer with it. */
  private drain(): void {
    const { socket } = this.response;
    const timer = setTimeout(() => socket?.destroy(), DRAIN_MS).unref();
    this.request.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer));
    this.request.resume();
  }
}
