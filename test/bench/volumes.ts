/** The measurements of volumes.mjs. */
import process from 'node:process';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import { COMMON_GPU } from '../../src/gpu/capabilities.ts';
import { Device } from '../../src/gpu/device.ts';
import { describedFolder } from '../../src/io/describedFolder.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { modelFamily, namingOf } from '../../src/models/families.ts';
import type { Model } from '../../src/models/model.ts';
import { PictureFeatures } from '../../src/models/pictureFeatures.ts';
import { randomModel } from '../../src/run/bench/randomModel.ts';
import { GEMMA_4B } from '../../src/run/bench/shapes.ts';
import type { Json } from '../../src/run/bench/shapes.ts';
import { runMicroBatch } from '../../src/train/microBatch.ts';
import { planMemory } from '../../src/train/memoryPlan.ts';
import { seenRows } from '../../src/train/seenRows.ts';
import { openModel } from '../../src/train/session.ts';
import { bytesText } from '../../src/track/console.ts';

/**
 * A sixteenth of MedGemma-4B in every width, in patches a picture and in the window, a seventh of its layers: what tower and text, products and
 * attention take of a step is in the proportions of the true shapes (`operations`).
 */
const SIXTEENTH: Json = {
  ...GEMMA_4B,
  mm_tokens_per_image: 16,
  text_config: {
    ...(GEMMA_4B['text_config'] as Json), hidden_size: 160, num_hidden_layers: 5, num_attention_heads: 2, num_key_value_heads: 1, head_dim: 64,
    intermediate_size: 640, vocab_size: 4096, sliding_window: 64, query_pre_attn_scalar: 64,
  },
  vision_config: { ...(GEMMA_4B['vision_config'] as Json), hidden_size: 72, num_hidden_layers: 4, num_attention_heads: 2, intermediate_size: 272, image_size: 224 },
};

/** SmolVLM-256M, its pictures as one tile each, and a sixth of it in the same proportions, with a third of the layers. */
const SMOLVLM: Json = {
  model_type: 'smolvlm', image_token_id: 4, scale_factor: 4,
  text_config: {
    model_type: 'llama', hidden_size: 576, num_hidden_layers: 30, num_attention_heads: 9, num_key_value_heads: 3, head_dim: 64, intermediate_size: 1536,
    vocab_size: 49280, max_position_embeddings: 8192, rope_theta: 100000,
  },
  vision_config: { model_type: 'smolvlm_vision', hidden_size: 768, num_hidden_layers: 12, num_attention_heads: 12, intermediate_size: 3072, image_size: 512, patch_size: 16 },
};
const SIXTH: Json = {
  ...SMOLVLM,
  text_config: {
    ...(SMOLVLM['text_config'] as Json), hidden_size: 96, num_hidden_layers: 10, num_attention_heads: 3, num_key_value_heads: 1, head_dim: 32, intermediate_size: 256,
    vocab_size: 4096,
  },
  vision_config: { ...(SMOLVLM['vision_config'] as Json), hidden_size: 128, num_hidden_layers: 4, num_attention_heads: 4, intermediate_size: 512, image_size: 192 },
};

/** Its true widths and pictures, with a third of the layers: minutes an epoch on a software GPU. */
const THIRD: Json = {
  ...SMOLVLM,
  text_config: { ...(SMOLVLM['text_config'] as Json), num_hidden_layers: 10 },
  vision_config: { ...(SMOLVLM['vision_config'] as Json), num_hidden_layers: 4 },
};

interface Shapes {
  name: string;
  full: Json;
  small: Json;
  /** LoRA r 16 on the language model alone. */
  onText: string;
}

const SHAPES: Readonly<Record<string, Shapes>> = {
  medgemma: { name: 'MedGemma-4B', full: GEMMA_4B, small: SIXTEENTH, onText: String.raw`model\.language_model.*_proj` },
  'smolvlm-third': { name: 'SmolVLM-256M', full: SMOLVLM, small: THIRD, onText: String.raw`model\.text_model.*_proj` },
  smolvlm: { name: 'SmolVLM-256M', full: SMOLVLM, small: SIXTH, onText: String.raw`model\.text_model.*_proj` },
};
const LEARNT = 40;

function number(config: Json, part: string, key: string): number {
  return (config[part] as Record<string, number>)[key]!;
}

function sides(config: Json): { patches: number; features: number } {
  const patches = number(config, 'vision_config', 'image_size') / number(config, 'vision_config', 'patch_size');
  const scale = config['scale_factor'] as number | undefined;
  return { patches, features: scale ? (patches / scale) ** 2 : (config['mm_tokens_per_image'] as number) };
}

