/**
 * OpenAI's chat completions for one model, whatever speaks HTTP for it. Who asks must bring the key and name this machine as the host (a
 * page that has its own name resolve to 127.0.0.1 is sent away); a request is taken in only where there is a place for it, waits for its
 * turn, and ends when its client goes. No header allows pages of other origins to read answers, and nothing in a request names a file.
 */
import { parseJson } from '../../io/parseJson.ts';
import { redact } from '../../track/secrets.ts';
import { Bodies } from './bodies.ts';
import type { ChatAnswered, ChatListening } from './chat.ts';
import { chunkStream, completion, event, modelEntry, modelList } from './chatAnswer.ts';
import type { ChatHead, ChunkStream } from './chatAnswer.ts';
import { readChatRequest, RequestError } from './chatRequest.ts';
import type { ChatRequest } from './chatRequest.ts';
import type { Exchange, Headers } from './exchange.ts';
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

/** Listens at the port, on this machine alone, and hands what comes to a Service: the runtime's own. */
export type Serve = (settings: ServeSettings) => Promise<Serving>;

/** All bodies together, in bodies of the largest size. */
const HELD_BODIES = 8;

export class Service {
  /** What the Host header may be, by the port that is listened at. */
  hosts: string[] = [];
  private readonly settings: ServeSettings;
  private readonly isKey: (key: string) => boolean;
  private readonly turns: Turns;
  private readonly bodies: Bodies;
  private readonly startedAt = Date.now();
  /** Of the requests that are in. A signal of the server's own would have to be listened to by each of them. */
  private readonly endings = new Set<Ending>();
  private stopped: RequestError | undefined;

  /** @param isKey whether it is the key of the settings, which takes as long whatever is sent */
  constructor(settings: ServeSettings, isKey: (key: string) => boolean) {
    this.settings = settings;
    this.isKey = isKey;
    this.turns = new Turns(settings.queue);
    this.bodies = new Bodies({ bytes: settings.bodyBytes, heldBytes: HELD_BODIES * settings.bodyBytes, ms: settings.bodyMs });
  }

  stop(): void {
    this.stopped = new RequestError(503, 'The server is being stopped.', { type: 'server_error', code: 'stopping' });
    for (const ending of this.endings) ending.abort(this.stopped);
  }

  held(): { requests: number; bytes: number } {
    return { requests: this.turns.count, bytes: this.bodies.heldBytes };
  }

  async handle(exchange: Exchange): Promise<void> {
    try {
      await this.route(exchange).catch((error: unknown) => this.refuse(exchange, error));
    } catch (error) {
      this.settings.onFailure(error);
      exchange.drop();
    }
  }

  private async route(exchange: Exchange): Promise<void> {
    this.checkCaller(exchange);
    const [path = ''] = exchange.url.split('?');
    const { model } = this.settings;
    if (path === '/v1/chat/completions') {
      checkMethod(exchange, 'POST');
      await this.complete(exchange);
    } else if (path === '/v1/models') {
      checkMethod(exchange, 'GET');
      exchange.send(200, HEADERS, JSON.stringify(modelList(model, this.startedAt)));
    } else if (path === `/v1/models/${model}` || path === `/v1/models/${encodeURIComponent(model)}`) {
      checkMethod(exchange, 'GET');
      exchange.send(200, HEADERS, JSON.stringify(modelEntry(model, this.startedAt)));
    } else {
      throw new RequestError(404, 'There is nothing here; POST /v1/chat/completions and GET /v1/models are served.', {
        code: 'unknown_url',
      });
    }
  }

  private checkCaller(exchange: Exchange): void {
    if (!this.hosts.includes((exchange.header('host') ?? '').toLowerCase()))
      throw new RequestError(403, `The Host header is none of ${this.hosts.join(', ')}; the server is for this machine alone.`, {
        type: 'permission_error',
        code: 'wrong_host',
      });
    const [, key] = /^Bearer +(\S+) *$/i.exec(exchange.header('authorization') ?? '') ?? [];
    if (this.isKey(key ?? '') && key !== undefined) return;
    const words =
      key === undefined
        ? 'No key: send the header Authorization: Bearer KEY, with the key that was printed when the server started.'
        : 'The key is not the one that was printed when the server started.';
    throw new RequestError(401, words, { type: 'authentication_error', code: 'invalid_api_key' });
  }

