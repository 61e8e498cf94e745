/** Forward passes of a family against transformers: every module's output, logits, losses, batches without padding, bf16 weights, greedy generation. */
import { beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { generate } from '../../src/models/generate.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenNames, goldenPath } from '../io/goldenFolder.ts';
import { argmaxRows, Bounds, goldenCases, goldenJson, goldenTensors, hasGolden, runBatch, withSession } from './golden.ts';
import type { BatchRun } from './golden.ts';
import { floats, integers } from './goldenModel.ts';
import type { GoldenCase, GoldenModel } from './goldenModel.ts';

/** One module's output beside the golden one: `golden` is the tensor's name in the case, `quantity` the bound's. */
export interface Tap {
  quantity: string;
  golden: string;
  values: Float32Array | undefined;
}

export interface ForwardSpec {
  /** Every tap that the case stores. */
  taps(run: BatchRun, golden: GoldenCase): Tap[];
  /** The stage that gives the image features. */
  featureStage: string;
}

export function forwardTests(model: GoldenModel, spec: ForwardSpec): void {
  const bounds = new Bounds(model.name);
  const { baseModel } = model;
  const V = model.vocabSize();
  /** A new adapter: lora_B is zero, so the forward pass is the base model's. */
  const finetuning = { kind: 'lora', config: loraConfig({ target_modules: ['q_proj'] }) } as const;
  const cases = goldenCases(model.name);
  let device: Device;
  let session: Session;

  beforeAll(async () => {
    device = await testDevice();
    session = await openSession(nodePlatform, device, { baseModel, finetuning });
  });

  describe('every module', () => {
    it.each(['s00_single', 's09_textonly'])('%s', async (id) => {
      const golden = await model.case(id);
      const run = await runBatch(session, [golden.example], { taps: true, everyLogit: true });
      const taps = spec.taps(run, golden);
      // A text-only case may still hold the tower's taps of the case before it.
      const others = golden.example.imageGrids.length > 0 ? ['taps.mask.'] : ['taps.mask.', 'taps.vision.'];
      const stored = [...golden.tensors.keys()].filter((name) => name.startsWith('taps.') && !others.some((start) => name.startsWith(start)));
      expect(taps.map((tap) => tap.golden)).toEqual(expect.arrayContaining(stored));
      for (const { quantity, golden: name, values } of taps) {
        expect(values, `${id}: ${name}`).toBeDefined();
        bounds.expectNear(`forward.${quantity}`, `${id} ${name}`, values!, floats(golden.tensors, name));
      }
      bounds.expectNear('forward.logits', `${id} logits`, run.logits, floats(golden.tensors, 'logits'));
    });
  });

  describe('logits and losses of a case', () => {
    it.each(cases)('%s', async (id) => {
      const { example, tensors, facts } = await model.case(id);
      const completion = await runBatch(session, [example]);
      const golden = floats(tensors, 'logits_completion');
      bounds.expectNear('forward.logits', `${id} logits_completion`, completion.logits, golden);
      bounds.expectNear('token_nll', `${id} nll_completion`, completion.nll, floats(tensors, 'nll_completion'));
      bounds.expectNear('loss', `${id} loss_completion`, [completion.loss], [facts.loss_completion.f64]);
      const labels = [...example.labels.subarray(1)].filter((label) => label !== -100);
      expect(completion.correct).toBe(argmaxRows(golden, V).filter((best, row) => best === labels[row]).length);

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
      const batch = await model.batch(name, await model.cases(ids));
      const run = await runBatch(session, batch.examples);
      bounds.expectNear('forward.logits_completion_batch', `${name} logits`, run.logits, batch.logits);
      bounds.expectNear('token_nll', `${name} nll`, run.nll, batch.nll);
      bounds.expectNear('loss', `${name} loss`, [run.loss], [batch.loss]);
    });
  });

  it('bf16 weights from a sharded folder of the other layout', async () => {
    const golden = await goldenTensors('golden', model.name, 'bf16_weights_s00.safetensors');
    const { example } = await model.case('s00_single');
    await withSession(device, { baseModel: goldenPath('models', `${model.name}-bf16`), finetuning }, async (bf16) => {
      const run = await runBatch(bf16, [example], { taps: true });
      bounds.expectNear('forward.image_features', 'bf16 image_features', run.taps.get(spec.featureStage)!, floats(golden, 'image_features'));
      bounds.expectNear('forward.logits', 'bf16 logits', run.logits, floats(golden, 'logits_completion'));
      bounds.expectNear('loss', 'bf16 loss', [run.loss], floats(golden, 'loss_completion'));
    });
  });

  describe('greedy generation', () => {
    const answer = (of: Session, example: Example, length: number): Promise<number[]> =>
      generate(device, of.model, example, { maxNewTokens: length, endIds: of.processor.endOfTurnIds });

    it.each(cases)('%s, the base model', async (id) => {
      const golden = await model.case(id);
      const { ids, text } = golden.facts.generated;
      expect(await answer(session, model.promptOf(golden), ids.length)).toEqual(ids);
      expect(session.processor.decode(ids)).toBe(text);
    });

    const trainings = goldenNames('golden', model.name, 'runs')
      .filter((run) => hasGolden('golden', model.name, 'runs', run, 'adapter_final'))
      .flatMap((run) => {
        const { generated_after_training: generated = {} } = goldenJson<{ generated_after_training?: Record<string, { ids: number[] }> }>(
          'golden', model.name, 'runs', run, 'run.json',
        );
        const known = Object.entries(generated).filter(([id]) => cases.includes(id));
        return known.map(([id, { ids }]) => ({ run, id, ids }));
      });
    it.each(trainings)('$id, after the training run $run', async ({ run, id, ids }) => {
      const initAdapter = goldenPath('golden', model.name, 'runs', run, 'adapter_final');
      await withSession(device, { baseModel, initAdapter }, async (trained) => {
        expect(await answer(trained, model.promptOf(await model.case(id)), ids.length)).toEqual(ids);
      });
    });

    it.each(['s09_textonly', 's10_twoimages'])('%s: the cache gives the token that the whole text gives, with an adapter', async (id) => {
      const initAdapter = goldenPath('golden', model.name, 'lora', 'all_linear');
      const golden = await model.case(id);
      const prompt = model.promptOf(golden);
      await withSession(device, { baseModel, initAdapter }, async (adapted) => {
        const { logits } = await runBatch(adapted, [golden.example], { everyLogit: true });
        const expected = argmaxRows(logits, V);
        const text = golden.example.imageGrids.length === 0 ? [1, 17] : [];
        for (const length of [...text, prompt.inputIds.length]) {
          expect(await answer(adapted, model.cut(golden.example, length), 1)).toEqual([expected[length - 1]]);
        }
      });
    });
  });
}