/**
 * Slices with the tokens around each (begin, end, its number, line ends), and a question.
 * @param seed of the pixels, 0: none
 */
function volumeExample(config: Json, slices: number, seed: number): Example {
  const { patches: side, features } = sides(config);
  const image = (config['image_token_index'] ?? config['image_token_id']) as number;
  const pixels = (side * number(config, 'vision_config', 'patch_size')) ** 2 * 3;
  const around = Math.ceil(features / 32);
  const word = (at: number): number => 5 + ((at * 7 + seed) % 490);
  const ids: number[] = [];
  for (let slice = 0; slice < slices; slice++) ids.push(...Array.from({ length: around }, (_, i) => word(i)), ...new Array<number>(features).fill(image));
  ids.push(...Array.from({ length: 15 * around + LEARNT }, (_, i) => word(i)));
  const inputIds = Int32Array.from(ids);
  return {
    inputIds,
    labels: inputIds.map((id, at) => (at >= ids.length - LEARNT ? id : -100)),
    positionIds: Int32Array.from(inputIds.keys()),
    imageGrids: Array.from({ length: slices }, () => [1, side, side]),
    pixelValues: seed === 0 ? new Float32Array(slices * pixels) : Float32Array.from({ length: slices * pixels }, (_, i) => Math.sin(i * 0.37 + seed) / 2),
  };
}

async function plan(): Promise<void> {
  const described = modelFamily('gemma3', 'config.json').describe(GEMMA_4B, 'config.json');
  const rows: string[] = ['| slices | tokens | what trains | peak | weights | saved inputs | scratch | batch | held from the system |', '|---:|---:|---|---:|---:|---:|---:|---:|---:|'];
  for (const [targets, what] of [[SHAPES['medgemma']!.onText, 'text layers'], ['all-linear', 'every linear layer']] as const) {
    for (const slices of [1, 10, 20, 40, 120]) {
      const device = Device.dry(COMMON_GPU);
      const folder = describedFolder('medgemma', GEMMA_4B, described.shapes, namingOf('gemma3'));
      const model = await openModel(device, folder, described, { finetuning: { kind: 'lora', config: loraConfig({ r: 16, lora_alpha: 32, target_modules: targets }) } });
      const example = volumeExample(GEMMA_4B, slices, 1);
      const memory = await planMemory({ device, ...model }, { examples: [example], settings: { gradient_checkpointing: true }, loggingSteps: 1 });
      const of = (label: string): string => bytesText(memory.atPeak[label] ?? 0);
      rows.push(`| ${slices} | ${example.inputIds.length} | ${what} | ${bytesText(memory.peakBytes)} | ${of('weights')} | ${of('saved inputs')} | ${of('scratch')} | ${of('batch')} | ${bytesText(memory.reservedPeakBytes)} |`);
      console.log(rows.at(-1));
    }
  }
  console.log(rows.join('\n'));
}

interface Operations {
  /** Of all slices, once. */
  tower: number;
  /** Forward, forward again and back, of frozen weights with an adapter: the gradient of what goes in is as much as the forward pass. */
  text: number;
}

/** Floating-point operations of a step by the shapes: products of layers and attention; adapters, norms and the head are a few percent. */
function operations(config: Json, { inputIds, imageGrids }: Example): Operations {
  const vision = (key: string): number => number(config, 'vision_config', key);
  const text = (key: string): number => number(config, 'text_config', key);
  const [C, F, N] = [vision('hidden_size'), vision('intermediate_size'), sides(config).patches ** 2];
  const tower = imageGrids.length * vision('num_hidden_layers') * (2 * N * (4 * C * C + 2 * C * F) + 4 * N * N * C);
  const [E, D, T, layers] = [text('hidden_size'), text('head_dim'), inputIds.length, text('num_hidden_layers')];
  const [H, KV] = [text('num_attention_heads'), text('num_key_value_heads')];
  const weights = E * D * (2 * H + 2 * KV) + 3 * E * text('intermediate_size');
  const window = (text('sliding_window') as number | undefined) ?? Infinity;
  const keys = (layer: number): number => ((layer + 1) % 6 === 0 ? T / 2 : Math.min(T / 2, window));
  const seen = Array.from({ length: layers }, (_, layer) => keys(layer)).reduce((a, b) => a + b);
  return { tower, text: 3 * 2 * T * weights * layers + 4 * 4 * T * seen * H * D };
}

