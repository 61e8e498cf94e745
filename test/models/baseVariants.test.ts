/**
 * Bases as users have them (a head that differs from a tied table, two settings of RoPE) and adapters as PEFT writes them (with embedding
 * layers, on the patch convolution): the losses, gradients and merged weights are those of transformers and PEFT
 * (test/golden/base_variants.py). Losses within 1e-4; gradients within 2e-5 of the largest value, as of Gemma's other shapes. With
 * VERNIER_PYTHON, merged folders are loaded there.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Example } from '../../src/data/example.ts';
import type { Device } from '../../src/gpu/device.ts';
import { f32ToBf16 } from '../../src/io/halfFloat.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { readAdapter, writeAdapter } from '../../src/io/peft.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { openSafetensors, toFloat32, writeSafetensors, type TensorEntry } from '../../src/io/safetensors.ts';
import { mropePositions } from '../../src/models/qwenPositions.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { readFolder, ulps } from '../io/mergeFixtures.ts';
import { readGradients, runBatch, withSession } from './golden.ts';
import { noise } from '../../src/run/bench/noise.ts';
import { namingOf } from '../../src/models/families.ts';

interface Variant {
  config: { image_token_id: number; tie_word_embeddings?: boolean; text_config?: { tie_word_embeddings?: boolean } };
  head: 'none' | 'own' | 'copy' | 'only';
  other_table: boolean;
  loss: number;
  tied: boolean;
}

interface AdapterFacts {
  config: Record<string, unknown>;
  shapes: Record<string, number[]>;
  image: boolean;
  loss: number;
  merged_loss?: number;
}

const golden = fileURLToPath(new URL('../golden/bases', import.meta.url));
const BASE = fileURLToPath(new URL('../../node/base', import.meta.url));
const facts = JSON.parse(readFileSync(`${golden}/variants.json`, 'utf8')) as {
  row: { input_ids: number[]; labels: number[] };
  variants: Record<string, Variant>;
  adapters: Record<string, AdapterFacts>;
};
const OWN_HEAD = 'tied_by_config_own_head_in_file';
const TABLE = 'model.language_model.embed_tokens.weight';
const HEAD = 'lm_head.weight';
const work = mkdtempSync(`${tmpdir()}/vernier-bases-`);
const nothing = { kind: 'none' } as const;
let device: Device;
let table: Float32Array;

beforeAll(async () => {
  device = await testDevice();
  const folder = await openModelFolder(nodePlatform, BASE, namingOf);
  table = toFloat32(await folder.readRaw(TABLE), folder.info(TABLE).dtype, TABLE);
  await folder.close();
});

afterAll(() => {
  rmSync(work, { recursive: true });
});

/** The script's `shifted`. */
function shifted(values: Float32Array, name: string): Float32Array {
  const drawn = noise(name, values.length);
  return values.map((value, i) => value + Math.fround(drawn[i]! * 0.05));
}

