/** Every gradient of a family against PyTorch's: all adapter variants and full fine-tuning, on the micro-batch s00 + s01. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { canonicalName } from '../../src/io/names.ts';
import { countLabels } from '../../src/train/microBatch.ts';
import { AdamW } from '../../src/train/optimizer.ts';
import type { Session } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenAdapters, goldenPath } from '../io/goldenFolder.ts';
import { Bounds, goldenJson, goldenTensors, hasGolden, inGroups, norm, readGradients, runBatch, withSession } from './golden.ts';
import type { BatchRun } from './golden.ts';
import { floats } from './goldenModel.ts';
import type { GoldenModel } from './goldenModel.ts';
import { namingOf } from '../../src/models/families.ts';

interface Backward {
  run: BatchRun;
  gradients: Map<string, Float32Array>;
  /** The optimizer's own norm of all gradients. */
  gradNorm: number;
}

export function gradientTests(model: GoldenModel): void {
  const bounds = new Bounds(model.name);
  const { baseModel } = model;
  let device: Device;
  let examples: Example[];
  /** Labelled tokens of s00 and s01. */
  let labels: number;

  beforeAll(async () => {
    device = await testDevice();
    examples = (await model.cases(['s00_single', 's01_single'])).map(({ example }) => example);
    labels = examples.reduce((sum, example) => sum + countLabels(example), 0);
  });

  async function differentiate(session: Session, checkpointing = true, { model: computed }: Pick<Session, 'model'> = session): Promise<Backward> {
    session.arena.zeroGradients();
    const run = await runBatch({ device, model: computed }, examples, { grad: true, lossScale: 1 / labels, checkpointing });
    const gradients = await readGradients(session);
    const optimizer = new AdamW(device, session.arena);
    optimizer.step(0);
    const [log] = await optimizer.readLog(1, 1);
    optimizer.release();
    return { run, gradients, gradNorm: log!.gradNorm };
  }

  const current = (name: string): string => canonicalName(namingOf(model.layout.modelType), name);

  describe('adapters', () => {
    const variants = goldenAdapters([model.name]);
    const facts = goldenJson<Record<string, { loss: { f64: number }; grad_norm: { f64: number } }>>('golden', model.name, 'lora', 'lora.json');

    it.each(variants)('$variant', async ({ variant, dir }) => {
      const golden = await goldenTensors('golden', model.name, 'lora', variant, 'grads.safetensors');
      await withSession(device, { baseModel, initAdapter: dir }, async (session) => {
        const { run, gradients, gradNorm } = await differentiate(session);
        const { loss, grad_norm } = facts[variant]!;
        bounds.expectNear('lora.loss', `${variant} loss`, [run.loss], [loss.f64]);
        if (hasGolden('golden', model.name, 'lora', variant, 'logits.safetensors')) {
          const { data } = (await goldenTensors('golden', model.name, 'lora', variant, 'logits.safetensors')).get('logits_completion')!;
          bounds.expectNear('lora.logits', `${variant} logits`, run.logits, data);
        }
        const names = new Map([...golden.keys()].map((name) => [current(name.replace('base_model.model.', '')), name]));
        expect([...gradients.keys()].sort()).toEqual([...names.keys()].sort());
        for (const [name, gradient] of gradients) bounds.expectNear(quantityOf(name), `${variant} ${name}`, gradient, floats(golden, names.get(name)!));
        bounds.expectNear('lora.grad_norm', `${variant} norm`, [norm(gradients.values())], [grad_norm.f64]);
        bounds.expectNear('lora.grad_norm', `${variant} norm on the GPU`, [gradNorm], [grad_norm.f64]);
        if (!session.model.vision?.modules.trains) return;
        const grouped = await differentiate(session, true, { model: inGroups(session.model) });
        bounds.expectNear('lora.loss', `${variant} loss, picture by picture`, [grouped.run.loss], [loss.f64]);
        for (const [name, gradient] of grouped.gradients) {
          bounds.expectNear(quantityOf(name), `${variant} ${name}, picture by picture`, gradient, floats(golden, names.get(name)!));
        }
      });
    });

    it('without checkpointing the gradients are the same to the bit, and so are they a second time', async () => {
      const initAdapter = goldenPath('golden', model.name, 'lora', 'all_linear');
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
      const facts = goldenJson<{ loss: number; grad_norms: Record<string, number> }>('golden', model.name, 'full_grads.json');
      const golden = await goldenTensors('golden', model.name, 'full_grads.safetensors');
      const zeros = model.zeroGradients();
      await withSession(device, { baseModel, finetuning: { kind: 'full' } }, async (session) => {
        const { run, gradients, gradNorm } = await differentiate(session);
        bounds.expectNear('loss', 'full loss', [run.loss], [facts.loss]);
        expect([...gradients.keys()].sort()).toEqual(Object.keys(facts.grad_norms).map(current).sort());
        for (const [stored, { data }] of golden) {
          const name = current(stored);
          if (!zeros.has(name)) bounds.expectNear('full.grad', `full ${name}`, gradients.get(name)!, data);
        }
        for (const [stored, expected] of Object.entries(facts.grad_norms)) {
          const name = current(stored);
          if (zeros.has(name)) bounds.expectZero('full.grad.mathematically_zero', `full ${name}`, gradients.get(name)!);
          else bounds.expectNear('full.grad', `full norm of ${name}`, [norm([gradients.get(name)!])], [expected]);
        }
      const total = Math.hypot(...Object.values(facts.grad_norms));
        bounds.expectNear('full.grad', 'full norm', [gradNorm], [total]);

        if (session.model.vision) {
          const grouped = await differentiate(session, true, { model: inGroups(session.model) });
          for (const [stored, { data }] of golden) {
            const name = current(stored);
            if (!zeros.has(name)) bounds.expectNear('full.grad', `full ${name}, picture by picture`, grouped.gradients.get(name)!, data);
          }
        }
        const again = await differentiate(session, false);
        for (const [name, gradient] of again.gradients) expect(sameBits(gradient, gradients.get(name)!), `without checkpointing: ${name}`).toBe(true);
      });
    });
  });
}

function quantityOf(name: string): string {
  const kind = /lora_(A|B|magnitude)/.exec(name)?.[1];
  return `lora.grad.${kind ?? 'modules_to_save'}`;
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}
