/**
 * A base model and an adapter become one Hugging Face folder: the base's own files, tensor by tensor under the base's own names, with the
 * low-rank updates added and whole modules replaced. Everything streams in blocks of rows, so a model of any size needs a few tens of MB.
 * An output head that was tied to the embedding and is no more is written beside it, and the configuration says so: transformers would
 * otherwise tie the two again.
 */
import { joinPath, lastName, UserError, type Platform } from '../platform.ts';
import { copyCompanionFiles, statedAsFloat32, statedAsUntied } from './companionFiles.ts';
import { f32ToBf16, f32ToF16 } from './halfFloat.ts';
import { withoutJsonMember } from './jsonText.ts';
import { mergeRows, type LowRankUpdate } from './mergeWeights.ts';
import { readJsonObject, WEIGHTS_INDEX, type ModelFolder } from './modelFolder.ts';
import { canonicalName, respell, type Spelling } from './names.ts';
import { checkAdapterFits, frozenSources, type FittedAdapter, type OpenAdapter } from './peft.ts';
import { modulesFromParameters, OUTPUT_HEAD, type LoraTarget, type ModuleKind } from './peftTargets.ts';
import { elementBytes, elementCount, openSafetensors, toFloat32, writeSafetensors, type Dtype, type TensorInfo } from './safetensors.ts';
import { writeWholeFolder } from './wholeFolder.ts';

/** What must be known of the base model: part of a ModelDescription (src/models/model.ts). */
export interface BaseLayout {
  /** Canonical name → shape of every parameter but a tied head. */
  shapes: ReadonlyMap<string, readonly number[]>;
  /** What each module is to PEFT. */
  kinds: ReadonlyMap<string, ModuleKind>;
  tiedHead: boolean;
  /** The head stands alone although the configuration ties it. */
  untiesConfig?: boolean;
  /** Canonical name of the embedding table. */
  embedding: string;
}

/** f32, or for every tensor the precision it has in the base. The sum is in f32 either way. */
export type MergedDtype = 'f32' | 'base';

