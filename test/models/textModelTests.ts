/**
 * A text-only family against transformers + PEFT on two tiny checkpoints (test/golden/text_tiny.py): token ids and labels, logits, losses, adapter gradients (over NF4
 * too), a training run, greedy generation. The bound of a quantity is ten times torch's own float32 noise, which comes with the data.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Conversation, Example, Message } from '../../src/data/example.ts';
import { openSafetensors, toFloat32, writeSafetensors } from '../../src/io/safetensors.ts';
import type { TensorEntry } from '../../src/io/safetensors.ts';
import { generate } from '../../src/models/generate.ts';
import type { Quantization } from '../../src/models/quantization.ts';
import { TextProcessor } from '../../src/models/textProcessor.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import { train } from '../../src/train/trainer.ts';
import { allOf } from '../../src/track/tracker.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { readGradients, runBatch, withSession } from './golden.ts';

const FACTOR = 10;
const NF4: Quantization = { weights: 'nf4', skipModules: ['lm_head'], embedding: 'none' };
interface Facts {
  cases: { messages: Message[]; prompt: number; loss: number; generated: number[] }[];
  noise: Record<string, number>;
  adapter_loss: number;
  nf4_adapter_loss: number;
  training: { steps: number; base_lr: number; max_grad_norm: number; micro_batch: number; grad_accum: number; history: { loss: number; grad_norm: number; lr: number }[] };
}

async function tensorsOf(path: string): Promise<Map<string, { shape: readonly number[]; data: number[] }>> {
  const file = await openSafetensors(nodePlatform, path);
  const tensors = new Map<string, { shape: readonly number[]; data: number[] }>();
  for (const [name, { dtype, shape }] of file.tensors) {
    const raw = await file.readRaw(name);
    const data = dtype === 'I64' ? Array.from(new BigInt64Array(raw.slice().buffer), Number) : Array.from(toFloat32(raw, dtype, name));
    tensors.set(name, { shape, data });
  }
  await file.close();
  return tensors;
}

function expectNear(found: ArrayLike<number>, golden: ArrayLike<number>, noise: number, label: string): void {
  expect(found.length, label).toBe(golden.length);
  let error = 0;
  let most = 0;
  for (let i = 0; i < golden.length; i++) {
    const difference = Math.abs(found[i]! - golden[i]!);
    if (!(difference <= error)) error = Number.isNaN(difference) ? Infinity : difference;
    most = Math.max(most, Math.abs(golden[i]!));
  }
  expect(error / most, label).toBeLessThanOrEqual(FACTOR * noise);
}

function layersOf(folder: string): number {
  return (JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as { num_hidden_layers: number }).num_hidden_layers;
}

const conversation = (messages: Message[]): Conversation => ({ messages, images: [] });

/**
 * @param family its folder in test/golden
 * @param second the checkpoint besides `plain`
 * @param changes of that one's configuration, each of which has to change its logits
 */
