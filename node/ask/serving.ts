/** `ask --serve` from the model to the last request: what the server answers with, what it says at the start, and how it ends. */
import { randomBytes } from 'node:crypto';
import { ExampleMaker } from '../../src/data/exampleMaker.ts';
import type { AskOptions } from '../../src/options/ask.ts';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { Asker } from '../../src/run/ask/asker.ts';
import { answerChat } from '../../src/run/ask/chat.ts';
import { keepSecret, redact } from '../../src/track/secrets.ts';
import type { Session } from '../../src/train/session.ts';
import { serve } from './server.ts';
import type { Serving } from './server.ts';

export interface ServingContext {
  platform: Platform;
  options: AskOptions;
  stop: AbortSignal;
  say: (text: string) => void;
  /** Past everything that masks secrets: the key is told once. */
  sayKey: (text: string) => void;
  /** As /v1/models tells it. */
  name: string;
}

const BODY_MS = 30_000;

/** Until Ctrl-C. @throws UserError where the port is taken, or the GPU is gone */
export async function serveModel(
  { platform, options, stop, say, sayKey, name }: ServingContext,
  session: Session,
  maxTokens: number,
): Promise<void> {
  const { device, model, processor } = session;
  const maker = new ExampleMaker(platform, processor, {
    mask: 'completion',
    vocabSize: model.vocabSize,
    sixteenBit: options.sixteen_bit,
  });
  const chatting = { platform, processor, maker, asker: new Asker(session, maker, maxTokens), options };
  const key = options.serve_key ?? randomBytes(24).toString('base64url');
  keepSecret(key);
  const ended = new AbortController();
  let failure: unknown;
  const serving = await opened(options.port, {
    port: options.port,
    key,
    model: name,
    maxNewTokens: options.max_new_tokens,
    queue: options.serve_queue,
    bodyBytes: options.serve_body_mib * 2 ** 20,
    bodyMs: Math.min(BODY_MS, options.serve_seconds * 1000),
    requestMs: options.serve_seconds * 1000,
    async answer(chat, listening) {
      try {
        return await answerChat(chatting, chat, listening);
      } catch (error) {
        // Memory that ran out is given back; after anything else that the GPU reports, its values cannot be trusted.
        if (!(await device.recover())) {
          failure ??= error;
          ended.abort();
        }
        throw error;
      }
    },
    onFailure: (error) => say(`A request failed: ${redact(error instanceof Error ? (error.stack ?? error.message) : String(error))}`),
  });
  try {
    say(
      `Serving ${name} at http://127.0.0.1:${serving.port}/v1 (POST /v1/chat/completions, GET /v1/models), on this machine alone. ` +
        'Ctrl-C ends it.',
    );
    if (options.serve_key === null) sayKey(`Key: ${key}\n`);
    await until(AbortSignal.any([stop, ended.signal]));
  } finally {
    await serving.close();
  }
  if (failure !== undefined)
    throw new UserError(
      `The GPU can no longer be used: ${failure instanceof Error ? failure.message : String(failure)} Start the server again.`,
      { cause: failure },
    );
}

async function opened(port: number, settings: Parameters<typeof serve>[0]): Promise<Serving> {
  try {
    return await serve(settings);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'EADDRINUSE')
      throw new UserError(`--port ${port}: another program listens there. Give another one, or 0 for any that is free.`, {
        cause: error,
      });
    if (code === 'EACCES')
      throw new UserError(`--port ${port}: the system keeps it for its administrator. Give one above 1023.`, { cause: error });
    throw error;
  }
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
