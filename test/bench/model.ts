/**
 * Training steps of whole models with random weights. Layers of one shape share one set of frozen weights, so that a model of billions of parameters takes the
 * memory and the preparation of one layer; each has its own adapter.
 */
import { qwenExample, randomModel, trainingStep } from '../../src/run/bench/randomModel.ts';
import { QWEN_3B, QWEN_TINY } from '../../src/run/bench/shapes.ts';
import type { Json } from '../../src/run/bench/shapes.ts';
import type { Example } from '../../src/data/example.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { StageChain } from '../../src/models/stageChain.ts';
import { HIDDEN } from '../../src/models/stages.ts';
import { time } from './kernels.ts';
import type { Bench } from './kernels.ts';
import { randomTensor, release } from './randomTensors.ts';

const IMAGE = QWEN_3B['image_token_id'] as number;

async function trainingSteps(b: Bench, name: string, config: Json, storage: 'f32' | 'bf16', examples: readonly Example[]): Promise<void> {
  const { device } = b;
  const random = await randomModel(device, config, { storage, isShared: true });
  if (!random) throw new Error(`no random weights in ${storage}`);
  const tokens = examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  for (const checkpointing of [true, false]) {
    const what = `${name} ${storage}, LoRA r 16 on every linear layer, ${examples.length} rows, ${tokens} tokens, ${checkpointing ? 'blocks recomputed' : 'nothing recomputed'}`;
    let step = 0;
    await time(b, 'training step', what, 'tokens/s', tokens, () => trainingStep(device, random, examples, step++, checkpointing));
  }
  random.release();
}

/** One text block of Qwen2.5-VL-3B as training runs it: forward, then forward again and backward. */
async function block(b: Bench): Promise<void> {
  const { device } = b;
  const vision = { ...(QWEN_TINY['vision_config'] as Json), out_hidden_size: 2048 };
  const config = { ...QWEN_3B, num_hidden_layers: 1, vision_config: vision, vocab_size: 640 };
  const random = await randomModel(device, config, { storage: 'bf16', targets: 'model.*language_model.*_proj' });
  if (!random) throw new Error('no random weights in bf16');
  const T = 1024;
  const batch = random.model.prepare(device, [qwenExample(IMAGE, T, 1, undefined)], { grad: true });
  const stage = batch.stages.at(-1)!;
  const dy = randomTensor(device, [T, 2048], 1);
  await time(b, 'training step', `text block of Qwen2.5-VL-3B, bf16, LoRA r 16, T ${T}: forward, again, backward`, 'tokens/s', T, async () => {
    const x = device.pool.acquire(T * 2048 * 4, 'scratch');
    device.copy(dy.view, x);
    const chain = new StageChain(device, { grad: true, training: true, checkpointing: true, random: { seed: 1, step: 1 } });
    const y = await chain.run([stage], { [HIDDEN]: new Tensor([T, 2048], 'f32', x) });
    device.pool.release(y.view);
    const gradient = device.pool.acquire(T * 2048 * 4, 'scratch');
    device.copy(dy.view, gradient);
    await chain.backward({ [HIDDEN]: new Tensor([T, 2048], 'f32', gradient) });
  });
  release(device, dy, ...Object.values(batch.inputs), ...batch.tables);
  random.release();
}

export async function allTrainingSteps(b: Bench): Promise<void> {
  const rows = [qwenExample(IMAGE, 96, 24, [1, 16, 16]), qwenExample(IMAGE, 96, 24, [1, 16, 16])];
  await trainingSteps(b, 'tiny Qwen2.5-VL', QWEN_TINY, 'f32', rows);
  if (!b.isLarge) return;
  await block(b);
  await trainingSteps(b, 'Qwen2.5-VL-3B', QWEN_3B, 'bf16', [qwenExample(IMAGE, 256, 64, [1, 36, 36])]);
}
