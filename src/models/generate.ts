/** Greedy generation with a key/value cache: the prompt in one pass, then a token at a time. */
import type { Example } from '../data/example.ts';
import type { Device } from '../gpu/device.ts';
import { argmax } from '../ops/argmax.ts';
import { headLogits } from '../ops/headLoss.ts';
import { Tape } from '../ops/tape.ts';
import { KeyValueCache } from './keyValueCache.ts';
import type { Model } from './model.ts';
import { StageChain } from './stages.ts';

export interface GenerateOptions {
  maxNewTokens: number;
  /** Ids that end the answer; the one met is not part of the result. */
  endIds: readonly number[];
  stop?: AbortSignal;
}

/** @param example ends where the answer begins. @returns the ids of the answer */
export async function generate(device: Device, model: Model, example: Example, options: GenerateOptions): Promise<number[]> {
  const prompt = example.inputIds.length;
  const cache = new KeyValueCache(device, prompt + options.maxNewTokens);
  const axes = example.positionIds.length / prompt;
  let position = example.positionIds.reduce((most, at) => Math.max(most, at), -1) + 1;
  let current = example;
  const answer: number[] = [];
  try {
    while (answer.length < options.maxNewTokens && !options.stop?.aborted) {
      const id = await nextToken(device, model, current, cache);
      if (options.endIds.includes(id)) break;
      answer.push(id);
      current = {
        inputIds: Int32Array.of(id),
        labels: Int32Array.of(-100),
        positionIds: new Int32Array(axes).fill(position++),
        pixelValues: new Float32Array(0),
        imageGrids: [],
      };
    }
  } finally {
    cache.release();
  }
  return answer;
}

async function nextToken(device: Device, model: Model, example: Example, cache: KeyValueCache): Promise<number> {
  const batch = model.prepare(device, [example], { cache });
  const chain = new StageChain(device, { grad: false, training: false, checkpointing: true, random: { seed: 0, step: 0 } });
  const hidden = await chain.run(batch.stages, batch.input);
  const last = device.upload(Uint32Array.of(batch.tokens - 1), [1], 'batch');
  const t = new Tape(device);
  const id = argmax(t, headLogits(t, model.finalNorm(t, hidden), model.head, last));
  const [token] = new Uint32Array(await device.read(id.view));
  t.release();
  device.pool.release(hidden.view);
  for (const table of [...batch.tables, last]) device.pool.release(table.view);
  return token!;
}
