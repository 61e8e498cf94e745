/** `ask --serve` from the model to the last request: what the server answers with, what it says at the start, and how it ends. */
import { ExampleMaker } from '../../data/exampleMaker.ts';
import { base64 } from '../../io/base64.ts';
import type { AskOptions } from '../../options/ask.ts';
import { errorText, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { Asker } from './asker.ts';
import { answerChat } from './chat.ts';
import { keepSecret, redact } from '../../track/secrets.ts';
import type { Session } from '../../train/session.ts';
import { atPort, until } from '../localServer.ts';
import type { Serve } from './service.ts';

export interface ServingContext {
  platform: Platform;
  options: AskOptions;
  stop: AbortSignal;
  say: (text: string) => void;
  /** Past everything that masks secrets: the key is told once. */
  sayKey: (text: string) => void;
  /** As /v1/models tells it. */
  name: string;
  serve: Serve;
}

const BODY_MS = 30_000;

/** Until Ctrl-C. @throws UserError where the port is taken, or the GPU is gone */
export async function serveModel(
  { platform, options, stop, say, sayKey, name, serve }: ServingContext,
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
  const key = options.serve_key ?? newKey();
  keepSecret(key);
  const ended = new AbortController();
  let failure: unknown;
  const serving = await atPort(
    options.port,
    serve({
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
    }),
  );
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
    throw new UserError(`The GPU can no longer be used: ${errorText(failure)} Start the server again.`, { cause: failure });
}

/** 192 random bits, in signs that go into a header and a shell as they are. */
function newKey(): string {
  return base64(crypto.getRandomValues(new Uint8Array(24)))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}
