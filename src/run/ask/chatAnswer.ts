/** Answers in the shape of OpenAI's chat completions: one object, or the pieces of a stream. */
import type { Written } from './asker.ts';

export interface ChatHead {
  id: string;
  model: string;
  /** Seconds since 1970. */
  created: number;
}

type Finish = 'stop' | 'length';

function finishOf({ finish }: Pick<Written, 'finish'>): Finish {
  return finish === 'end' ? 'stop' : 'length';
}

function usageOf({ promptTokens, answerTokens }: Pick<Written, 'promptTokens' | 'answerTokens'>): Record<string, number> {
  return { prompt_tokens: promptTokens, completion_tokens: answerTokens, total_tokens: promptTokens + answerTokens };
}

/** @param own what Vernier read out of the answer, beside what OpenAI's clients know */
export function completion(head: ChatHead, written: Written, own: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const message = { role: 'assistant', content: written.text, refusal: null };
  return {
    ...head,
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishOf(written) }],
    usage: usageOf(written),
    vernier: own,
  };
}

export interface ChunkStream {
  first(): string;
  piece(text: string): string;
  /** The end of the answer, how long it was where that was asked for, and the end of the stream. */
  last(written: Written, own: Readonly<Record<string, unknown>>): string;
}

export function chunkStream(head: ChatHead, includesUsage: boolean): ChunkStream {
  // Where usage is asked for, every other chunk says that it has none.
  const usage = includesUsage ? { usage: null } : {};
  const chunk = (choices: readonly unknown[], more: Readonly<Record<string, unknown>> = usage): string =>
    event({ ...head, object: 'chat.completion.chunk', choices, ...more });
  const choice = (delta: Readonly<Record<string, string>>, finish: Finish | null = null): unknown => ({
    index: 0,
    delta,
    logprobs: null,
    finish_reason: finish,
  });
  return {
    first: () => chunk([choice({ role: 'assistant', content: '' })]),
    piece: (text) => chunk([choice({ content: text })]),
    last: (written, own) =>
      chunk([choice({}, finishOf(written))], { ...usage, vernier: own }) +
      (includesUsage ? chunk([], { usage: usageOf(written) }) : '') +
      'data: [DONE]\n\n',
  };
}

export function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** @param created ms since 1970 of when it was made known */
export function modelList(model: string, created: number): Record<string, unknown> {
  return { object: 'list', data: [modelEntry(model, created)] };
}

export function modelEntry(model: string, created: number): Record<string, unknown> {
  return { id: model, object: 'model', created: Math.floor(created / 1000), owned_by: 'vernier' };
}