export interface MergeSettings {
  dtype?: MergedDtype;
  /** An aborted merge throws the signal's reason and leaves nothing. */
  stop?: AbortSignal;
  /** Told on whom it waits. */
  say?: (text: string) => void;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface MergedFolder {
  dir: string;
  files: number;
  /** Of all tensors together. */
  bytes: number;
  /** The head was tied to the embedding in the base and is no more. */
  untied: boolean;
}

const HEAD = `${OUTPUT_HEAD}.weight`;
/** In the metadata of every file of weights: what an earlier merge left may be replaced, other models not. */
const MARK = { merged_with: 'vernier' } as const;
/** Values (not bytes) held at a time, for every tensor that takes part. */
const BLOCK = 2 ** 21;

/** A tensor of the merged model: read from the base or the adapter, then updated or not. */
interface MergedTensor {
  /** Its name in the file. */
  stored: string;
  source: { in: 'base' | 'adapter'; name: string };
  update?: LoraTarget;
  dtype: Dtype;
  shape: readonly number[];
}

/**
 * Writes the merged model to `dir`, whole or not at all; what is at `dir` is replaced.
 * @param base weights that are held in 4 bits appear in it as floats (quantization/dequantizedFolder.ts)
 * @throws UserError where base and adapter do not fit each other, a file is damaged, or a merged value is not finite
 */
export async function writeMerged(
  platform: Platform,
  base: ModelFolder,
  adapter: OpenAdapter,
  layout: BaseLayout,
  dir: string,
  settings: MergeSettings = {},
): Promise<MergedFolder> {
  checkBase(base, layout);
  const head = layout.tiedHead ? [[HEAD, layout.shapes.get(layout.embedding)!] as const] : [];
  const { resolved, replaced } = checkAdapterFits(adapter, modulesFromParameters([...layout.shapes, ...head], layout.kinds));
  const saved = new Set(resolved.savedParameters);
  const headTrains = saved.has(HEAD) || resolved.lora.some(({ module }) => module === OUTPUT_HEAD);
  const untied = layout.tiedHead && (headTrains || saved.has(layout.embedding));
  const shards = planShards(base, { resolved, replaced }, layout, untied, settings.dtype ?? 'f32');

  const total = shards.flat().reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  let done = 0;
  const advance = (bytes: number): void => {
    settings.stop?.throwIfAborted();
    settings.onProgress?.((done += bytes), total);
  };
  const fill = async (unfinished: string, held: Platform): Promise<void> => {
    const hasOwnHead = untied || layout.untiesConfig === true;
    await copyCompanionFiles(held, base.dir, unfinished, (text) => mergedConfig(text, hasOwnHead, settings.dtype ?? 'f32'));
    for (const [i, file] of base.files.entries()) {
      const entries = shards[i]!.map((tensor) => ({
        name: tensor.stored,
        dtype: tensor.dtype,
        shape: tensor.shape,
        data: () => mergedBytes(base, adapter, tensor, advance),
      }));
      await writeSafetensors(held, joinPath(unfinished, fileName(file.path)), entries, { ...file.metadata, format: 'pt', ...MARK });
    }
    await writeIndex(held, base, shards, unfinished);
    await held.writeFile(joinPath(unfinished, 'README.md'), modelCard(adapter, base));
    settings.stop?.throwIfAborted();
  };
  await writeWholeFolder(platform, dir, fill, { stop: settings.stop, say: settings.say });
  return { dir, files: base.files.length, bytes: total, untied };
}

/** Whether a folder holds a model that merging wrote. */
export async function isMergedFolder(platform: Platform, dir: string): Promise<boolean> {
  if (!(await platform.isDirectory(dir))) return false;
  const name = (await platform.listDir(dir)).find((file) => file.endsWith('.safetensors'));
  if (name === undefined) return false;
  const file = await openSafetensors(platform, joinPath(dir, name));
  await file.close();
  return file.metadata['merged_with'] === MARK.merged_with;
}

/** Config, weights and the tensors that merging touches must agree before anything is written. */
function checkBase(base: ModelFolder, layout: BaseLayout): void {
  for (const [name, shape] of layout.shapes) {
    if (!base.has(name))
      throw new UserError(`${base.dir}: the weights have no tensor ${name}, which config.json calls for; download the model again, whole`);
    const found = base.info(name).shape;
    if (found.length !== shape.length || found.some((size, i) => size !== shape[i])) {
      throw new UserError(
        `${base.dir}: tensor ${base.storedName(name)} is [${found.join(', ')}], config.json calls for [${shape.join(', ')}]; config and ` +
          `weights are of different models`,
      );
    }
  }
}

/** The tensors of every file of the base, in its order; a head that stands alone now goes into the last file. */
function planShards(
  base: ModelFolder,
  { resolved, replaced }: Pick<FittedAdapter, 'resolved' | 'replaced'>,
  layout: BaseLayout,
  untied: boolean,
  dtype: MergedDtype,
): MergedTensor[][] {
  const saved = new Set(resolved.savedParameters);
  const brought = frozenSources(replaced, layout);
  const updates = new Map(resolved.lora.map((target) => [`${target.module}.weight`, target]));
  const tensor = (name: string, stored: string, from: string, info: TensorInfo): MergedTensor => {
    const update = updates.get(name);
    const fromAdapter = saved.has(name) ? name : brought.get(name);
    const source = fromAdapter === undefined ? { in: 'base' as const, name: from } : { in: 'adapter' as const, name: fromAdapter };
    const isFloat = ['F32', 'F16', 'BF16'].includes(info.dtype);
    if (!isFloat && (update || fromAdapter !== undefined)) {
      throw new UserError(`${base.dir}: tensor ${stored} is ${info.dtype}, and the adapter changes it; F32, F16 or BF16 was expected`);
    }
    return { stored, source, ...(update && { update }), dtype: isFloat && dtype === 'f32' ? 'F32' : info.dtype, shape: info.shape };
  };
  // The only copy of a tied table may be the head's.
  const table = base.storedName(layout.embedding);
  const tableIsHead = canonicalName(base.naming, table) === HEAD;
  const spellings: Spelling[] = ['current', 'hub', 'v5'];
  const spelling = spellings.find((one) => respell(base.naming, tableIsHead ? HEAD : layout.embedding, one) === table) ?? 'current';
  const spelled = (name: string): string => respell(base.naming, name, spelling);
  const shards = base.files.map((file) =>
    [...file.tensors.keys()].flatMap((stored) => {
      const name = canonicalName(base.naming, stored);
      if (!base.has(name)) return []; // belongs to a weight that was in 4 bits
      const info = base.info(name);
      if (!untied || name !== HEAD) return [tensor(name, stored, name, info)];
      // Some checkpoints hold a copy of a tied head, which loading passes over.
      return tableIsHead ? [tensor(layout.embedding, spelled(layout.embedding), layout.embedding, info)] : [];
    }),
  );
  if (untied) shards.at(-1)!.push(tensor(HEAD, spelled(HEAD), layout.embedding, base.info(layout.embedding)));
  return shards;
}

async function* mergedBytes(
  base: ModelFolder,
  adapter: OpenAdapter,
  tensor: MergedTensor,
  advance: (bytes: number) => void,
): AsyncIterable<Uint8Array> {
  const { source, update, dtype, shape } = tensor;
  const count = elementCount(shape);
  const isFromBase = source.in === 'base';
  const sourceDtype = isFromBase ? base.info(source.name).dtype : 'F32';
  const sourceSize = elementBytes(sourceDtype);
  const lowRank = update && (await readUpdate(adapter, update));
  // A row must be whole where it is updated.
  const width = update ? elementCount(shape) / shape[0]! : 1;
  const step = Math.max(1, Math.floor(BLOCK / width)) * width;
  for (let first = 0; first < count; first += step) {
    const size = Math.min(step, count - first);
    const raw = isFromBase ? await base.readRange(source.name, first * sourceSize, size * sourceSize) : undefined;
    let bytes = raw;
    if (raw === undefined || update || sourceDtype !== dtype) {
      const values = raw === undefined ? await adapter.read(source.name, first, size) : toFloat32(raw, sourceDtype, source.name);
      if (lowRank) mergeRows(values, width, first / width, lowRank);
      if (!isFromBase || update) checkFinite(values, dtype, tensor.stored, adapter.dir);
      bytes = encode(values, dtype);
    }
    yield bytes!;
    advance(size * elementBytes(dtype));
  }
}

async function readUpdate(adapter: OpenAdapter, { module, r, scaling }: LoraTarget): Promise<LowRankUpdate> {
  const magnitude = `${module}.lora_magnitude_vector`;
  return {
    rank: r,
    scaling,
    a: await adapter.read(`${module}.lora_A.weight`),
    b: await adapter.read(`${module}.lora_B.weight`),
    ...(adapter.tensors.has(magnitude) && { magnitude: await adapter.read(magnitude) }),
  };
}

/** A run that diverged leaves values that are not finite, and a model that says nothing sensible. */
function checkFinite(values: Float32Array, dtype: Dtype, name: string, adapterDir: string): void {
  let probe = 0;
  let most = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    probe += value * 0; // NaN from the first value on that is not finite
    most = Math.max(most, Math.abs(value));
  }
  if (probe !== 0)
    throw new UserError(`${name}: a merged value is not a finite number; the adapter ${adapterDir} is broken: take an earlier checkpoint`);
  if (dtype === 'F16' && most > 65504)
    throw new UserError(`${name}: a merged value is ${most}, too large for F16; merge with --merged_dtype f32`);
}

