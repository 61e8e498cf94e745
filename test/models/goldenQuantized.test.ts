/**
 * Models over NF4 weights against transformers and PEFT over the dequantised ones: quantised while loading and read from bitsandbytes'
 * folders, Qwen2.5-VL (the golden set), SmolVLM (its own goldens) and Gemma 3 (test/golden/nf4, made by nf4_cases.py). Bounds are ten times the noise of float32, as
 * everywhere.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { canonicalName } from '../../src/io/names.ts';
import { generate } from '../../src/models/generate.ts';
import type { Quantization } from '../../src/models/quantization.ts';
import { countLabels } from '../../src/train/microBatch.ts';
import type { SessionOptions } from '../../src/train/session.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { gemma } from './gemma3/goldenExamples.ts';
import { Bounds, goldenJson, norm, readGradients, runBatch, tensorsOf, withSession } from './golden.ts';
import { floats } from './goldenModel.ts';
import type { GoldenModel } from './goldenModel.ts';
import { qwen } from './qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from './qwen3_vl/goldenExamples.ts';
import { smolvlm } from './smolvlm/goldenExamples.ts';
import { namingOf } from '../../src/models/families.ts';

const own = (name: string): string => fileURLToPath(new URL(`../golden/nf4/${name}`, import.meta.url));
const nf4 = (...skipModules: string[]): Quantization => ({ weights: 'nf4', skipModules, embedding: 'none' });

interface Facts {
  loss: number;
  grad_norm: number;
}

interface Case {
  name: string;
  model: GoldenModel;
  options: Pick<SessionOptions, 'baseModel' | 'quantization'>;
  adapter: string;
  quantised: number;
  facts: Facts;
  /** File of logits, of gradients, and what stands before the names of the latter. */
  files: { logits: string; logitsName: string; grads: string; prefix: string };
}

function ownCase(model: GoldenModel, kind: 'fp32' | 'bf16', options: Case['options']): Case {
  const { loss, grad_norm, n_quantised } = goldenJson<Record<string, { loss: { f64: number }; grad_norm: number; n_quantised: number }>>('golden', model.name, 'nf4', 'nf4.json')[kind]!;
  const file = (name: string): string => goldenPath('golden', model.name, 'nf4', kind, `${name}.safetensors`);
  return {
    name: `${model.name}, ${kind}`, model, options, adapter: 'all_linear', quantised: n_quantised, facts: { loss: loss.f64, grad_norm },
    files: { logits: file('logits'), logitsName: 'adapter_logits_completion', grads: file('lora_grads'), prefix: 'base_model.model.' },
  };
}

function gemmaCase(set: 'gemma3' | 'gemma3_stored', adapter: string, options: Case['options']): Case {
  const facts = JSON.parse(readFileSync(own(`${set}.json`), 'utf8')) as Record<string, Facts> & { quantised: number };
  const file = own(`${set}.safetensors`);
  return {
    name: `${set}, ${adapter}`, model: gemma, options, adapter, quantised: facts.quantised, facts: facts[adapter]!,
    files: { logits: file, logitsName: `${adapter}.logits`, grads: file, prefix: `${adapter}.base_model.model.` },
  };
}

const cases = [
  ownCase(qwen, 'fp32', { baseModel: qwen.baseModel, quantization: nf4('lm_head', 'visual') }),
  ownCase(qwen, 'bf16', { baseModel: goldenPath('models', `${qwen.name}-bf16`), quantization: nf4('lm_head', 'visual') }),
  { ...ownCase(qwen, 'bf16', { baseModel: goldenPath('models', `${qwen.name}-bnb-4bit`) }), name: `${qwen.name}-bnb-4bit` },
  gemmaCase('gemma3', 'all_linear', { baseModel: gemma.baseModel, quantization: nf4('lm_head') }),
  gemmaCase('gemma3', 'dora', { baseModel: gemma.baseModel, quantization: nf4('lm_head') }),
  ownCase(qwen3, 'fp32', { baseModel: qwen3.baseModel, quantization: nf4('lm_head') }),
  ownCase(smolvlm, 'fp32', { baseModel: smolvlm.baseModel, quantization: nf4('lm_head') }),
  gemmaCase('gemma3_stored', 'all_linear', { baseModel: own('gemma3-tiny-bnb-4bit') }),
];

describe('over NF4', () => {
  let device: Device;
  const bounds = new Map<string, Bounds>([qwen, gemma, qwen3, smolvlm].map(({ name }) => [name, new Bounds(name)]));
  beforeAll(async () => {
    device = await testDevice();
  });

  it.each(cases)('$name', async ({ model, options, adapter, quantised, facts, files }) => {
    const examples: Example[] = (await model.cases(['s00_single', 's01_single'])).map(({ example }) => example);
    const labels = examples.reduce((sum, example) => sum + countLabels(example), 0);
    const bound = bounds.get(model.name)!;
    const logits = floats(await tensorsOf(files.logits), files.logitsName);
    const golden = await tensorsOf(files.grads);
    await withSession(device, { ...options, initAdapter: goldenPath('golden', model.name, 'lora', adapter) }, async (session) => {
      expect(session.quantizedCount).toBe(quantised);
      session.arena.zeroGradients();
      const run = await runBatch(session, examples, { grad: true, lossScale: 1 / labels });
      const gradients = await readGradients(session);
      expect(Math.abs(run.loss / facts.loss - 1)).toBeLessThan(1e-4);
      expect(Math.abs(norm(gradients.values()) / facts.grad_norm - 1)).toBeLessThan(1e-3);
      bound.expectNear('lora.loss', 'loss', [run.loss], [facts.loss]);
      bound.expectNear('lora.logits', 'logits', run.logits, logits);
      const names = new Map([...golden.keys()].filter((name) => name.startsWith(files.prefix)).map((name) => [canonicalName(namingOf(model.layout.modelType), name.slice(files.prefix.length)), name]));
      expect([...gradients.keys()].sort()).toEqual([...names.keys()].sort());
      for (const [name, gradient] of gradients) {
        const kind = /lora_(A|B|magnitude)/.exec(name)![1]!;
        bound.expectNear(`lora.grad.${kind}`, name, gradient, floats(golden, names.get(name)!));
      }
    });
  });

  it('answers are the same from the folder and quantised while loading', async () => {
    const example = qwen.promptOf(await qwen.case('s00_single'));
    const answers: number[][] = [];
    for (const { options } of cases.slice(1, 3)) {
      await withSession(device, { ...options, finetuning: { kind: 'none' } }, async (session) => {
        answers.push([...(await generate(device, session.model, example, { maxNewTokens: 6, endIds: session.processor.endOfTurnIds }))]);
      });
    }
    expect(answers[0]!.length).toBeGreaterThan(0);
    expect(answers[1]).toEqual(answers[0]);
  });
});