function proportions(name: string, config: Json, slices: number): void {
  const example = volumeExample(config, slices, 0);
  const { tower, text } = operations(config, example);
  const tera = (count: number): string => (count / 1e12).toPrecision(3);
  console.log(
    `${name}, ${slices} slices, ${example.inputIds.length} tokens, by operations: tower ${tera(tower)} TFLOP, text forward, again and back ${tera(text)}; ` +
      `with the features there a step is ${(1 + tower / text).toFixed(2)} x as fast, an evaluation ${(1 + tower / (text / 3)).toFixed(2)} x`,
  );
}


/** Least of some turns, in which the ways alternate; seconds of the processor too, which is the GPU here and is shared with other work. */
interface Took {
  seconds: number;
  processor: number;
}

async function epochs({ name, full, small, onText }: Shapes, slices: number, count: number, turns: number): Promise<void> {
  proportions(name, full, slices);
  proportions(`the small model of ${name}`, small, slices);
  const device = await Device.create(await nodePlatform.gpu());
  const random = await randomModel(device, small, { storage: 'bf16', targets: onText });
  if (!random) throw new Error('no random weights in bf16');
  const rows = Array.from({ length: count }, (_, i) => volumeExample(small, slices, i + 1));
  const pictures = (bytes: number): Pick<Model, 'pictures'> => ({ pictures: new PictureFeatures({ bytes, keeping: 'first' }) });
  const ways: Record<string, Model> = {
    'in the chain, each time': random.model,
    'by themselves, each time': { ...random.model, ...pictures(0) },
    kept: { ...random.model, ...pictures(2 ** 31) },
  };
  let losses = '';
  const sources = new Map(Object.values(ways).map((model) => [model, seenRows((index) => Promise.resolve(rows[index]!))]));
  const epoch = async (model: Model, isTraining: boolean): Promise<Took> => {
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    const found: number[] = [];
    for (let index = 0; index < rows.length; index++) {
      const row = await sources.get(model)!(index, model);
      const lossSum = device.upload(new Float32Array(2), [2], 'bench');
      random.arena.zeroGradients();
      const around = { grad: isTraining, training: isTraining, checkpointing: true, random: { seed: 1, step: 1 } };
      await runMicroBatch(device, model, [row], { ...around, lossScale: 1 / LEARNT, lossSum });
      if (isTraining) random.adamw.step(0); // values stay, so that every epoch computes the same
      found.push((await device.readF32(lossSum))[0]!);
      device.pool.release(lossSum.view);
    }
    losses ||= found.join(' ');
    if (found.join(' ') !== losses) throw new Error(`losses ${found.join(' ')} where ${losses} were`);
    const { user, system } = process.cpuUsage(cpu);
    return { seconds: (performance.now() - began) / 1000, processor: (user + system) / 1e6 };
  };
  for (const isTraining of [true, false]) {
    const kind = isTraining ? 'training' : 'evaluation';
    const least = new Map<string, Took>();
    for (let turn = 0; turn <= turns; turn++) {
      for (const [way, model] of Object.entries(ways)) {
        device.pool.resetPeak();
        const { seconds, processor } = await epoch(model, isTraining);
        if (turn === 0) console.log(`${kind}, ${way}, first epoch: ${bytesText(device.pool.report().peakBytes)} at most`);
        if (turn === 0) continue; // kernels are compiled, features made
        const best = least.get(way) ?? { seconds: Infinity, processor: Infinity };
        least.set(way, { seconds: Math.min(best.seconds, seconds), processor: Math.min(best.processor, processor) });
      }
    }
    const kept = least.get('kept')!;
    for (const [way, { seconds, processor }] of least) {
      const times = `${(seconds / kept.seconds).toFixed(2)} x, of the processor ${(processor / kept.processor).toFixed(2)} x`;
      console.log(`${kind}, ${way}, later epoch: ${seconds.toFixed(2)} s, ${processor.toFixed(2)} s of the processor (${times})`);
    }
  }
  console.log(`losses in all of them: ${losses}`);
  random.release();
  device.destroy();
}

const [what, ...numbers] = process.argv.slice(2);
if (what === 'plan') await plan();
else if (what !== undefined && SHAPES[what]) {
  const [slices = 40, count = 2, turns = 3] = numbers.map(Number);
  await epochs(SHAPES[what], slices, count, turns);
} else throw new Error('expected plan, medgemma, smolvlm or smolvlm-third');
releaseGpu();
