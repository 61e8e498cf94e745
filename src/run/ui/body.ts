/** Bodies of requests: JSON, of a limited size, in a limited time. */
import { parseJson } from '../../io/parseJson.ts';
import { Refusal } from './refusal.ts';

const MOST_BYTES = 2 ** 18;
const MOST_MS = 10_000;

/** @throws Refusal for what is too large, too slow or no JSON */
export async function jsonBody(request: Request): Promise<unknown> {
  // Which no form of another site can send unasked.
  if (request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() !== 'application/json')
    throw new Refusal(415, 'The body should be JSON, and Content-Type: application/json say so.');
  if (Number(request.headers.get('content-length') ?? 0) > MOST_BYTES) throw tooLarge();
  const text = new TextDecoder('utf-8', { fatal: true });
  try {
    return parseJson(text.decode(await bodyOf(request)));
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, 'The body is not valid JSON.');
  }
}

async function bodyOf(request: Request): Promise<Uint8Array> {
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Refusal(408, `The body has not come within ${MOST_MS / 1000} s.`)), MOST_MS);
  });
  const whole = new Uint8Array(MOST_BYTES);
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return whole.subarray(0, length);
      if (length + value.length > MOST_BYTES) throw tooLarge();
      whole.set(value, length);
      length += value.length;
    }
  } catch (error) {
    void reader.cancel().catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

const tooLarge = (): Refusal => new Refusal(413, `The body is larger than ${MOST_BYTES / 1024} KiB.`);