function encode(values: Float32Array, dtype: Dtype): Uint8Array {
  const array = dtype === 'BF16' ? f32ToBf16(values) : dtype === 'F16' ? f32ToF16(values) : values;
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function bytesOf({ shape, dtype }: MergedTensor): number {
  return elementCount(shape) * elementBytes(dtype);
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function mergedConfig(text: string, hasOwnHead: boolean, dtype: MergedDtype): string {
  const plain = withoutJsonMember(text, 'quantization_config');
  const out = dtype === 'f32' ? statedAsFloat32(plain) : plain;
  return hasOwnHead ? statedAsUntied(out) : out;
}

async function writeIndex(platform: Platform, base: ModelFolder, shards: readonly (readonly MergedTensor[])[], dir: string): Promise<void> {
  const path = joinPath(base.dir, WEIGHTS_INDEX);
  const isSharded = base.files.length > 1 || fileName(base.files[0]!.path) !== 'model.safetensors';
  if (!isSharded) return;
  const { metadata } = await readJsonObject(platform, path, '');
  const parameters = shards.flat().reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const hasCount = typeof metadata === 'object' && metadata !== null && 'total_parameters' in metadata;
  const places = shards.flatMap((tensors, i) => tensors.map(({ stored }) => [stored, fileName(base.files[i]!.path)] as const));
  const index = {
    metadata: {
      ...(typeof metadata === 'object' ? metadata : {}),
      ...(hasCount && { total_parameters: parameters }),
      total_size: shards.flat().reduce((sum, tensor) => sum + bytesOf(tensor), 0),
    },
    weight_map: Object.fromEntries(places.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  await platform.writeFile(joinPath(dir, WEIGHTS_INDEX), `${JSON.stringify(index, null, 2)}\n`);
}

function modelCard(adapter: OpenAdapter, base: ModelFolder): string {
  const { config } = adapter;
  const given = config.base_model_name_or_path ?? base.dir;
  // A hub id, or the name of a folder of this machine.
  const name = /^[\w][\w.-]*\/[\w.-]+$/.test(given) ? given : lastName(given);
  const kind = [config.use_dora ? 'DoRA' : 'LoRA', config.use_rslora ? 'rank-stabilised' : ''].filter((word) => word !== '').join(', ');
  const lines = [
    '---',
    `base_model: ${JSON.stringify(name)}`,
    'library_name: transformers',
    'tags:',
    '- merged',
    '- lora',
    '---',
    '',
    '# Merged model',
    '',
    `The base model with a ${kind} adapter (rank ${config.r}, alpha ${config.lora_alpha}) merged into its weights, made with Vernier.`,
    '',
  ];
  return lines.join('\n');
}
