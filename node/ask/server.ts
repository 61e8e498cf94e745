/**
 * `ask --serve`: OpenAI's chat completions over HTTP on 127.0.0.1, for one model. Who asks must bring the key and name this machine as the
 * host (a page that has its own name resolve to 127.0.0.1 is sent away); a request is taken in only where there is a place for it, waits
 * for its turn, and ends when its client goes. No header allows pages of other origins to read answers, and nothing in a request names a
 * file.
 */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { parseJson } from '../../src/io/parseJson.ts';
import type { ChatAnswered, ChatListening } from '../../src/run/ask/chat.ts';
import { chunkStream, completion, event, modelEntry, modelList } from '../../src/run/ask/chatAnswer.ts';
import type { ChatHead, ChunkStream } from '../../src/run/ask/chatAnswer.ts';
import { readChatRequest, RequestError } from '../../src/run/ask/chatRequest.ts';
import type { ChatRequest } from '../../src/run/ask/chatRequest.ts';
import { redact } from '../../src/track/secrets.ts';
import { Bodies } from './body.ts';
import { Turns } from './turns.ts';

export interface ServeSettings {
  port: number;
  key: string;
  /** As /v1/models tells it. */
  model: string;
  maxNewTokens: number;
  /** Requests that are in at a time. */
  queue: number;
  bodyBytes: number;
  /** Until a body has come. */
  bodyMs: number;
  /** Until a request is given up. */
  requestMs: number;
  answer: (chat: ChatRequest, listening: ChatListening) => Promise<ChatAnswered>;
  /** Told of what went wrong with us, not with a request. */
  onFailure: (error: unknown) => void;
}

export interface Serving {
  port: number;
  /** What is under way is broken off. */
  close(): Promise<void>;
  /** Of requests and bytes of bodies, for tests. */
  held(): { requests: number; bytes: number };
}

/** All bodies together, in bodies of the largest size. */
const HELD_BODIES = 8;
/** How long the rest of a request that is not wanted is read, so that its client reads the answer. */
const DRAIN_MS = 5000;
/** How long a client may take to read what it was answered. */
const READ_MS = 30_000;
const HEADERS_MS = 10_000;
const IDLE_MS = 10_000;
const MAX_CONNECTIONS = 1024;
/** Of what the operating system holds before we accept it. */
const BACKLOG = 511;

export async function serve(settings: ServeSettings): Promise<Serving> {
  const service = new Service(settings);
  const server = createServer({
    connectionsCheckingInterval: 1000,
    headersTimeout: HEADERS_MS,
    requestTimeout: 0,
    keepAliveTimeout: IDLE_MS,
  });
  server.maxConnections = MAX_CONNECTIONS;
  const handle = (request: IncomingMessage, response: ServerResponse): void => void service.handle(request, response);
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
}

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

class Service {
  hosts: string[] = [];
  private readonly settings: ServeSettings;
  private readonly turns: Turns;
  private readonly bodies: Bodies;
  private readonly keyHash: Buffer;
  private readonly startedAt = Date.now();
  /** Of the requests that are in. A signal of the server's own would have to be listened to by each of them. */
  private readonly endings = new Set<Ending>();
  private stopped: RequestError | undefined;

  constructor(settings: ServeSettings) {
    this.settings = settings;
    this.turns = new Turns(settings.queue);
    this.bodies = new Bodies({ bytes: settings.bodyBytes, heldBytes: HELD_BODIES * settings.bodyBytes, ms: settings.bodyMs });
    this.keyHash = hashOf(settings.key);
  }

  stop(): void {
    this.stopped = new RequestError(503, 'The server is being stopped.', { type: 'server_error', code: 'stopping' });
    for (const ending of this.endings) ending.abort(this.stopped);
  }

