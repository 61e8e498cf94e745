/**
 * Greedy generation with a key/value cache, for a batch of prompts of unequal length: the prompts in as few passes as their length allows,
 * then a token of every answer at a time. An answer that has ended leaves the batch.
 */
import type { Example } from '../data/example.ts';
import type { Device } from '../gpu/device.ts';
import { argmax } from '../ops/argmax.ts';
import { headLogits } from '../ops/headLoss.ts';
import { Tape } from '../ops/tape.ts';
import { KeyValueCache } from './keyValueCache.ts';
import type { Model } from './model.ts';
import { prepareBatch } from './prepareBatch.ts';
import { StageChain } from './stageChain.ts';

export interface GenerateOptions {
  maxNewTokens: number;
  /** Ids that end the answer (all of generation_config.json's `eos_token_id`); the one met is not part of the result. */
  endIds: readonly number[];
  /** Looked at between two tokens. */
  stop?: AbortSignal;
  /** Whether an answer ends with the token it was given last, which belongs to it; asked after each. */
  isEnded?: (ids: readonly number[]) => boolean;
  /** Told of each token of an answer as it is chosen; not of the one that ends it. @param at the answer's place in the batch */
  onToken?: (id: number, at: number) => void;
}

export interface GeneratedAnswer {
  ids: number[];
  /** end: the model ended it. text: `isEnded` did. length: `maxNewTokens` were reached. stopped: cut short by `stop`. */
  finish: 'end' | 'text' | 'length' | 'stopped';
}

/** Prompts go through the model together up to this many tokens: more fill the GPU no better and take memory. */
const PROMPT_TOKENS = 2048;

/**
 * New tokens that the cache has room for at first, and by how many it grows: answers are short, and `maxNewTokens` is what they may never
 * exceed.
 */
const ROOM = 64;

/** An answer on its way. */
interface Writing {
  /** Its place in the batch and in the cache. */
  at: number;
  /** What the model is given next. */
  input: Example;
  /** Position of the next token, on all axes. */
  position: number;
  axes: number;
  ids: number[];
}

/** @param example ends where the answer begins. @returns the ids of the answer */
export async function generate(device: Device, model: Model, example: Example, options: GenerateOptions): Promise<number[]> {
  const [answer] = await generateBatch(device, model, [example], options);
  return answer!.ids;
}

/** @param examples each ends where its answer begins. @returns the answers, in their order; the same as each alone would give */
export async function generateBatch(
  device: Device,
  model: Model,
  examples: readonly Example[],
  options: GenerateOptions,
): Promise<GeneratedAnswer[]> {
  const { maxNewTokens, endIds, stop, isEnded, onToken } = options;
  const answers: GeneratedAnswer[] = examples.map(() => ({ ids: [], finish: maxNewTokens > 0 ? 'stopped' : 'length' }));
  if (maxNewTokens <= 0) return answers;
  const cache = new KeyValueCache(
    device,
    examples.map((example) => example.inputIds.length + Math.min(maxNewTokens, ROOM)),
  );
  let live = examples.map((example, at): Writing => {
    const length = example.inputIds.length;
    const last = example.positionIds.reduce((most, position) => Math.max(most, position), -1);
    return { at, input: example, position: last + 1, axes: example.positionIds.length / length, ids: answers[at]!.ids };
  });
  const advance = async (group: readonly Writing[]): Promise<void> => {
    const chosen = group.map(({ at, input }) => ({ sequence: at, tokens: input.inputIds.length }));
    cache.begin(
      chosen,
      live.map(({ at }) => at),
      Math.min(maxNewTokens, ROOM),
    );
    const tokens = await nextTokens(
      device,
      model,
      group.map(({ input }) => input),
      cache,
    );
    cache.end();
    group.forEach((writing, i) => {
      const answer = answers[writing.at]!;
      const token = tokens[i]!;
      if (endIds.includes(token)) answer.finish = 'end';
      else {
        const length = writing.ids.push(token);
        if (isEnded?.(writing.ids) === true) answer.finish = 'text';
        else if (length === maxNewTokens) answer.finish = 'length';
        onToken?.(token, writing.at);
      }
      writing.input = {
        inputIds: Int32Array.of(token),
        labels: Int32Array.of(-100),
        positionIds: new Int32Array(writing.axes).fill(writing.position++),
        pixelValues: new Float32Array(0),
        imageGrids: [],
      };
    });
  };
  try {
    for (const group of promptGroups(live)) {
      if (stop?.aborted) break;
      await advance(group);
    }
    live = live.filter(({ at }) => answers[at]!.finish === 'stopped');
    while (live.length > 0 && !stop?.aborted) {
      await advance(live);
      live = live.filter(({ at }) => answers[at]!.finish === 'stopped');
    }
  } finally {
    cache.release();
  }
  return answers;
}

/** Runs of prompts, in order, of at most PROMPT_TOKENS, or one longer prompt. */
function promptGroups(prompts: readonly Writing[]): Writing[][] {
  const groups: Writing[][] = [];
  let tokens = Infinity;
  for (const prompt of prompts) {
    const length = prompt.input.inputIds.length;
    if (tokens + length > PROMPT_TOKENS) {
      groups.push([]);
      tokens = 0;
    }
    groups.at(-1)!.push(prompt);
    tokens += length;
  }
  return groups;
}

/** The most likely token after each example, which continue the sequences that the cache has begun. */
async function nextTokens(device: Device, model: Model, examples: readonly Example[], cache: KeyValueCache): Promise<Uint32Array> {
  const options = { grad: false, training: false, checkpointing: true, random: { seed: 0, step: 0 } };
  const batch = await prepareBatch(device, model, examples, options, { cache });
  const chain = new StageChain(device, options);
  const hidden = await chain.run(batch.stages, batch.inputs);
  let end = 0;
  const ends = Uint32Array.from(examples, ({ inputIds }) => (end += inputIds.length) - 1);
  const last = device.upload(ends, [ends.length], 'batch');
  const t = new Tape(device);
  const ids = argmax(t, await headLogits(t, model.finalNorm(t, hidden), model.head, last, model.logitSoftcap));
  const tokens = new Uint32Array(await device.read({ ...ids.view, bytes: 4 * ends.length }));
  t.release();
  device.pool.release(hidden.view);
  for (const table of [...batch.tables, last]) device.pool.release(table.view);
  return tokens;
}
