/**
 * An Idefics3 in a shape that smolvlm-tiny has not, against transformers (test/golden/smolvlm_cases.py): tiles of 50 pixels by patches of 8, whose rest falls away,
 * a shuffle by 3, biases everywhere, a tied head, RoPE scaled as Llama 3.1's, one key head, a head size of its own. Bound: 2e-5 of the largest value, as for
 * Gemma 3's other shapes.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../../src/data/example.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { generate } from '../../../src/models/generate.ts';
import { countLabels } from '../../../src/train/microBatch.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { norm, readGradients, runBatch, tensorsOf, withSession } from '../golden.ts';
import type { GoldenTensor } from '../golden.ts';
import { floats, integers } from '../goldenModel.ts';
import { patchesOf, smolvlm } from './goldenExamples.ts';

const baseModel = fileURLToPath(new URL('../../golden/smolvlm/other', import.meta.url));
const facts = JSON.parse(readFileSync(`${baseModel}/case.json`, 'utf8')) as { loss: number; prompt: number; grad_norms: Record<string, number> };
let device: Device;
let golden: Map<string, GoldenTensor>;
let examples: Example[];

beforeAll(async () => {
  device = await testDevice();
  golden = await tensorsOf(`${baseModel}/case.safetensors`);
  const row = (name: string): Example => {
    const inputIds = integers(golden, name);
    return { inputIds, labels: integers(golden, `labels_${name}`), positionIds: Int32Array.from(inputIds.keys()), pixelValues: new Float32Array(0), imageGrids: [] };
  };
  examples = [{ ...row('long'), ...patchesOf(golden.get('tiles_u8')!, 8, 3) }, row('short')];
});

function expectNear(label: string, found: ArrayLike<number>, wanted: ArrayLike<number>, bound = 2e-5): void {
  expect(found.length, label).toBe(wanted.length);
  const largest = Math.max(...Array.from(wanted, Math.abs));
  const worst = Math.max(...Array.from(wanted, (value, i) => Math.abs(value - found[i]!)));
  expect(worst / largest, label).toBeLessThanOrEqual(bound);
}

describe('another shape', () => {
  it('logits, loss, and the norm of every gradient', async () => {
    await withSession(device, { baseModel, finetuning: { kind: 'full' } }, async (session) => {
      session.arena.zeroGradients();
      const labels = examples.reduce((sum, example) => sum + countLabels(example), 0);
      const run = await runBatch(session, examples, { grad: true, lossScale: 1 / labels, taps: true });
      expectNear('image features', run.taps.get('model.connector.modality_projection')!, floats(golden, 'image_features'));
      expectNear('logits', run.logits, floats(golden, 'logits'));
      expectNear('loss', [run.loss], [facts.loss]);
      const gradients = await readGradients(session);
      const total = Math.hypot(...Object.values(facts.grad_norms));
      // transformers has a parameter for each of the two names of a tied head.
      expect([...gradients.keys()].sort()).toEqual(Object.keys(facts.grad_norms).filter((name) => name !== 'lm_head.weight').sort());
      for (const [parameter, gradient] of gradients) {
        const expected = facts.grad_norms[parameter]!;
        const found = norm([gradient]);
        // A bias of all keys changes nothing where nothing turns them.
        if (expected < 1e-6 * total) expect(found, parameter).toBeLessThan(1e-6 * total);
        else expectNear(parameter, [found], [expected], 1e-4);
      }
      expectNear('norm of all', [norm(gradients.values())], [total]);
    });
  });

  it('greedy answers, through the cache', async () => {
    const example = smolvlm.cut(examples[0]!, facts.prompt);
    await withSession(device, { baseModel, finetuning: { kind: 'none' } }, async (session) => {
      const wanted = [...integers(golden, 'generated')];
      expect(await generate(device, session.model, example, { maxNewTokens: wanted.length, endIds: [] })).toEqual(wanted);
    });
  });
});