  held(): { requests: number; bytes: number } {
    return { requests: this.turns.count, bytes: this.bodies.heldBytes };
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => undefined); // a client that goes is seen by its response's close
    response.on('error', () => undefined);
    try {
      await this.route(request, response).catch((error: unknown) => this.refuse(request, response, error));
    } catch (error) {
      this.settings.onFailure(error);
      response.destroy();
    }
  }

  private async route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.checkCaller(request);
    const [path = ''] = (request.url ?? '').split('?');
    const { model } = this.settings;
    if (path === '/v1/chat/completions') {
      checkMethod(request, 'POST');
      await this.complete(request, response);
    } else if (path === '/v1/models') {
      checkMethod(request, 'GET');
      sendJson(response, 200, modelList(model, this.startedAt));
    } else if (path === `/v1/models/${model}` || path === `/v1/models/${encodeURIComponent(model)}`) {
      checkMethod(request, 'GET');
      sendJson(response, 200, modelEntry(model, this.startedAt));
    } else {
      throw new RequestError(404, 'There is nothing here; POST /v1/chat/completions and GET /v1/models are served.', {
        code: 'unknown_url',
      });
    }
  }

  private checkCaller({ headers }: IncomingMessage): void {
    if (!this.hosts.includes((headers.host ?? '').toLowerCase()))
      throw new RequestError(403, `The Host header is none of ${this.hosts.join(', ')}; the server is for this machine alone.`, {
        type: 'permission_error',
        code: 'wrong_host',
      });
    const [, key] = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? [];
    // Hashes are of one length, whatever is sent, and are compared in the same time.
    if (timingSafeEqual(hashOf(key ?? ''), this.keyHash) && key !== undefined) return;
    const words =
      key === undefined
        ? 'No key: send the header Authorization: Bearer KEY, with the key that was printed when the server started.'
        : 'The key is not the one that was printed when the server started.';
    throw new RequestError(401, words, { type: 'authentication_error', code: 'invalid_api_key' });
  }

  private async complete(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/json')
      throw new RequestError(415, 'The body should be JSON, and Content-Type: application/json say so.', {
        code: 'unsupported_media_type',
      });
    if (!['', 'identity'].includes(request.headers['content-encoding'] ?? ''))
      throw new RequestError(415, 'The body should not be compressed (Content-Encoding).', { code: 'unsupported_encoding' });
    const leave = this.turns.enter();
    if (leave === undefined)
      throw new RequestError(503, `${this.settings.queue} requests are being answered or wait (--serve_queue); try again later.`, {
        type: 'server_error',
        code: 'overloaded',
        retryAfter: 2,
      });
    const ending = endOf(response, this.settings.requestMs);
    this.endings.add(ending);
    if (this.stopped) ending.abort(this.stopped);
    try {
      await this.bodies.read(request, response, async (body) => {
        ending.signal.throwIfAborted();
        const chat = readChatRequest(parsed(body), this.settings);
        await this.turns.take(ending.signal, () => this.write(response, chat, ending.signal));
      });
    } finally {
      this.endings.delete(ending);
      ending.release();
      leave();
    }
  }

  private async write(response: ServerResponse, chat: ChatRequest, stop: AbortSignal): Promise<void> {
    const head: ChatHead = {
      id: `chatcmpl-${randomUUID().replaceAll('-', '')}`,
      created: Math.floor(Date.now() / 1000),
      model: this.settings.model,
    };
    if (!chat.isStream) {
      const { written, own } = await this.settings.answer(chat, { stop, onStart: () => undefined });
      sendJson(response, 200, completion(head, written, own));
      return;
    }
    const chunks: ChunkStream = chunkStream(head, chat.includesUsage);
    const { written, own } = await this.settings.answer(chat, {
      stop,
      onStart() {
        response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' });
        response.write(chunks.first());
      },
      onText: (piece) => void response.write(chunks.piece(piece)),
    });
    response.end(chunks.last(written, own));
    closeUnread(response);
  }

  /** Tells the client what is wrong, as long as it is there; what is wrong with us is told here, and the client hears only that it is. */
  private refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const isGone = response.destroyed || response.socket === null || response.socket.destroyed;
    const told =
      error instanceof RequestError
        ? error
        : new RequestError(500, 'The answer could not be computed; the terminal of the server says why.', { type: 'server_error' });
    if (!(error instanceof RequestError) && error !== GONE) this.settings.onFailure(error);
    if (isGone || error === GONE) {
      response.destroy();
      return;
    }
    if (response.headersSent) {
      response.end(event(shown(told)) + 'data: [DONE]\n\n');
      closeUnread(response);
      return;
    }
    const more: Record<string, string> = {};
    if (told.retryAfter !== undefined) more['Retry-After'] = String(told.retryAfter);
    if (told.status === 405) more['Allow'] = told.param ?? '';
    if (told.status === 401) more['WWW-Authenticate'] = 'Bearer';
    if (!request.complete) drain(request, response.socket);
    sendJson(response, told.status, shown(told), more);
  }
}

function shown(error: RequestError): RequestError['body'] {
  const { error: told } = error.body;
  return { error: { ...told, message: redact(told.message) } };
}

/** Why work ends whose client has gone. */
const GONE = new Error('the client has gone');

/** A signal that ends a request's work: its client goes, its time is over, the server stops. */
interface Ending {
  signal: AbortSignal;
  abort: (reason: unknown) => void;
  release: () => void;
}

function endOf(response: ServerResponse, ms: number): Ending {
  const controller = new AbortController();
  const abort = (reason: unknown): void => controller.abort(reason);
  const gone = (): void => abort(GONE);
  const late = new RequestError(504, `No answer within ${ms / 1000} s (--serve_seconds).`, { type: 'timeout_error', code: 'timeout' });
  const timer = setTimeout(() => abort(late), ms);
  response.on('close', gone);
  return {
    signal: controller.signal,
    abort,
    release() {
      clearTimeout(timer);
      response.off('close', gone);
    },
  };
}

function parsed(body: Uint8Array): unknown {
  try {
    return parseJson(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message.slice(0, 200) : 'it is not UTF-8';
    throw new RequestError(400, `The body is not valid JSON: ${why}.`, { code: 'invalid_json' });
  }
}

function checkMethod({ method }: IncomingMessage, expected: 'GET' | 'POST'): void {
  if (method !== expected) throw new RequestError(405, `${expected} was expected here.`, { code: 'method_not_allowed', param: expected });
}

const HEADERS = { 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff', 'Content-Security-Policy': "default-src 'none'" };

function sendJson(response: ServerResponse, status: number, value: unknown, more: Readonly<Record<string, string>> = {}): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { ...HEADERS, 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length, ...more });
  response.end(body);
  closeUnread(response);
}

/** A client that does not read what it asked for does not keep it here. */
function closeUnread(response: ServerResponse): void {
  const timer = setTimeout(() => response.destroy(), READ_MS).unref();
  response.once('close', () => clearTimeout(timer));
}

/** Reads on for a while what nobody wants: a connection closed upon unread bytes takes the answer with it. */
function drain(request: IncomingMessage, socket: Socket | null): void {
  const timer = setTimeout(() => socket?.destroy(), DRAIN_MS).unref();
  request.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer));
  request.resume();
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
