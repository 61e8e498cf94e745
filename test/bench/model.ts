/**
 * Training steps of whole models with random weights: the shapes decide the speed. Layers of one shape share one set of frozen weights, so that a
 * model of billions of parameters takes the memory and the preparation of one layer; each has its own adapter.
 */
import type { Example } from '../../src/data/example.ts';
import { Tensor } from '../../src/gpu/tensor.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { attachAdapters, initialLoraA, planTraining } from '../../src/models/lora.ts';
import { HEAD } from '../../src/models/model.ts';
import { StageChain } from '../../src/models/stages.ts';
import { Weights } from '../../src/models/weights.ts';
import { describeQwen2_5VL } from '../../src/models/qwen2_5_vl/model.ts';
import { mropePositions } from '../../src/models/qwen2_5_vl/positions.ts';
import type { Parameter } from '../../src/ops/parameter.ts';
import { runMicroBatch } from '../../src/train/microBatch.ts';
import { AdamW } from '../../src/train/optimizer.ts';
import { ParameterArena } from '../../src/train/parameterArena.ts';
import { time } from './kernels.ts';
import type { Bench } from './kernels.ts';
import { randomTensor, randomValues, release } from './randomTensors.ts';

type Json = Readonly<Record<string, unknown>>;

const IMAGE = 4;
const common = { model_type: 'qwen2_5_vl', hidden_act: 'silu', rms_norm_eps: 1e-6, rope_theta: 1e6, image_token_id: IMAGE, tie_word_embeddings: true };

/** As the tiny model of test/golden. */
const TINY: Json = {
  ...common,
  hidden_size: 64, num_hidden_layers: 3, num_attention_heads: 4, num_key_value_heads: 2, intermediate_size: 128, vocab_size: 640,
  rope_scaling: { type: 'mrope', mrope_section: [2, 3, 3] },
  vision_config: { depth: 4, hidden_size: 64, num_heads: 4, intermediate_size: 128, window_size: 56, fullatt_block_indexes: [1, 3], out_hidden_size: 64 },
};

/** Qwen/Qwen2.5-VL-3B-Instruct. */
const QWEN_3B: Json = {
  ...common,
  hidden_size: 2048, num_hidden_layers: 36, num_attention_heads: 16, num_key_value_heads: 2, intermediate_size: 11008, vocab_size: 151_936,
  rope_scaling: { type: 'mrope', mrope_section: [16, 24, 24] },
  vision_config: { depth: 32, hidden_size: 1280, num_heads: 16, intermediate_size: 3420, window_size: 112, fullatt_block_indexes: [7, 15, 23, 31], out_hidden_size: 2048 },
};

/** A conversation with one picture of `grid` patches: `textTokens` tokens around it, the last `labelled` of them to be learnt. */
function example(textTokens: number, labelled: number, grid: [number, number, number] | undefined): Example {
  const features = grid ? (grid[0] * grid[1] * grid[2]) / 4 : 0;
  const inputIds = Int32Array.from({ length: textTokens + features }, (_, i) => (i >= 10 && i < 10 + features ? IMAGE : 100 + ((i * 37) % 500)));
  const labels = inputIds.map((id, i) => (i < inputIds.length - labelled ? -100 : id));
  const imageGrids = grid ? [grid] : [];
  return {
    inputIds,
    labels,
    positionIds: mropePositions(inputIds, IMAGE, imageGrids, 2).positionIds,
    pixelValues: randomValues(features * 4 * 1176, 3),
    imageGrids,
  };
}

