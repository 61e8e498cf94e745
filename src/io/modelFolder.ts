/**
 * A Hugging Face model folder: `config.json` and the weights, in one `model.safetensors` or in shards listed by
 * `model.safetensors.index.json`. The folder appears as one set of tensors under canonical names (src/io/names.ts), whatever the
 * spelling and the number of files; only headers are read here, tensors come in ranges on request.
 */
import { errorText, joinPath, type Platform, UserError } from '../platform.ts';
import { canonicalName } from './names.ts';
import type { Naming, NamingOf } from './names.ts';
import { parseJson } from './parseJson.ts';
import { elementBytes, openSafetensors, toFloat32, type SafetensorsFile, type TensorInfo } from './safetensors.ts';
import { readText } from './textFile.ts';

export interface ModelFolder {
  readonly dir: string;
  /** config.json as it stands; the model's own code checks what it reads from it. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly naming: Naming;
  /** The files of the weights, in the order of their names. */
  readonly files: readonly SafetensorsFile[];
  /** Canonical names, in file order. */
  names(): string[];
  has(name: string): boolean;
  info(name: string): TensorInfo;
  /** The name under which the file holds a tensor, for messages. */
  storedName(name: string): string;
  /** From here on `name`, which the files lack, is what they hold as `held`. */
  alias(name: string, held: string): void;
  readRaw(name: string): Promise<Uint8Array>;
  readRange(name: string, byteOffset: number, byteLength: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** `count` values of a tensor from its value `first` on, whatever precision they are held in. */
export async function readValues(folder: ModelFolder, name: string, first: number, count: number): Promise<Float32Array> {
  const { dtype } = folder.info(name);
  const size = elementBytes(dtype);
  return toFloat32(await folder.readRange(name, first * size, count * size), dtype, name);
}

const SINGLE = 'model.safetensors';
export const WEIGHTS_INDEX = 'model.safetensors.index.json';

/** Throws a UserError when the folder, its configuration or its weights are missing, damaged or contradict each other. */
export async function openModelFolder(platform: Platform, dir: string, namingOf: NamingOf): Promise<ModelFolder> {
  if (!(await platform.isDirectory(dir)))
    throw new UserError(`${dir} is not a folder; a Hugging Face model folder with config.json was expected`);
  const isAdapter = await platform.exists(joinPath(dir, 'adapter_config.json'));
  const advice = isAdapter
    ? 'the folder holds an adapter; its base model is wanted here'
    : 'every model folder has one; check the path of the base model';
  const config = await readJsonObject(platform, joinPath(dir, 'config.json'), advice);
  const modelType = config['model_type'];
  if (typeof modelType !== 'string')
    throw new UserError(`${joinPath(dir, 'config.json')} has no model_type; it is not the configuration of a model`);
  const naming = namingOf(modelType, joinPath(dir, 'config.json'));

  const opened: SafetensorsFile[] = [];
  try {
    await openWeights(platform, dir, opened);
    return new OpenModelFolder(dir, config, naming, opened);
  } catch (error) {
    for (const file of opened) await file.close();
    throw error;
  }
}

async function openWeights(platform: Platform, dir: string, opened: SafetensorsFile[]): Promise<void> {
  if (await platform.exists(joinPath(dir, SINGLE))) {
    opened.push(await openSafetensors(platform, joinPath(dir, SINGLE)));
    return;
  }
  const indexPath = joinPath(dir, WEIGHTS_INDEX);
  if (!(await platform.exists(indexPath))) {
    const other = (await platform.listDir(dir)).find((name) => /\.(bin|pt|pth|gguf)$/.test(name));
    const advice = other === undefined ? 'download the weights too' : `${other} is not read: convert it with save_pretrained`;
    throw new UserError(`${dir} has neither ${SINGLE} nor ${WEIGHTS_INDEX}; ${advice}`);
  }
  const weightMap = await readWeightMap(platform, indexPath);
  for (const shard of [...new Set(weightMap.values())].sort()) {
    const path = joinPath(dir, shard);
    if (!(await platform.exists(path))) throw new UserError(`${path} is missing; ${indexPath} lists it: download the shard`);
    opened.push(await openSafetensors(platform, path));
  }
  const byPath = new Map(opened.map((file) => [file.path, file]));
  for (const [name, shard] of weightMap) {
    if (!byPath.get(joinPath(dir, shard))?.tensors.has(name)) {
      throw new UserError(
        `${indexPath} says that ${name} is in ${shard}, which does not have it; download index and shards of one revision`,
      );
    }
  }
}

async function readWeightMap(platform: Platform, indexPath: string): Promise<Map<string, string>> {
  const index = await readJsonObject(platform, indexPath, '');
  const map = index['weight_map'];
  if (typeof map !== 'object' || map === null || Array.isArray(map)) throw new UserError(`${indexPath} has no weight_map`);
  const weightMap = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || /[\\/]/.test(shard)) {
      throw new UserError(
        `${indexPath}: the shard of ${name} is ${JSON.stringify(shard)}; the name of a file in the same folder was expected`,
      );
    }
    weightMap.set(name, shard);
  }
  if (weightMap.size === 0) throw new UserError(`${indexPath} lists no tensors`);
  return weightMap;
}

/** A JSON file that holds an object; `missing` is the advice when there is no such file. */
export async function readJsonObject(platform: Platform, path: string, missing: string): Promise<Record<string, unknown>> {
  if (!(await platform.exists(path))) throw new UserError(`${path} is missing${missing === '' ? '' : `; ${missing}`}`);
  const text = await readText(platform, path);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new UserError(`${path} is not valid JSON: ${errorText(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new UserError(`${path} is not a JSON object`);
  return Object.fromEntries(Object.entries(value));
}

interface Place {
  file: SafetensorsFile;
  stored: string;
  info: TensorInfo;
}

class OpenModelFolder implements ModelFolder {
  readonly dir: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly naming: Naming;
  readonly files: readonly SafetensorsFile[];
  private readonly places = new Map<string, Place>();

  constructor(dir: string, config: Record<string, unknown>, naming: Naming, files: readonly SafetensorsFile[]) {
    this.dir = dir;
    this.config = config;
    this.naming = naming;
    this.files = files;
    for (const file of files) {
      for (const [stored, info] of file.tensors) {
        const name = canonicalName(naming, stored);
        const other = this.places.get(name);
        if (other !== undefined) {
          throw new UserError(
            `${dir} holds ${name} twice: as ${other.stored} in ${other.file.path} and as ${stored} in ${file.path}; ` +
              'remove the files that do not belong',
          );
        }
        this.places.set(name, { file, stored, info });
      }
    }
  }

  names(): string[] {
    return [...this.places.keys()];
  }

  has(name: string): boolean {
    return this.places.has(name);
  }

  info(name: string): TensorInfo {
    return this.place(name).info;
  }

  storedName(name: string): string {
    return this.place(name).stored;
  }

  alias(name: string, held: string): void {
    this.places.set(name, this.place(held));
  }

  async readRaw(name: string): Promise<Uint8Array> {
    const { file, stored } = this.place(name);
    return file.readRaw(stored);
  }

  async readRange(name: string, byteOffset: number, byteLength: number): Promise<Uint8Array> {
    const { file, stored } = this.place(name);
    return file.readRange(stored, byteOffset, byteLength);
  }

  async close(): Promise<void> {
    for (const file of this.files) await file.close();
  }

  private place(name: string): Place {
    const place = this.places.get(name);
    if (place === undefined) throw new UserError(`${this.dir} has no tensor ${name}; the weights do not fit its config.json`);
    return place;
  }
}
