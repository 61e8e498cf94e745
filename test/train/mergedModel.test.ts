/**
 * A merged folder answers as base and adapter do: in Vernier, and (where VERNIER_PYTHON names a Python with torch, transformers ≥ 5 and peft ≥ 0.21) in
 * transformers, whose logits on the merged folder must be those of our adapter run.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { decodeSource } from '../../src/data/exampleMaker.ts';
import { readConversations } from '../../src/data/conversations/read.ts';
import type { Example } from '../../src/data/example.ts';
import { openSafetensors, toFloat32 } from '../../src/io/safetensors.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import type { Session } from '../../src/train/session.ts';
import { goldenNames, goldenPath } from '../io/goldenFolder.ts';
import { goldenBases } from '../io/mergeFixtures.ts';
import { writeCase } from '../models/goldenCaseFile.ts';
import { Bounds, runBatch, withSession } from '../models/golden.ts';
import { testDevice } from '../gpu/testDevice.ts';

const work = mkdtempSync(`${tmpdir()}/vernier-merged-`);
afterAll(() => {
  rmSync(work, { recursive: true });
});
const python = process.env['VERNIER_PYTHON'];
const device = await testDevice();

interface Pair {
  name: string;
  base: string;
  adapter: string;
}

/** Base and adapter folders of a golden model: the adapter of a run, and one that also trains head and embedding. */
function pairsOf(model: string): Pair[] {
  const golden = (...parts: string[]): string => goldenPath('golden', model, ...parts);
  const pairs = [{ name: `${model} run`, base: goldenPath('models', model), adapter: golden('runs', 'lora_token_mean', 'adapter_final') }];
  for (const variant of ['dora', 'rslora', 'modules_to_save']) {
    if (!goldenNames('golden', model, 'lora', variant).includes('adapter_model.safetensors')) continue;
    const bf16 = variant === 'modules_to_save' && goldenNames('models').includes(`${model}-bf16`) ? '-bf16' : '';
    pairs.push({ name: `${model}${bf16} ${variant}`, base: goldenPath('models', `${model}${bf16}`), adapter: golden('lora', variant) });
  }
  return pairs;
}

/** The first golden row, which is the case s00. */
async function firstExample(session: Session): Promise<Example> {
  for await (const conversation of readConversations(nodePlatform, goldenPath('data', 'dataset.jsonl'))) {
    const images = await Promise.all(conversation.images.map((image) => decodeSource(nodePlatform, image)));
    return session.processor.encode(conversation, images, { mask: 'completion' });
  }
  throw new Error('no golden row');
}

describe.each(goldenBases)('%s', (model) => {
  const bounds = new Bounds(model);
  const pairs = pairsOf(model);
  const ours = new Map<string, Float32Array>();
  let example: Example | undefined;

  it.each(pairs)('$name: the merged folder gives the logits of the adapter run', async ({ name, base, adapter }) => {
    const out = `${work}/${name}`;
    await mergeAdapter(nodePlatform, { baseModel: base, adapter, out });
    const logitsOf = async (session: Session): Promise<Float32Array> => (await runBatch(session, [await firstExample(session)])).logits;
    const withAdapter = await withSession(device, { baseModel: base, initAdapter: adapter }, async (session) => {
      example = await firstExample(session);
      return logitsOf(session);
    });
    const merged = await withSession(device, { baseModel: out, finetuning: { kind: 'full' } }, logitsOf);
    ours.set(name, withAdapter);
    bounds.expectNear('lora.logits', name, merged, withAdapter);
  });

  if (python === undefined) {
    it.skip('VERNIER_PYTHON is not set: name a Python with torch, transformers and peft to load the merged folders with transformers', () => undefined);
    return;
  }
  it('transformers gives the same logits on the merged folders, and PEFT merges to the same weights', { timeout: 600_000 }, async () => {
    const script = fileURLToPath(new URL('../golden/merged_model.py', import.meta.url));
    const out = `${work}/${model}.safetensors`;
    const folders = pairs.flatMap(({ name, base, adapter }) => [`${work}/${name}`, base, adapter]);
    const caseFile = `${work}/${model}-case.safetensors`;
    await writeCase(model, example!, caseFile);
    execFileSync(python, [script, caseFile, out, ...folders], { cwd: dirname(script), stdio: ['ignore', 'inherit', 'inherit'] });
    const file = await openSafetensors(nodePlatform, out);
    for (const [i, { name }] of pairs.entries()) {
      const read = async (key: string): Promise<Float32Array> => toFloat32(await file.readRaw(`${i}.${key}`), 'F32', key);
      bounds.expectNear('lora.logits', `${name}, transformers merged`, await read('merged'), ours.get(name)!);
      bounds.expectNear('lora.logits', `${name}, transformers adapter`, await read('adapter'), ours.get(name)!);
    }
    await file.close();
    expect(ours.size).toBe(pairs.length);
  });
});