async function trainingStep(b: Bench, name: string, json: Json, dtype: 'f32' | 'bf16', examples: readonly Example[]): Promise<void> {
  const { device } = b;
  const description = describeQwen2_5VL(json, name);
  const plan = planTraining(description, { kind: 'lora', config: loraConfig({ r: 16, lora_alpha: 32, target_modules: 'all-linear' }) });
  const arena = new ParameterArena(device, [...plan.trained].map(([parameter, shape]) => ({ name: parameter, shape: [...shape], decay: shape.length > 1 })));
  for (const [parameter, shape] of plan.trained) {
    const module = parameter.replace(/\.lora_[AB]\.weight$/, '');
    if (parameter.endsWith('lora_A.weight')) arena.writeValues(parameter, initialLoraA(module, shape, 1));
  }
  const shared = new Map<string, Tensor>();
  const parameters = new Map<string, Parameter>();
  for (const [parameter, shape] of description.shapes) {
    const matrix = shape.length === 1 ? shape : [shape[0]!, shape.slice(1).reduce((x, y) => x * y, 1)];
    const key = matrix.join('×');
    let tensor = shared.get(key);
    if (!tensor) {
      tensor = randomTensor(device, matrix, shared.size + 1, matrix.length === 1 ? {} : { dtype, bound: Math.sqrt(3 / matrix[1]!) });
      shared.set(key, tensor);
      await device.finish();
    }
    parameters.set(parameter, { name: parameter, tensor });
  }
  parameters.set(HEAD, parameters.get(description.embedding)!);
  const model = description.build(new Weights(parameters, attachAdapters(plan, arena.parameters)));
  const adamw = new AdamW(device, arena, { maxGradNorm: 1 });
  const tokens = examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  for (const checkpointing of [true, false]) {
    const what = `${name} ${dtype}, LoRA r 16 on every linear layer, ${examples.length} rows, ${tokens} tokens, ${checkpointing ? 'blocks recomputed' : 'nothing recomputed'}`;
    let step = 0;
    await time(b, 'training step', what, 'tokens/s', tokens, async () => {
      arena.zeroGradients();
      const random = { seed: 1, step: step++ };
      await runMicroBatch(device, model, examples, { grad: true, training: true, checkpointing, random, lossScale: 1e-2, lossSum: adamw.lossSum });
      adamw.step(1e-4);
    });
  }
  adamw.release();
  arena.release();
  release(device, ...shared.values());
  device.trim();
}

/** One text block of Qwen2.5-VL-3B as training runs it: forward, then forward again and backward. */
async function block(b: Bench): Promise<void> {
  const { device } = b;
  const description = describeQwen2_5VL({ ...QWEN_3B, num_hidden_layers: 1, vision_config: { ...(TINY['vision_config'] as Json), out_hidden_size: 2048 }, vocab_size: 640 }, 'block');
  const plan = planTraining(description, { kind: 'lora', config: loraConfig({ r: 16, lora_alpha: 32, target_modules: 'model.*language_model.*_proj' }) });
  const arena = new ParameterArena(device, [...plan.trained].map(([name, shape]) => ({ name, shape: [...shape], decay: true })));
  const tensors: Tensor[] = [];
  const parameters = new Map<string, Parameter>();
  for (const [name, shape] of description.shapes) {
    const matrix = shape.length === 1 ? shape : [shape[0]!, shape.slice(1).reduce((x, y) => x * y, 1)];
    const tensor = randomTensor(device, matrix, tensors.length + 1, matrix.length === 1 ? {} : { dtype: 'bf16', bound: Math.sqrt(3 / matrix[1]!) });
    tensors.push(tensor);
    parameters.set(name, { name, tensor });
  }
  parameters.set(HEAD, parameters.get(description.embedding)!);
  const model = description.build(new Weights(parameters, attachAdapters(plan, arena.parameters)));
  const T = 1024;
  const batch = model.prepare(device, [example(T, 1, undefined)], { grad: true });
  const stage = batch.stages.at(-1)!;
  const dy = randomTensor(device, [T, 2048], 1);
  await time(b, 'training step', `text block of Qwen2.5-VL-3B, bf16, LoRA r 16, T ${T}: forward, again, backward`, 'tokens/s', T, async () => {
    const x = device.pool.acquire(T * 2048 * 4, 'scratch');
    device.copy(dy.view, x);
    const chain = new StageChain(device, { grad: true, training: true, checkpointing: true, random: { seed: 1, step: 1 } });
    const y = await chain.run([stage], new Tensor([T, 2048], 'f32', x));
    device.pool.release(y.view);
    const gradient = device.pool.acquire(T * 2048 * 4, 'scratch');
    device.copy(dy.view, gradient);
    await chain.backward(new Tensor([T, 2048], 'f32', gradient));
  });
  release(device, dy, batch.input, ...batch.tables, ...tensors);
  arena.release();
  device.trim();
}

export async function trainingSteps(b: Bench): Promise<void> {
  await trainingStep(b, 'tiny Qwen2.5-VL', TINY, 'f32', [example(96, 24, [1, 16, 16]), example(96, 24, [1, 16, 16])]);
  if (!b.isLarge) return;
  await block(b);
  await trainingStep(b, 'Qwen2.5-VL-3B', QWEN_3B, 'bf16', [example(256, 64, [1, 36, 36])]);
}
