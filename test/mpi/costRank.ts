/**
 * One rank of test/mpi/cost.mjs. `sum VALUES SLICE TURNS`: what World.sum takes of so many values, all at once or in slices, as allreduce.c does it from C. `step TURNS MBS`: in
 * turns a training step by itself, beside the others', and one whose gradients are summed; `clock TURNS MBS` the same of Qwen2.5-VL-3B's true shapes on a GPU that is a clock. MBS is the speed, MB/s, of a network that takes no processor, in place of the sum
 * that is made; 0: none.
 */
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { openMpiWorld } from '../../node/mpi/mpiWorld.ts';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { QWEN_3B } from '../../src/run/bench/shapes.ts';
import { qwenExample, randomModel } from '../../src/run/bench/randomModel.ts';
import { GradientSum } from '../../src/train/gradientSum.ts';
import { AdamW } from '../../src/train/optimizer.ts';
import { openSession } from '../../src/train/session.ts';
import { stepGradients } from '../../src/train/step.ts';
import { placeOf } from '../../src/world/launcher.ts';
import { ALONE } from '../../src/world/world.ts';
import type { World } from '../../src/world/world.ts';
import { clockGpu } from './clockGpu.ts';

const [mode, ...numbers] = process.argv.slice(2);
const place = placeOf((name) => process.env[name]);
const job = place && (await openMpiWorld(place, { library: null, reduce: 'library', silence: 40, warn: console.error }));
const world: World = job ?? ALONE;
const say = (text: string): void => void (world.rank === 0 && console.log(text));

async function sums(count: number, slice: number, turns: number): Promise<void> {
  const values = new Float32Array(count);
  for (let turn = 0; turn < turns; turn++) {
    values.fill(1);
    await world.gather(null);
    const began = performance.now();
    for (let from = 0; from < count; from += slice) await world.sum(values.subarray(from, from + slice));
    say((performance.now() - began).toFixed(2));
    if (values[0] !== world.size || values[count - 1] !== world.size) throw new Error(`the sum of ${world.size} ones is ${values[0]!}`);
  }
}

/** What takes steps here, and on which row. */
interface Subject {
  session: Parameters<typeof stepGradients>[0];
  optimizer: AdamW;
  example: Example;
  release: () => void;
}

/** The tiny model with an adapter as large as that of a 3B model. */
async function tiny(device: Device): Promise<Subject> {
  const base = `${process.env['VERNIER_GOLDEN_DIR'] ?? 'test/golden/data'}/models/qwen2_5_vl-tiny`;
  const session = await openSession(nodePlatform, device, { baseModel: base, finetuning: { kind: 'lora', config: loraConfig({ r: RANK, target_modules: 'all-linear' }) } });
  const row = { messages: [{ role: 'user' as const, content: 'How long?' }, { role: 'assistant' as const, content: 'About 4.5 mm, or so. '.repeat(TOKENS / 10) }], images: [] };
  const example = session.processor.encode(row, [], { mask: 'completion' });
  return { session, optimizer: new AdamW(device, session.arena, { maxGradNorm: 1 }), example, release: () => session.close() };
}

/** The 3B model, which a clock has room for. */
async function large(device: Device): Promise<Subject> {
  const random = await randomModel(device, QWEN_3B, { storage: 'bf16', isShared: true });
  if (!random) throw new Error('no random weights in bf16');
  const { model, arena, adamw } = random;
  const example = qwenExample(QWEN_3B['image_token_id'] as number, TOKENS, 20, undefined);
  return { session: { device, model, arena }, optimizer: adamw, example, release: () => random.release() };
}

/** Two micro-batches a step. Prints milliseconds: step alone, of the processor; step summed, of the processor; wait after backward; in sums. */
async function steps(turns: number, megabytes: number): Promise<void> {
  const device = await Device.create(mode === 'clock' ? clockGpu(DISPATCH_MS) : await nodePlatform.gpu(), {});
  const { session, optimizer, example, release } = await (mode === 'clock' ? large : tiny)(device);
  const batches = [0, 1].map((index) => ({ examples: [example], labels: 8, index }));
  let inSums = 0;
  let waited = 0;
  const timed: World = {
    ...ALONE,
    gather: (own) => world.gather(own),
    async sum(values) {
      const began = performance.now();
      await (megabytes > 0 ? pause(values.byteLength / 1e3 / megabytes) : world.sum(values));
      inSums += performance.now() - began;
    },
  };
  const sum = new GradientSum(device, timed, session.arena, optimizer.lossSum);
  const finish = sum.finish.bind(sum);
  sum.finish = async () => {
    const began = performance.now();
    const outcome = await finish();
    waited += performance.now() - began;
    return outcome;
  };
  const settings = { gradient_accumulation_steps: 2, loss_reduction: 'token' as const, seed: 0, gradient_checkpointing: true };
  const step = async (own?: GradientSum): Promise<[number, number]> => {
    await world.gather(null);
    const [began, before] = [performance.now(), process.cpuUsage()];
    await stepGradients(session, optimizer, batches, { step: 0, batches: 2, labels: 16, tokens: 0 }, settings, own ? { sum: own } : {});
    optimizer.step(1e-6);
    await optimizer.settle();
    await device.finish();
    const { user, system } = process.cpuUsage(before);
    return [performance.now() - began, (user + system) / 1000];
  };
  say(`${session.arena.size} values`);
  for (let turn = 0; turn < turns; turn++) {
    const alone = await step();
    [inSums, waited] = [0, 0];
    const summed = await step(sum);
    if (turn > 0) say([...alone, ...summed, waited, inSums].map((ms) => ms.toFixed(1)).join(' '));
  }
  release();
}
/** Of the adapter: 31.7 million values, 127 MB. */
const RANK = 4096;
const TOKENS = 100;
/** A step is of some 10 000 dispatches: about two seconds, as a 3B model takes on a GPU of today. */
const DISPATCH_MS = 0.2;

if (mode === 'sum') await sums(numbers.map(Number)[0]!, Number(numbers[1]), Number(numbers[2]));
else await steps(Number(numbers[0]), Number(numbers[1]));
await job?.close();
process.exit(0);
