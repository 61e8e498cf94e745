/** Qwen2.5-VL forward against transformers: every module's output, logits, losses, batches without padding, bf16 weights, greedy generation. */
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import type { Example } from '../../../src/data/example.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { loraConfig } from '../../../src/io/peftConfig.ts';
import { generate } from '../../../src/models/generate.ts';
import { parseQwen2_5VLConfig } from '../../../src/models/qwen2_5_vl/config.ts';
import { windowOrder } from '../../../src/models/qwen2_5_vl/positions.ts';
import { openSession } from '../../../src/train/session.ts';
import type { Session } from '../../../src/train/session.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { goldenNames, goldenPath } from '../../io/goldenFolder.ts';
import { argmaxRows, Bounds, goldenCases, goldenJson, goldenTensors, hasGolden, runBatch, withSession } from '../golden.ts';
import { floats, goldenBatch, goldenCase, integers, MODEL, promptOf, textPositions } from './goldenExamples.ts';

const bounds = new Bounds(MODEL);
const baseModel = goldenPath('models', MODEL);
const config = parseQwen2_5VLConfig(goldenJson('models', MODEL, 'config.json'));
/** A new adapter: lora_B is zero, so the forward pass is the base model's. */
const finetuning = { kind: 'lora', config: loraConfig({ target_modules: ['q_proj'] }) } as const;
const cases = goldenCases(MODEL);
let device: Device;
let session: Session;

beforeAll(async () => {
  device = await testDevice();
  session = await openSession(nodePlatform, device, { baseModel, finetuning });
});

describe('every module', () => {
  const tapped = ['s00_single', 's09_textonly'];
  it.each(tapped)('%s', async (id) => {
    const { example, tensors } = await goldenCase(id);
    const { taps, logits } = await runBatch(session, [example], { taps: true, everyLogit: true });
    const C = config.text.hiddenSize;
    const near = (quantity: string, golden: string, stage: string, values = taps.get(stage)): void => {
      expect(values, `output of ${stage}`).toBeDefined();
      bounds.expectNear(`forward.${quantity}`, `${id} ${golden}`, values!, floats(tensors, golden));
    };
    if (example.imageGrids.length > 0) {
      const merge = config.vision.spatialMergeSize ** 2;
      const { windowIndex } = windowOrder(example.imageGrids, config.vision);
      const patches = taps.get('model.visual.patch_embed')!;
      // The tower's own blocks are in window order in the reference too, its patch embedding and final features are not.
      near('vision.patch_embed', 'taps.vision.patch_embed', 'patch_embed', scatterGroups(patches, windowIndex, merge * config.vision.hiddenSize));
      for (let i = 0; i < config.vision.depth; i++) near('vision.block.*', `taps.vision.block.${i}`, `model.visual.blocks.${i}`);
      near('image_features', 'image_features', 'model.visual.merger');
      const features = taps.get('model.visual.merger')!;
      near('vision.merger_window_order', 'taps.vision.merger_window_order', 'merger', gatherGroups(features, windowIndex, C));
    }
    near('inputs_embeds', 'taps.inputs_embeds', 'model.language_model.embed_tokens');
    for (let i = 0; i < config.text.layers; i++) near('layer.*', `taps.layer.${i}`, `model.language_model.layers.${i}`);
    near('final_norm', 'taps.final_norm', 'final_norm');
    bounds.expectNear('forward.logits', `${id} logits`, logits, floats(tensors, 'logits'));
  });
});

describe('logits and losses of a case', () => {
  it.each(cases)('%s', async (id) => {
    const { example, tensors, facts } = await goldenCase(id);
    const completion = await runBatch(session, [example]);
    const golden = floats(tensors, 'logits_completion');
    bounds.expectNear('forward.logits', `${id} logits_completion`, completion.logits, golden);
    bounds.expectNear('token_nll', `${id} nll_completion`, completion.nll, floats(tensors, 'nll_completion'));
    bounds.expectNear('loss', `${id} loss_completion`, [completion.loss], [facts.loss_completion.f64]);
    const labels = [...example.labels.subarray(1)].filter((label) => label !== -100);
    expect(completion.correct).toBe(argmaxRows(golden, config.text.vocabSize).filter((best, row) => best === labels[row]).length);

    const reference = await runBatch(session, [{ ...example, labels: integers(tensors, 'labels_reference') }]);
    bounds.expectNear('token_nll', `${id} nll_reference`, reference.nll, floats(tensors, 'nll_reference'));
    bounds.expectNear('loss', `${id} loss_reference`, [reference.loss], [facts.loss_reference.f64]);
  });
});

