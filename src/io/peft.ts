/**
 * PEFT adapter folders: `adapter_model.safetensors`, `adapter_config.json`, `README.md`. Inside Vernier a tensor of an adapter is named
 * after its module in canonical spelling: `<module>.lora_A.weight` [r, in], `<module>.lora_B.weight` [out, r],
 * `<module>.lora_magnitude_vector` [out] (DoRA), and `<module>.weight` etc. for `modules_to_save`. Of a convolution lora_A is [r, in,
 * …kernel], lora_B [out, r, 1, …], the magnitude [1, out, 1, …]. Written are the names of transformers 4.52 to 4.57; read are those, the
 * older ones, and those of transformers 5.
 */
import { joinPath, UserError, type Platform } from '../platform.ts';
import { readJsonObject } from './modelFolder.ts';
import { canonicalName, respell } from './names.ts';
import type { Naming, Spelling } from './names.ts';
import { formatLoraConfig, parseLoraConfig, type LoraConfig } from './peftConfig.ts';
import { OUTPUT_HEAD, resolveAdapter, type ModuleInfo, type ResolvedAdapter } from './peftTargets.ts';
import { elementBytes, openSafetensors, toFloat32, writeSafetensors, type SafetensorsFile, type TensorInfo } from './safetensors.ts';

export interface AdapterTensor {
  shape: readonly number[];
  data: Float32Array;
}

export interface Adapter {
  dir: string;
  naming: Naming;
  config: LoraConfig;
  /** Of the module names in the file; the patterns of the configuration are written in it too. */
  spelling: Spelling;
  /** By canonical name. */
  tensors: Map<string, AdapterTensor>;
}

/** All that can be said of an adapter without reading its values. */
export type AdapterOutline = Omit<Adapter, 'tensors'> & { readonly tensors: ReadonlyMap<string, Pick<AdapterTensor, 'shape'>> };

/** An adapter whose values are read when asked for: whole modules saved in it can be as large as a vocabulary. */
export interface OpenAdapter extends AdapterOutline {
  /** Values `first` to `first + count` of a tensor, by canonical name; all of them by default. */
  read(name: string, first?: number, count?: number): Promise<Float32Array>;
  close(): Promise<void>;
}

const WEIGHTS = 'adapter_model.safetensors';
const CONFIG = 'adapter_config.json';
const PREFIX = 'base_model.model.';

/** Reads a folder; whether it fits a base model is for `checkAdapterFits`. */
export async function readAdapter(platform: Platform, dir: string, naming: Naming): Promise<Adapter> {
  const adapter = await openAdapter(platform, dir, naming);
  try {
    const tensors = new Map<string, AdapterTensor>();
    for (const [name, { shape }] of adapter.tensors) tensors.set(name, { shape, data: await adapter.read(name) });
    return { dir, naming, config: adapter.config, spelling: adapter.spelling, tensors };
  } finally {
    await adapter.close();
  }
}