const bytesOf = (array: Float32Array | Uint16Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** A variant's folder, with node/base's weights but for table and head. */
async function folderOf(name: string): Promise<string> {
  const { config, head, other_table: isOther } = facts.variants[name]!;
  const dir = `${work}/${name}`;
  cpSync(BASE, dir, { recursive: true });
  writeFileSync(`${dir}/config.json`, JSON.stringify(config));
  const folder = await openModelFolder(nodePlatform, BASE, namingOf);
  const entries: TensorEntry[] = [];
  const bf16 = (values: Float32Array): Uint8Array => bytesOf(f32ToBf16(values));
  const tableBytes = bf16(isOther ? shifted(table, 'table') : table);
  for (const one of folder.names()) {
    if (one === TABLE && head === 'only') continue;
    const { dtype, shape } = folder.info(one);
    entries.push({ name: folder.storedName(one), dtype, shape, data: one === TABLE ? tableBytes : await folder.readRaw(one) });
  }
  if (head !== 'none') entries.push({ name: HEAD, dtype: 'BF16', shape: folder.info(TABLE).shape, data: head === 'own' ? bf16(shifted(table, HEAD)) : tableBytes });
  await folder.close();
  await writeSafetensors(nodePlatform, `${dir}/model.safetensors`, entries);
  return dir;
}

function exampleOf(hasImage: boolean): Example {
  const imageId = facts.variants['plain']!.config.image_token_id;
  const mark = hasImage ? [866, ...Array<number>(6).fill(imageId), 867] : [];
  const inputIds = Int32Array.from([...mark, ...facts.row.input_ids]);
  const imageGrids: Example['imageGrids'] = hasImage ? [[1, 4, 6]] : [];
  return {
    inputIds,
    labels: Int32Array.from([...mark.map(() => -100), ...facts.row.labels]),
    positionIds: mropePositions(inputIds, imageId, imageGrids, 2).positionIds,
    pixelValues: hasImage ? Float32Array.from(noise('pixels', 24 * 1176)) : new Float32Array(0),
    imageGrids,
  };
}

/** An adapter's folder, filled as the script fills it. */
async function adapterOf(name: string): Promise<string> {
  const { config, shapes } = facts.adapters[name]!;
  const dir = `${work}/adapter_${name}`;
  mkdirSync(dir, { recursive: true });
  writeFileSync(`${dir}/adapter_config.json`, JSON.stringify(config));
  const entries = Object.entries(shapes).map(([key, shape]) => {
    const plain = key.replace('base_model.model.', '');
    const isLayer = /(embed_tokens|lm_head)\.weight$/.test(plain);
    const isSaved = isLayer && config['modules_to_save'] !== null;
    const drawnAs = isSaved ? plain.replace(/weight$/, 'modules_to_save.weight') : plain.replace(/lora_magnitude_vector$/, '$&.weight');
    const lift = plain.includes('magnitude') ? 1 : 0;
    const data =
      isLayer && !isSaved
        ? name === 'with_embedding_layers' ? table : shifted(table, 'brought')
        : Float32Array.from(noise(drawnAs, shape.reduce((a, b) => a * b, 1)), (x) => x * 0.1 + lift);
    return { name: key, dtype: 'F32' as const, shape, data: bytesOf(data) };
  });
  await writeSafetensors(nodePlatform, `${dir}/adapter_model.safetensors`, entries);
  return dir;
}

const lossOf = (baseModel: string, initAdapter?: string, hasImage = false): Promise<number> =>
  withSession(device, { baseModel, ...(initAdapter === undefined ? { finetuning: nothing } : { initAdapter, isFrozen: true }) }, async (session) => {
    const { loss } = await runBatch(session, [exampleOf(hasImage)]);
    return loss;
  });

/** Its packages take seconds to load: once, and then it answers a folder a line. */
const PYTHON = `
import sys, torch, json
torch.library.define("torchvision::nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from transformers import AutoModelForImageTextToText
row = json.loads(sys.argv[1])
for line in sys.stdin:
    m = AutoModelForImageTextToText.from_pretrained(line.rstrip("\\n"), dtype=torch.float32).eval()
    print("loss", m(input_ids=torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]])).loss.item(), flush=True)
`;
let python: ChildProcessWithoutNullStreams | undefined;
afterAll(() => python?.stdin.end());

async function pythonLoss(folder: string): Promise<number> {
  python ??= spawn(process.env['VERNIER_PYTHON']!, ['-c', PYTHON, JSON.stringify(facts.row)]);
  const { stdin, stdout, stderr } = python;
  let [said, complaint] = ['', ''];
  const complain = (text: Buffer): void => void (complaint += text.toString());
  stderr.on('data', complain);
  stdin.write(`${folder}\n`);
  const answer = await new Promise<string | undefined>((resolve) => {
    python!.once('close', () => resolve(undefined));
    stdout.on('data', (text: Buffer) => {
      said += text.toString();
      const [, loss] = /^loss (.*)\n/m.exec(said) ?? [];
      if (loss !== undefined) resolve(loss);
    });
  });
  stdout.removeAllListeners('data');
  stderr.off('data', complain);
  if (answer === undefined) throw new Error(`Python has ended: ${complaint}`);
  return Number(answer);
}

describe('a base model', () => {
  it.each(Object.entries(facts.variants))('%s', async (name, { loss }) => {
    expect(Math.abs((await lossOf(await folderOf(name))) - loss)).toBeLessThan(1e-4);
  }, 60_000);

  it('is refused where its head is its own and missing', async () => {
    const dir = await folderOf('plain');
    writeFileSync(`${dir}/config.json`, readFileSync(`${dir}/config.json`, 'utf8').replace('"tie_word_embeddings":true', '"tie_word_embeddings":false'));
    await expect(lossOf(dir)).rejects.toThrow(/not tied to the embedding .* the weights have no lm_head\.weight, only model\.language_model\.embed_tokens\.weight/);
  });
});

describe('a head of its own under a configuration that ties it', () => {
  async function flags(dir: string): Promise<(boolean | undefined)[]> {
    const config = JSON.parse(new TextDecoder().decode(await nodePlatform.readFile(`${dir}/config.json`))) as Variant['config'];
    return [config.tie_word_embeddings, ...(config.text_config ? [config.text_config.tie_word_embeddings] : [])];
  }

  it.each([OWN_HEAD, 'untied_at_root_tied_in_text_own_head'])('%s is kept in merging, and said', async (name) => {
    const base = await folderOf(name);
    const adapter = await adapterOf('with_embedding_layers');
    // Without the layers, which would take the place of the head.
    const { tensors, config } = await readAdapter(nodePlatform, adapter, namingOf('qwen2_5_vl'));
    const plain = `${work}/plain_adapter`;
    await writeAdapter(nodePlatform, plain, config, new Map([...tensors].filter(([key]) => key.includes('lora'))));
    const out = `${work}/merged_${name}`;
    const { untied } = await mergeAdapter(nodePlatform, { baseModel: base, adapter: plain, out });
    expect(untied).toBe(false);
    expect(new Set(await flags(out))).toEqual(new Set([false]));
    const [before, after] = [await readFolder(nodePlatform, base), await readFolder(nodePlatform, out)];
    expect(after.get(HEAD)).toEqual(before.get(HEAD));
    const loss = await lossOf(base, plain);
    expect(Math.abs((await lossOf(out)) - loss)).toBeLessThan(1e-4);
    if (process.env['VERNIER_PYTHON']) expect(Math.abs((await pythonLoss(out)) - loss)).toBeLessThan(1e-4);
  }, 120_000);

  it('is trained, and saved with full fine-tuning', async () => {
    const base = await folderOf(OWN_HEAD);
    const out = `${work}/full`;
    await withSession(device, { baseModel: base, finetuning: { kind: 'full' } }, async (session) => {
      expect(session.plan.trained.has(HEAD)).toBe(true);
      await session.save(out);
    });
    expect(await flags(out)).toEqual([false]);
    expect((await readFolder(nodePlatform, out)).get(HEAD)).toEqual((await readFolder(nodePlatform, base)).get(HEAD));
  }, 60_000);

  it('modules_to_save begin as each of the two is', async () => {
    const base = await folderOf(OWN_HEAD);
    const config = loraConfig({ target_modules: ['q_proj'], modules_to_save: ['lm_head', 'embed_tokens'] });
    const out = `${work}/fresh`;
    await withSession(device, { baseModel: base, finetuning: { kind: 'lora', config } }, (session) => session.save(out));
    const { tensors } = await readAdapter(nodePlatform, out, namingOf('qwen2_5_vl'));
    const before = await readFolder(nodePlatform, base);
    for (const name of [HEAD, TABLE]) expect(tensors.get(name)?.data).toEqual(before.get(name));
  }, 60_000);
});

describe('a tied table that only the head holds', () => {
  it.each([['embed_tokens'], ['lm_head']])('is parted from it in merging when %s was trained', async (module) => {
    const base = await folderOf('tied_only_head_in_file');
    const config = loraConfig({ target_modules: ['q_proj'], modules_to_save: [module] });
    const [adapter, out] = [`${work}/only_${module}`, `${work}/only_${module}_merged`];
    await withSession(device, { baseModel: base, finetuning: { kind: 'lora', config } }, async (session) => {
      const name = module === 'lm_head' ? HEAD : TABLE;
      session.arena.writeValues(name, shifted(table, 'trained'));
      await session.save(adapter);
    });
    expect((await mergeAdapter(nodePlatform, { baseModel: base, adapter, out })).untied).toBe(true);
    const merged = await readFolder(nodePlatform, out);
    expect(merged.get(module === 'lm_head' ? HEAD : TABLE)).toEqual(shifted(table, 'trained'));
    expect(merged.get(module === 'lm_head' ? TABLE : HEAD)).toEqual(table);
    const loss = await lossOf(base, adapter);
    expect(Math.abs((await lossOf(out)) - loss)).toBeLessThan(1e-4);
    if (process.env['VERNIER_PYTHON']) expect(Math.abs((await pythonLoss(out)) - loss)).toBeLessThan(1e-4);
  }, 120_000);
});

describe('an adapter', () => {
  it.each(Object.entries(facts.adapters))('%s', async (name, { image, loss, merged_loss: mergedLoss }) => {
    const base = name.endsWith('own_head') ? await folderOf(OWN_HEAD) : BASE;
    const adapter = await adapterOf(name);
    expect(Math.abs((await lossOf(base, adapter, image)) - loss)).toBeLessThan(1e-4);
    const out = `${work}/merged_${name}`;
    await mergeAdapter(nodePlatform, { baseModel: base, adapter, out });
    expect(Math.abs((await lossOf(out, undefined, image)) - (mergedLoss ?? loss))).toBeLessThan(1e-4);
    if (process.env['VERNIER_PYTHON'] && !image) expect(Math.abs((await pythonLoss(out)) - loss)).toBeLessThan(1e-4);

    // What was brought along goes with the adapter again.
    const again = `${work}/again_${name}`;
    await withSession(device, { baseModel: base, initAdapter: adapter }, async (session) => {
      await session.save(again);
      await session.load(again);
    });
    expect(Math.abs((await lossOf(base, again, image)) - loss)).toBeLessThan(1e-4);
  }, 120_000);

  const onConvolution = Object.keys(facts.adapters).filter((name) => name.includes('convolution'));

  it.each(onConvolution)('%s: gradients, and the merged weight', async (name) => {
    const adapter = await adapterOf(name);
    const wanted = await valuesOf('gradients.safetensors');
    await withSession(device, { baseModel: BASE, initAdapter: adapter }, async (session) => {
      await runBatch(session, [exampleOf(true)], { grad: true, lossScale: 1 / facts.row.labels.filter((label) => label !== -100).length });
      const found = await readGradients(session);
      const names = [...wanted.keys()].filter((key) => key.startsWith(`${name}.`));
      expect(names.length).toBe(name.endsWith('dora') ? 3 : 2);
      for (const key of names) {
        const mine = found.get(key.slice(name.length + 1).replace(/lora_magnitude_vector\.weight$/, 'lora_magnitude_vector'))!;
        const golden = wanted.get(key)!;
        expect(mine.length, key).toBe(golden.length);
        const largest = Math.max(...golden.map(Math.abs));
        expect(Math.max(...golden.map((value, i) => Math.abs(value - mine[i]!))) / largest, key).toBeLessThanOrEqual(2e-5);
      }
    });
    const out = `${work}/merged_${name}`;
    await mergeAdapter(nodePlatform, { baseModel: BASE, adapter, out, overwrite: true });
    const merged = (await readFolder(nodePlatform, out)).get('model.visual.patch_embed.proj.weight')!;
    expect(ulps(merged.filter((_, i) => i % 37 === 0), (await valuesOf('merged.safetensors')).get(name)!)).toBe(0);
  }, 120_000);
});

async function valuesOf(name: string): Promise<Map<string, Float32Array>> {
  const file = await openSafetensors(nodePlatform, `${golden}/${name}`);
  const values = new Map<string, Float32Array>();
  for (const [key, { dtype }] of file.tensors) values.set(key, toFloat32(await file.readRaw(key), dtype, key));
  await file.close();
  return values;
}