describe('rows side by side equal the padded batch', () => {
  it.each([
    ['right_padded', ['s00_single', 's01_single']],
    ['left_padded', ['s00_single', 's01_single']],
    ['with_text_only', ['s00_single', 's09_textonly']],
  ])('%s', async (name, ids) => {
    const batch = await goldenBatch(name, await Promise.all(ids.map(goldenCase)));
    const run = await runBatch(session, batch.examples);
    bounds.expectNear('forward.logits_completion_batch', `${name} logits`, run.logits, batch.logits);
    bounds.expectNear('token_nll', `${name} nll`, run.nll, batch.nll);
    bounds.expectNear('loss', `${name} loss`, [run.loss], [batch.loss]);
  });
});

it('bf16 weights from a sharded folder of the other layout', async () => {
  const golden = await goldenTensors('golden', MODEL, 'bf16_weights_s00.safetensors');
  const { example } = await goldenCase('s00_single');
  await withSession(device, { baseModel: goldenPath('models', `${MODEL}-bf16`), finetuning }, async (bf16) => {
    const run = await runBatch(bf16, [example], { taps: true });
    bounds.expectNear('forward.image_features', 'bf16 image_features', run.taps.get('model.visual.merger')!, floats(golden, 'image_features'));
    bounds.expectNear('forward.logits', 'bf16 logits', run.logits, floats(golden, 'logits_completion'));
    bounds.expectNear('loss', 'bf16 loss', [run.loss], floats(golden, 'loss_completion'));
  });
});

describe('greedy generation', () => {
  const answer = (of: Session, example: Example, length: number): Promise<number[]> =>
    generate(device, of.model, example, { maxNewTokens: length, endIds: of.processor.endOfTurnIds });

  it.each(cases)('%s, the base model', async (id) => {
    const golden = await goldenCase(id);
    const prompt = promptOf(golden);
    expect(renderedPrompt(session, prompt)).toBe(golden.facts.generation_text);
    const { ids, text } = golden.facts.generated;
    expect(await answer(session, prompt, ids.length)).toEqual(ids);
    expect(session.processor.decode(ids)).toBe(text);
  });

  const trainings = goldenNames('golden', MODEL, 'runs')
    .filter((run) => hasGolden('golden', MODEL, 'runs', run, 'adapter_final'))
    .flatMap((run) => {
      const { generated_after_training: generated = {} } = goldenJson<{ generated_after_training?: Record<string, { ids: number[] }> }>(
        'golden', MODEL, 'runs', run, 'run.json',
      );
      const known = Object.entries(generated).filter(([id]) => cases.includes(id));
      return known.map(([id, { ids }]) => ({ run, id, ids }));
    });
  it.each(trainings)('$id, after the training run $run', async ({ run, id, ids }) => {
    const initAdapter = goldenPath('golden', MODEL, 'runs', run, 'adapter_final');
    await withSession(device, { baseModel, initAdapter }, async (trained) => {
      expect(await answer(trained, promptOf(await goldenCase(id)), ids.length)).toEqual(ids);
    });
  });

  it('the cache gives the token that the whole text gives, with an adapter', async () => {
    const initAdapter = goldenPath('golden', MODEL, 'lora', 'all_linear');
    const { example } = await goldenCase('s09_textonly');
    await withSession(device, { baseModel, initAdapter }, async (adapted) => {
      const { logits } = await runBatch(adapted, [example], { everyLogit: true });
      const expected = argmaxRows(logits, config.text.vocabSize);
      for (const length of [1, 17, 64]) {
        const cut = { ...example, inputIds: example.inputIds.slice(0, length), positionIds: textPositions(length) };
        expect(await answer(adapted, cut, 1)).toEqual([expected[length - 1]]);
      }
    });
  });
});

function renderedPrompt({ processor }: Session, prompt: Example): string {
  const image = config.imageTokenId;
  return processor.decode([...prompt.inputIds].filter((id, t) => id !== image || prompt.inputIds[t - 1] !== image));
}

/** Groups of `width` values from place to `index[place]`. */
function scatterGroups(values: Float32Array, index: Int32Array, width: number): Float32Array {
  const out = new Float32Array(values.length);
  index.forEach((to, place) => out.set(values.subarray(place * width, (place + 1) * width), to * width));
  return out;
}

function gatherGroups(values: Float32Array, index: Int32Array, width: number): Float32Array {
  const out = new Float32Array(values.length);
  index.forEach((from, place) => out.set(values.subarray(from * width, (from + 1) * width), place * width));
  return out;
}
