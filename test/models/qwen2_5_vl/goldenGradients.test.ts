/** Every gradient of Qwen2.5-VL against PyTorch's: all adapter variants and full fine-tuning, on the micro-batch s00 + s01. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../../src/data/example.ts';
import type { Device } from '../../../src/gpu/device.ts';
import { canonicalName } from '../../../src/io/names.ts';
import { AdamW } from '../../../src/train/optimizer.ts';
import type { Session } from '../../../src/train/session.ts';
import { testDevice } from '../../gpu/testDevice.ts';
import { goldenAdapters, goldenPath } from '../../io/goldenFolder.ts';
import { Bounds, goldenJson, goldenTensors, hasGolden, norm, readGradients, runBatch, withSession } from '../golden.ts';
import type { BatchRun } from '../golden.ts';
import { floats, goldenCase, MODEL } from './goldenExamples.ts';

const bounds = new Bounds(MODEL);
const baseModel = goldenPath('models', MODEL);
/** Labelled tokens of s00 and s01. */
const LABELS = 54;
let device: Device;
let examples: Example[];

beforeAll(async () => {
  device = await testDevice();
  examples = (await Promise.all(['s00_single', 's01_single'].map(goldenCase))).map(({ example }) => example);
});

interface Backward {
  run: BatchRun;
  gradients: Map<string, Float32Array>;
  /** The optimizer's own norm of all gradients. */
  gradNorm: number;
}

async function differentiate(session: Session, checkpointing = true): Promise<Backward> {
  session.arena.zeroGradients();
  const run = await runBatch(session, examples, { grad: true, lossScale: 1 / LABELS, checkpointing });
  const gradients = await readGradients(session);
  const optimizer = new AdamW(device, session.arena);
  optimizer.step(0);
  const [log] = await optimizer.readLog(1, 1);
  optimizer.release();
  return { run, gradients, gradNorm: log!.gradNorm };
}

function quantityOf(name: string): string {
  const kind = /lora_(A|B|magnitude)/.exec(name)?.[1];
  return `lora.grad.${kind ?? 'modules_to_save'}`;
}

describe('adapters', () => {
  const variants = goldenAdapters().filter(({ model }) => model === MODEL);
  const facts = goldenJson<Record<string, { loss: { f64: number }; grad_norm: { f64: number } }>>('golden', MODEL, 'lora', 'lora.json');

  it.each(variants)('$variant', async ({ variant, dir }) => {
    const golden = await goldenTensors('golden', MODEL, 'lora', variant, 'grads.safetensors');
    await withSession(device, { baseModel, initAdapter: dir }, async (session) => {
      const { run, gradients, gradNorm } = await differentiate(session);
      const { loss, grad_norm } = facts[variant]!;
      bounds.expectNear('lora.loss', `${variant} loss`, [run.loss], [loss.f64]);
      if (hasGolden('golden', MODEL, 'lora', variant, 'logits.safetensors')) {
        const { data } = (await goldenTensors('golden', MODEL, 'lora', variant, 'logits.safetensors')).get('logits_completion')!;
        bounds.expectNear('lora.logits', `${variant} logits`, run.logits, data);
      }
      const names = new Map([...golden.keys()].map((name) => [name.replace('base_model.model.', ''), name]));
      expect([...gradients.keys()].sort()).toEqual([...names.keys()].sort());
      for (const [name, gradient] of gradients) bounds.expectNear(quantityOf(name), `${variant} ${name}`, gradient, floats(golden, names.get(name)!));
      bounds.expectNear('lora.grad_norm', `${variant} norm`, [norm(gradients.values())], [grad_norm.f64]);
      bounds.expectNear('lora.grad_norm', `${variant} norm on the GPU`, [gradNorm], [grad_norm.f64]);
    });
  });

  it('without checkpointing the gradients are the same to the bit, and so are they a second time', async () => {
    const initAdapter = goldenPath('golden', MODEL, 'lora', 'all_linear');
    await withSession(device, { baseModel, initAdapter }, async (session) => {
      const first = await differentiate(session);
      for (const other of [await differentiate(session, false), await differentiate(session, true)]) {
        expect(other.run.loss).toBe(first.run.loss);
        for (const [name, gradient] of other.gradients) expect(sameBits(gradient, first.gradients.get(name)!), name).toBe(true);
      }
    });
  });
});

describe('full fine-tuning', () => {
  it('the norm of every gradient, and every stored gradient', async () => {
    const facts = goldenJson<{ loss: number; grad_norms: Record<string, number> }>('golden', MODEL, 'full_grads.json');
    const golden = await goldenTensors('golden', MODEL, 'full_grads.safetensors');
    await withSession(device, { baseModel, finetuning: { kind: 'full' } }, async (session) => {
      const { run, gradients, gradNorm } = await differentiate(session);
      bounds.expectNear('loss', 'full loss', [run.loss], [facts.loss]);
      const current = (name: string): string => canonicalName('qwen2_5_vl', name);
      expect([...gradients.keys()].sort()).toEqual(Object.keys(facts.grad_norms).map(current).sort());
      for (const [name, { data }] of golden) bounds.expectNear('full.grad', `full ${name}`, gradients.get(current(name))!, data);
      for (const [name, expected] of Object.entries(facts.grad_norms)) {
        bounds.expectNear('full.grad', `full norm of ${name}`, [norm([gradients.get(current(name))!])], [expected]);
      }
      const total = Math.hypot(...Object.values(facts.grad_norms));
      bounds.expectNear('full.grad', 'full norm', [gradNorm], [total]);

      const again = await differentiate(session, false);
      for (const [name, gradient] of again.gradients) expect(sameBits(gradient, gradients.get(name)!), `without checkpointing: ${name}`).toBe(true);
    });
  });
});

function sameBits(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}