export async function textModelTests(family: string, second: string, changes: readonly Record<string, unknown>[]): Promise<void> {
  const folderOf = (variant: string): string => fileURLToPath(new URL(`../golden/${family}/${variant}`, import.meta.url));
  const device = await testDevice();
  const work = mkdtempSync(`${tmpdir()}/vernier-${family}-`);
  afterAll(() => {
    rmSync(work, { recursive: true });
  });

  describe.each(['plain', second])(`${family}, %s`, (variant) => {
    const baseModel = folderOf(variant);
    const adapter = `${baseModel}/adapter`;
    const { cases, noise, adapter_loss, nf4_adapter_loss, training } = JSON.parse(readFileSync(`${baseModel}/cases.json`, 'utf8')) as Facts;
    const golden = tensorsOf(`${baseModel}/golden.safetensors`);
    const encode = async (index: number): Promise<Example> => (await TextProcessor.load(nodePlatform, baseModel)).encode(conversation(cases[index]!.messages), [], { mask: 'completion' });
    const examples = Promise.all(cases.map((_, i) => encode(i)));
    const full = { baseModel, finetuning: { kind: 'full' } } as const;

    it('token ids, labels and positions', async () => {
      for (const [i, example] of (await examples).entries()) {
        expect([...example.inputIds]).toEqual((await golden).get(`${i}.input_ids`)!.data);
        expect([...example.labels]).toEqual((await golden).get(`${i}.labels`)!.data);
        expect([...example.positionIds]).toEqual([...example.inputIds.keys()]);
      }
    });

    it('a list of text parts is their text', async () => {
      const processor = await TextProcessor.load(nodePlatform, baseModel);
      const parts = cases[0]!.messages.map(({ role, content }) => ({
        role,
        content: [{ type: 'text' as const, text: String(content).slice(0, 3) }, { type: 'text' as const, text: String(content).slice(3) }],
      }));
      expect(processor.encode(conversation(parts), [], { mask: 'completion' })).toEqual((await examples)[0]);
    });

    it('logits and losses', async () => {
      await withSession(device, full, async (session) => {
        for (const [i, example] of (await examples).entries()) {
          const { logits, loss } = await runBatch(session, [example]);
          const expected = (await golden).get(`${i}.logits`)!.data;
          expectNear(logits.subarray(0, expected.length), expected, noise['logits']!, `logits ${i}`);
          expectNear([loss], [cases[i]!.loss], noise['loss']!, `loss ${i}`);
        }
      });
    });

    it.each([
      { over: 'weights as they are', goldenLoss: adapter_loss, prefix: '' },
      { over: 'weights in NF4', goldenLoss: nf4_adapter_loss, prefix: 'nf4.', quantization: NF4 },
    ])('gradients of an adapter on all linear layers, of two rows together, over $over', async ({ goldenLoss, prefix, quantization }) => {
      await withSession(device, { baseModel, initAdapter: adapter, ...(quantization && { quantization }) }, async (session) => {
        expect(session.quantizedCount).toBe(quantization ? 7 * layersOf(baseModel) : 0);
        session.arena.zeroGradients();
        const rows = (await examples).slice(0, 2);
        const labels = rows.reduce((sum, row) => sum + row.labels.subarray(1).filter((label) => label !== -100).length, 0);
        const { loss } = await runBatch(session, rows, { grad: true, lossScale: 1 / labels });
        expectNear([loss], [goldenLoss], Math.max(noise['loss']!, noise[`${prefix}lora.loss`]!), 'loss');
        const gradients = await readGradients(session);
        for (const [name, values] of gradients) {
          const expected = (await golden).get(`${prefix}grad.base_model.model.${name}`)!.data;
          expectNear(values, expected, noise[`${prefix}grad.${name.includes('lora_A') ? 'A' : 'B'}`]!, name);
        }
        expect(gradients.size).toBe([...(await golden).keys()].filter((name) => name.startsWith(`${prefix}grad.`)).length);
      });
    });

    it('a training run: losses, gradient norms, and where the weights end', async () => {
      await withSession(device, { baseModel, initAdapter: adapter }, async (session) => {
        const rows = await examples;
        const result = await train(
          session,
          { length: rows.length, get: (i) => Promise.resolve(rows[i]!) },
          {
            run_name: 'golden', epoch: 1, max_steps: training.steps, per_device_train_batch_size: training.micro_batch, gradient_accumulation_steps: training.grad_accum,
            learning_rate: training.base_lr, lr_scheduler_type: 'linear', warmup_ratio: 0.03, warmup_steps: 0, max_grad_norm: training.max_grad_norm, weight_decay: 0,
            adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, loss_reduction: 'token', shuffle: false, seed: 0, gradient_checkpointing: true, logging_steps: 1,
            save_steps: -1, save_total_limit: -1,
          },
          { tracker: allOf([]) },
        );
        for (const [i, { loss, grad_norm, lr }] of training.history.entries()) {
          const row = result.state.log_history[i]!;
          expect(Math.abs(row.loss! - loss) / loss, `loss of step ${i + 1}`).toBeLessThanOrEqual(1e-5);
          expect(Math.abs(row.grad_norm! - grad_norm) / grad_norm, `norm of step ${i + 1}`).toBeLessThanOrEqual(1e-4);
          expect(row.learning_rate).toBeCloseTo(lr, 12);
        }
        for (const name of session.plan.trained.keys()) {
          const expected = (await golden).get(`final.base_model.model.${name}`)!.data;
          expectNear(await session.arena.readValues(name), expected, noise['final']!, name);
        }
      });
    });

    it('greedy generation', async () => {
      await withSession(device, full, async (session) => {
        for (const [i, { prompt, generated }] of cases.entries()) {
          const { inputIds, labels, positionIds } = (await examples)[i]!;
          const example = { inputIds: inputIds.slice(0, prompt), labels: labels.slice(0, prompt), positionIds: positionIds.slice(0, prompt), pixelValues: new Float32Array(0), imageGrids: [] };
          const ids = await generate(device, session.model, example, { maxNewTokens: 12, endIds: session.processor.endOfTurnIds });
          expect(ids).toEqual(generated.filter((id) => !session.processor.endOfTurnIds.includes(id)));
        }
      });
    });

    it('a merged folder gives the logits of the adapter run', async () => {
      const out = `${work}/${variant}-merged`;
      await mergeAdapter(nodePlatform, { baseModel, adapter, out });
      const rows = (await examples).slice(0, 1);
      const adapted = await withSession(device, { baseModel, initAdapter: adapter }, (session) => runBatch(session, rows));
      const merged = await withSession(device, { baseModel: out, finetuning: { kind: 'full' } }, (session) => runBatch(session, rows));
      expectNear(merged.logits, adapted.logits, noise['logits']!, 'logits');
    });

    const python = process.env['VERNIER_PYTHON'];
    if (python === undefined) {
      it.skip('VERNIER_PYTHON is not set: name a Python with torch, transformers and peft to load adapters and merged folders there', () => undefined);
      return;
    }
    it('PEFT loads a saved adapter, transformers a merged folder; both give our logits', { timeout: 300_000 }, async () => {
      const saved = `${work}/${variant}-adapter`;
      const { inputIds, labels } = (await examples)[1]!;
      const entry = (name: string, values: Int32Array): TensorEntry => {
        const ids = BigInt64Array.from(values, BigInt);
        return { name, dtype: 'I64', shape: [1, values.length], data: new Uint8Array(ids.buffer) };
      };
      const caseFile = `${work}/${variant}-case.safetensors`;
      await writeSafetensors(nodePlatform, caseFile, [
        entry('input_ids', inputIds), entry('labels_completion', labels), entry('attention_mask', new Int32Array(inputIds.length).fill(1)),
      ]);
      const ours = await withSession(device, { baseModel, initAdapter: adapter }, async (session) => {
        await session.save(saved);
        return (await runBatch(session, [(await examples)[1]!])).logits;
      });
      const run = (name: string, args: string[]): void => {
        const script = fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
        execFileSync(python, [script, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
      };
      run('peft_roundtrip.py', [baseModel, caseFile, `${work}/peft.safetensors`, saved]);
      run('merged_model.py', [caseFile, `${work}/merged.safetensors`, `${work}/${variant}-merged`, baseModel, saved]);
      const [peft, merged] = [await tensorsOf(`${work}/peft.safetensors`), await tensorsOf(`${work}/merged.safetensors`)];
      expectNear(ours, peft.get('0.logits_completion')!.data, noise['logits']!, 'PEFT');
      expectNear(ours, merged.get('0.merged')!.data, noise['logits']!, 'merged');
      expect(readFileSync(`${saved}/README.md`, 'utf8')).toContain('AutoModelForCausalLM');
    });
  });

  it('with another configuration the second model gives other logits: the tests above see it', async () => {
    const baseModel = folderOf(second);
    const processor = await TextProcessor.load(nodePlatform, baseModel);
    const { cases } = JSON.parse(readFileSync(`${baseModel}/cases.json`, 'utf8')) as Facts;
    const example = processor.encode(conversation(cases[1]!.messages), [], { mask: 'completion' });
    const logitsOf = (folder: string): Promise<Float32Array> =>
      withSession(device, { baseModel: folder, finetuning: { kind: 'full' } }, async (session) => (await runBatch(session, [example])).logits);
    const expected = await logitsOf(baseModel);
    for (const [i, change] of changes.entries()) {
      const folder = `${work}/changed-${i}`;
      cpSync(baseModel, folder, { recursive: true });
      const config = JSON.parse(readFileSync(`${folder}/config.json`, 'utf8')) as Record<string, unknown>;
      writeFileSync(`${folder}/config.json`, JSON.stringify({ ...config, ...change }));
      const found = await logitsOf(folder);
      const worst = found.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0);
      expect(worst, JSON.stringify(change)).toBeGreaterThan(1e-2);
    }
  });

  it('an image is refused with the name of the row', async () => {
    const processor = await TextProcessor.load(nodePlatform, folderOf('plain'));
    const row: Conversation = { id: '7', messages: [{ role: 'user', content: [{ type: 'image' }] }], images: ['a.png'] };
    expect(() => processor.encode(row, [], { mask: 'completion' })).toThrow(/Conversation 7: it has an image, and .*config\.json is of a model that reads text only/);
  });
}