  private async complete(exchange: Exchange): Promise<void> {
    const type = (exchange.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase();
    if (type !== 'application/json')
      throw new RequestError(415, 'The body should be JSON, and Content-Type: application/json say so.', {
        code: 'unsupported_media_type',
      });
    if (!['', 'identity'].includes(exchange.header('content-encoding') ?? ''))
      throw new RequestError(415, 'The body should not be compressed (Content-Encoding).', { code: 'unsupported_encoding' });
    const leave = this.turns.enter();
    if (leave === undefined)
      throw new RequestError(503, `${this.settings.queue} requests are being answered or wait (--serve_queue); try again later.`, {
        type: 'server_error',
        code: 'overloaded',
        retryAfter: 2,
      });
    const ending = endOf(exchange, this.settings.requestMs);
    this.endings.add(ending);
    if (this.stopped) ending.abort(this.stopped);
    try {
      await this.bodies.read(exchange, async (body) => {
        ending.signal.throwIfAborted();
        const chat = readChatRequest(parsed(body), this.settings);
        await this.turns.take(ending.signal, () => this.write(exchange, chat, ending.signal));
      });
    } finally {
      this.endings.delete(ending);
      ending.release();
      leave();
    }
  }

  private async write(exchange: Exchange, chat: ChatRequest, stop: AbortSignal): Promise<void> {
    const head: ChatHead = {
      id: `chatcmpl-${crypto.randomUUID().replaceAll('-', '')}`,
      created: Math.floor(Date.now() / 1000),
      model: this.settings.model,
    };
    if (!chat.isStream) {
      const { written, own } = await this.settings.answer(chat, { stop, onStart: () => undefined });
      exchange.send(200, HEADERS, JSON.stringify(completion(head, written, own)));
      return;
    }
    const chunks: ChunkStream = chunkStream(head, chat.includesUsage);
    const { written, own } = await this.settings.answer(chat, {
      stop,
      onStart() {
        exchange.begin(200, { ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' });
        exchange.write(chunks.first());
      },
      onText: (piece) => exchange.write(chunks.piece(piece)),
    });
    exchange.end(chunks.last(written, own));
  }

  /** Tells the client what is wrong, as long as it is there; what is wrong with us is told here, and the client hears only that it is. */
  private refuse(exchange: Exchange, error: unknown): void {
    const { isGone } = exchange;
    const told =
      error instanceof RequestError
        ? error
        : new RequestError(500, 'The answer could not be computed; the terminal of the server says why.', { type: 'server_error' });
    if (!(error instanceof RequestError) && error !== GONE) this.settings.onFailure(error);
    if (isGone || error === GONE) {
      exchange.drop();
      return;
    }
    if (exchange.hasBegun) {
      exchange.end(event(shown(told)) + 'data: [DONE]\n\n');
      return;
    }
    const more: Record<string, string> = {};
    if (told.retryAfter !== undefined) more['Retry-After'] = String(told.retryAfter);
    if (told.status === 405) more['Allow'] = told.param ?? '';
    if (told.status === 401) more['WWW-Authenticate'] = 'Bearer';
    exchange.refuse(told.status, { ...HEADERS, ...more }, JSON.stringify(shown(told)));
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

function endOf(exchange: Exchange, ms: number): Ending {
  const controller = new AbortController();
  const abort = (reason: unknown): void => controller.abort(reason);
  const late = new RequestError(504, `No answer within ${ms / 1000} s (--serve_seconds).`, { type: 'timeout_error', code: 'timeout' });
  const timer = setTimeout(() => abort(late), ms);
  const off = exchange.onGone(() => abort(GONE));
  return {
    signal: controller.signal,
    abort,
    release() {
      clearTimeout(timer);
      off();
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

function checkMethod({ method }: Exchange, expected: 'GET' | 'POST'): void {
  if (method !== expected) throw new RequestError(405, `${expected} was expected here.`, { code: 'method_not_allowed', param: expected });
}

const HEADERS: Headers = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'",
};