/** Opens a folder for reading in parts; the caller closes it. */
export async function openAdapter(platform: Platform, dir: string, naming: Naming): Promise<OpenAdapter> {
  const configPath = joinPath(dir, CONFIG);
  if (!(await platform.exists(configPath)) && (await platform.exists(joinPath(dir, 'config.json')))) {
    throw new UserError(`${dir} is a whole model, as full fine-tuning leaves it, not an adapter; it is used as it is, as a base model`);
  }
  const json = await readJsonObject(platform, configPath, 'a PEFT adapter folder has one; check the path of the adapter');
  const config = parseLoraConfig(json, configPath);
  const path = joinPath(dir, WEIGHTS);
  if (!(await platform.exists(path)) && (await platform.exists(joinPath(dir, 'adapter_model.bin')))) {
    throw new UserError(`${dir} has adapter_model.bin, which is not read; load and save it with PEFT to get ${WEIGHTS}`);
  }
  const file = await openSafetensors(platform, path);
  try {
    const { tensors, spelling } = listTensors(file, naming);
    return {
      dir,
      naming,
      config,
      spelling,
      tensors,
      async read(name, first = 0, count) {
        const { key, dtype, bytes } = tensors.get(name)!;
        const size = elementBytes(dtype);
        const raw = await file.readRange(key, first * size, count === undefined ? bytes - first * size : count * size);
        return toFloat32(raw, dtype, `${path}: ${key}`);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

type StoredTensor = TensorInfo & { key: string };

function listTensors(file: SafetensorsFile, naming: Naming): { tensors: Map<string, StoredTensor>; spelling: Spelling } {
  const tensors = new Map<string, StoredTensor>();
  const spelled: { stored: string; canonical: string }[] = [];
  for (const [key, info] of file.tensors) {
    const stored = plainKey(key, file.path);
    const canonical = canonicalName(naming, stored);
    if (tensors.has(canonical)) {
      throw new UserError(`${file.path} holds ${canonical} twice, the second time as ${key}; one adapter a folder was expected`);
    }
    spelled.push({ stored, canonical });
    tensors.set(canonical, { ...info, key });
  }
  if (tensors.size === 0) throw new UserError(`${file.path} holds no adapter tensors`);
  const spellings: Spelling[] = ['current', 'hub', 'v5'];
  const spelling = spellings.find((one) => spelled.every(({ stored, canonical }) => respell(naming, canonical, one) === stored));
  return { tensors, spelling: spelling ?? 'current' };
}

/**
 * What wrappers put before the names of the modules inside them: torch.compile, DistributedDataParallel, FSDP, activation checkpointing.
 */
const WRAPPERS = /(^|\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\./g;

/** A key without wrappers' prefixes and the adapter's name (`.default`), which some tools leave in. */
function plainKey(key: string, path: string): string {
  let name = key.replace(WRAPPERS, '$1').replace(/^(?:module\.)+/, '');
  while (name.startsWith(PREFIX)) name = name.slice(PREFIX.length);
  if (/\.(base_layer|original_module)\./.test(name)) {
    throw new UserError(
      `${path}: ${key} is a weight of the base model inside the adapter, which PEFT would load over the base's own. ` +
        "Save the adapter again with PEFT's save_pretrained, which leaves it out",
    );
  }
  if (/\.lora_embedding_[AB]/.test(name))
    throw new UserError(`${path}: ${key} is LoRA on an embedding, which is not supported; use modules_to_save`);
  const matrix = /^(.*)\.(lora_[AB])(?:\.[^.]+)?\.weight$/.exec(name);
  if (matrix !== null) return `${matrix[1]!}.${matrix[2]!}.weight`;
  const magnitude = /^(.*)\.lora_magnitude_vector(?:\.[^.]+){0,2}$/.exec(name);
  if (magnitude !== null) return `${magnitude[1]!}.lora_magnitude_vector`;
  return name.replace(/\.modules_to_save\.(?:[^.]+\.(?=[^.]))?/, '.');
}

/** Name → shape of every tensor that an adapter has, in the order of the modules; what training allocates and files must hold. */
export function adapterShapes(resolved: ResolvedAdapter, useDora: boolean, modules: readonly ModuleInfo[]): Map<string, readonly number[]> {
  const byName = new Map(modules.map((module) => [module.name, module]));
  const parameters = new Map<string, readonly number[]>();
  for (const { name, parameters: own } of modules) {
    for (const [local, shape] of Object.entries(own)) parameters.set(`${name}.${local}`, shape);
  }
  const shapes = new Map<string, readonly number[]>();
  for (const { module, r } of resolved.lora) {
    const [out, into, ...kernel] = byName.get(module)!.parameters['weight']!;
    const ones = kernel.map(() => 1);
    shapes.set(`${module}.lora_A.weight`, [r, into!, ...kernel]);
    shapes.set(`${module}.lora_B.weight`, [out!, r, ...ones]);
    if (useDora) shapes.set(`${module}.lora_magnitude_vector`, kernel.length === 0 ? [out!] : [1, out!, ...ones]);
  }
  for (const name of resolved.savedParameters) shapes.set(name, parameters.get(name)!);
  return shapes;
}

export interface FittedAdapter {
  resolved: ResolvedAdapter;
  /** The adapter's configuration in canonical names: what to train on with, and to write. */
  config: LoraConfig;
  /** Frozen weights of the base that the adapter brings along (`save_embedding_layers`), by name in the base → name in the adapter. */
  replaced: Map<string, string>;
}

/** Checks an adapter against the modules of the base model; one UserError lists what is missing, superfluous or of another shape. */
export function checkAdapterFits(adapter: AdapterOutline, modules: readonly ModuleInfo[]): FittedAdapter {
  const fitted = resolveFor(adapter, modules);
  const trained = adapterShapes(fitted.resolved, fitted.config.use_dora, modules);
  const brought = embeddingLayers(modules).filter(({ name }) => adapter.tensors.has(name) && !trained.has(name));
  for (const { name, shape } of brought) checkVocabulary(adapter, name, shape);
  const expected = new Map([...trained, ...brought.map(({ name, shape }) => [name, shape] as const)]);
  const missing = [...expected.keys()].filter((name) => !adapter.tensors.has(name));
  const unexpected = [...adapter.tensors.keys()].filter((name) => !expected.has(name));
  const misshapen = [...expected].flatMap(([name, shape]) => {
    const found = adapter.tensors.get(name)?.shape;
    return found === undefined || sameShape(found, shape) ? [] : [`${name} is [${found.join(', ')}], [${shape.join(', ')}] was expected`];
  });
  const complaints = [
    complaint('tensors are missing', missing),
    complaint('tensors have no place in the base model or its configuration', unexpected),
    complaint('tensors have another shape', misshapen),
  ].filter((text) => text !== '');
  if (complaints.length > 0) {
    throw new UserError(
      `the adapter ${adapter.dir} does not fit the base model.\n${complaints.join('\n')}\n` +
        `It was made for ${adapter.config.base_model_name_or_path ?? 'an unnamed base'}; give that model as the base, or another adapter`,
    );
  }
  return { ...fitted, replaced: new Map(brought.map(({ name }) => [name, name])) };
}

/**
 * Where frozen weights come from that an adapter brings along: name in the base → name in the adapter. A tied head and its table are one
 * parameter in PyTorch; both are loaded into it, the head, which comes last, for good.
 */
export function frozenSources(
  replaced: ReadonlyMap<string, string>,
  { tiedHead, embedding }: { tiedHead: boolean; embedding: string },
): Map<string, string> {
  const head = `${OUTPUT_HEAD}.weight`;
  const sources = new Map(replaced);
  const shared = sources.get(head) ?? sources.get(embedding);
  if (tiedHead && shared !== undefined) for (const name of [head, embedding]) sources.set(name, shared);
  return sources;
}

/** The embedding table and the head: what `save_embedding_layers` saves beside an adapter. */
function embeddingLayers(modules: readonly ModuleInfo[]): { name: string; shape: readonly number[] }[] {
  return modules.flatMap(({ name, parameters: { weight: shape } }) => {
    const isLayer = shape !== undefined && /(^|\.)(embed_tokens|lm_head)$/.test(name);
    return isLayer ? [{ name: `${name}.weight`, shape }] : [];
  });
}

function checkVocabulary(adapter: AdapterOutline, name: string, [rows, width]: readonly number[]): void {
  const [found, foundWidth] = adapter.tensors.get(name)!.shape;
  if (found === rows || width !== foundWidth) return;
  throw new UserError(
    `the adapter ${adapter.dir} was saved with a vocabulary of ${found}, the base model has ${rows}: ${name} was resized in training. ` +
      'Give the base with the resized vocabulary (resize_token_embeddings, save_pretrained)',
  );
}

function complaint(what: string, items: readonly string[]): string {
  if (items.length === 0) return '';
  const more = items.length > 3 ? `\n    … and ${items.length - 3} more` : '';
  return `  ${items.length} ${what}:\n    ${items.slice(0, 3).join('\n    ')}${more}`;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/**
 * The configuration's patterns speak of names as they were spelt when the adapter was made. They are tried on canonical names first; when
 * these do not give the modules that the file holds and the old spelling does, the patterns are replaced by the modules' names.
 */
function resolveFor(adapter: AdapterOutline, modules: readonly ModuleInfo[]): Omit<FittedAdapter, 'replaced'> {
  const { config, spelling, naming } = adapter;
  let failure: Error | undefined;
  try {
    const resolved = resolveAdapter(config, modules);
    if (spelling === 'current' || coversTensors(resolved, adapter)) return { resolved, config };
  } catch (error) {
    if (spelling === 'current') throw error;
    failure = error instanceof Error ? error : new Error(String(error));
  }
  const spelled = modules.map((module) => ({ ...module, name: respell(naming, module.name, spelling) }));
  try {
    const found = resolveAdapter(config, spelled);
    const explicit = explicitConfig(config, found, naming);
    const resolved = resolveAdapter(explicit, modules);
    if (failure !== undefined || coversTensors(resolved, adapter)) {
      return { resolved, config: { ...explicit, target_modules: resolved.targetModules } };
    }
  } catch {
    if (failure !== undefined) throw failure;
  }
  return { resolved: resolveAdapter(config, modules), config };
}

function coversTensors(resolved: ResolvedAdapter, adapter: AdapterOutline): boolean {
  const inFile = new Set([...adapter.tensors.keys()].flatMap((name) => /^(.*)\.lora_A\.weight$/.exec(name)?.[1] ?? []));
  return resolved.lora.length === inFile.size && resolved.lora.every(({ module }) => inFile.has(module));
}

/** The same adapter with every pattern replaced by canonical names. */
function explicitConfig(config: LoraConfig, found: ResolvedAdapter, naming: Naming): LoraConfig {
  const canonical = (name: string): string => canonicalName(naming, name);
  const exact = (name: string): string => `^${canonical(name).replaceAll('.', '\\.')}`;
  return {
    ...config,
    target_modules: found.lora.map(({ module }) => canonical(module)),
    exclude_modules: null,
    modules_to_save: found.saved.length === 0 ? null : found.saved.map(canonical),
    layers_to_transform: null,
    layers_pattern: null,
    rank_pattern: Object.fromEntries(found.lora.flatMap(({ module, r }) => (r === config.r ? [] : [[exact(module), r]]))),
    alpha_pattern: Object.fromEntries(
      found.lora.flatMap(({ module, alpha }) => (alpha === config.lora_alpha ? [] : [[exact(module), alpha]])),
    ),
  };
}

/** A tensor to write; one that lives on the GPU is fetched when its turn comes. */
export interface AdapterTensorSource {
  shape: readonly number[];
  data: Float32Array | (() => Promise<Float32Array>);
}

/** What the card of an adapter says beside its configuration. */
export interface AdapterCard {
  /** It is loaded as a model that reads text only, not as a vision-language model. */
  isTextOnly?: boolean;
  /** What it was trained on, without a full stop. */
  about?: string | undefined;
}

/**
 * Writes the three files into `dir`, which is made where it does not exist. Tensors by canonical name, stored in float32. The
 * configuration's `target_modules` should be the resolved ones (`ResolvedAdapter.targetModules`), as PEFT never saves `all-linear`.
 */
export async function writeAdapter(
  platform: Platform,
  dir: string,
  config: LoraConfig,
  tensors: ReadonlyMap<string, AdapterTensorSource>,
  { isTextOnly = false, about }: AdapterCard = {},
): Promise<void> {
  const entries = [...tensors].map(([name, { shape, data }]) => ({
    name: PREFIX + storedKey(name),
    dtype: 'F32' as const,
    shape,
    data: typeof data === 'function' ? async (): Promise<Uint8Array> => bytesOf(await data()) : bytesOf(data),
  }));
  await platform.makeDir(dir);
  await writeSafetensors(platform, joinPath(dir, WEIGHTS), entries);
  await platform.writeFile(joinPath(dir, CONFIG), formatLoraConfig(config));
  await platform.writeFile(joinPath(dir, 'README.md'), modelCard(config, isTextOnly, about));
}

/**
 * PEFT itself leaves `.weight` off DoRA's magnitudes, and loads them with or without it. transformers' load_adapter (5.18) takes a
 * magnitude without it for a key that it does not know, warns, and computes with the ones that the adapter began with.
 */
function storedKey(name: string): string {
  return name.endsWith('.lora_magnitude_vector') ? `${name}.weight` : name;
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** The card that Hugging Face shows, with the front matter PEFT writes. */
function modelCard(config: LoraConfig, textOnly: boolean, about: string | undefined): string {
  const auto = textOnly ? 'AutoModelForCausalLM' : 'AutoModelForImageTextToText';
  const base = config.base_model_name_or_path;
  const variant = [config.use_dora ? 'DoRA' : 'LoRA', config.use_rslora ? 'rank-stabilised' : ''].filter((word) => word !== '').join(', ');
  const lines = [
    '---',
    ...(base === null ? [] : [`base_model: ${JSON.stringify(base)}`]),
    'library_name: peft',
    `pipeline_tag: ${textOnly ? 'text-generation' : 'image-text-to-text'}`,
    'tags:',
    ...(base === null ? [] : [`- ${JSON.stringify(`base_model:adapter:${base}`)}`]),
    '- lora',
    '- transformers',
    '---',
    '',
    `# ${variant} adapter`,
    '',
    `Rank ${config.r}, alpha ${config.lora_alpha}, trained with Vernier. Load it with PEFT:`,
    '',
    '```python',
    'from peft import PeftModel',
    `from transformers import ${auto}`,
    '',
    `base = ${auto}.from_pretrained(${JSON.stringify(base ?? 'BASE')})`,
    'model = PeftModel.from_pretrained(base, "THIS FOLDER")',
    '```',
    '',
    ...(about === undefined ? [] : [`What it was trained on: ${about}.`, '']),
  ];
  return lines.join('\n');
}
