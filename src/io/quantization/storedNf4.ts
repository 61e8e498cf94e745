/**
 * Weights that bitsandbytes has quantised and saved: beside `x.weight`, the packed codes, lie `x.weight.absmax`, `.quant_map`, the state as
 * JSON in `.quant_state.bitsandbytes__nf4`, and with double quantisation `.nested_absmax` and `.nested_quant_map`.
 */
import { UserError } from '../../platform.ts';
import type { ModelFolder } from '../modelFolder.ts';
import { parseJson, shownJson } from '../parseJson.ts';
import { elementCount, toFloat32 } from '../safetensors.ts';
import type { BlockScales } from './doubleQuantization.ts';
import { NF4_VALUES } from './nf4.ts';
import type { FloatDtype } from './nf4.ts';
import { blockCount } from './nf4Weight.ts';
import type { Nf4Weight } from './nf4Weight.ts';

const STATE = '.quant_state.bitsandbytes__';
/** What bitsandbytes saves beside a weight. */
const COMPANIONS = ['.absmax', '.quant_map', '.nested_absmax', '.nested_quant_map', `${STATE}nf4`, `${STATE}fp4`];
const PRECISIONS: Readonly<Record<string, FloatDtype>> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' };

/** Whether a tensor is one that belongs to a quantised weight, and no weight itself. */
export function isCompanion(name: string): boolean {
  return COMPANIONS.some((ending) => name.endsWith(`.weight${ending}`));
}

/** Canonical names of the weights that the folder holds quantised. */
export function storedNf4Names(folder: ModelFolder): string[] {
  return folder
    .names()
    .filter((name) => name.includes(STATE))
    .map((name) => name.slice(0, name.indexOf(STATE)));
}

interface State {
  blockSize: number;
  precision: FloatDtype;
  shape: number[];
  nested: { blockSize: number; offset: number } | undefined;
}

/** @throws UserError for arrays that contradict each other, or are not NF4 */
export async function openStoredNf4(folder: ModelFolder, name: string): Promise<Nf4Weight> {
  const where = `${folder.dir}: ${folder.has(name) ? folder.storedName(name) : name}`;
  const advice = 'The quantised weights are damaged or of an unknown kind; download the model again, or give the original model.';
  const fail = (what: string): UserError => new UserError(`${where}: ${what}. ${advice}`);
  if (folder.has(`${name}${STATE}fp4`)) {
    throw new UserError(`${where} is quantised to fp4; only nf4 is computed. Give the original model, and --quantization nf4.`);
  }
  if (!folder.has(name)) throw fail('the quantisation of a weight is there and the weight is not');
  const state = parseState(await folder.readRaw(`${name}${STATE}nf4`), fail);
  const shape = state.shape;
  const count = elementCount(shape);
  const { bytes } = folder.info(name);
  if (bytes < Math.ceil(count / 2))
    throw fail(`${bytes} bytes hold the codes of [${shape.join(', ')}], which take ${Math.ceil(count / 2)}`);
  const quantMap = await floats(folder, `${name}.quant_map`, NF4_VALUES.length, fail);
  if (quantMap.some((value, i) => Math.abs(value - NF4_VALUES[i]!) > 1e-6)) throw fail('quant_map holds other values than those of NF4');
  return new StoredNf4(folder, name, state, count, fail);
}

class StoredNf4 implements Nf4Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly blockSize: number;
  readonly nestedBlock: number | 'none';
  readonly precision: FloatDtype;
  readonly sourceBytes: number;
  private readonly folder: ModelFolder;
  private readonly state: State;
  private readonly fail: (what: string) => UserError;

  constructor(folder: ModelFolder, name: string, state: State, count: number, fail: (what: string) => UserError) {
    this.folder = folder;
    this.name = name;
    this.state = state;
    this.shape = state.shape;
    this.blockSize = state.blockSize;
    this.nestedBlock = state.nested?.blockSize ?? 'none';
    this.precision = state.precision;
    this.sourceBytes = Math.ceil(count / 2);
    this.fail = fail;
  }

  codes(firstBlock: number, blocks: number): Promise<Uint8Array> {
    const start = (firstBlock * this.blockSize) / 2;
    return this.folder.readRange(this.name, start, Math.min((blocks * this.blockSize) / 2, this.sourceBytes - start));
  }

  async scales(): Promise<BlockScales> {
    const { folder, name, state, fail } = this;
    const blocks = blockCount(this);
    if (!state.nested) return { kind: 'single', absmax: await floats(folder, `${name}.absmax`, blocks, fail) };
    const { blockSize: nestedBlock, offset } = state.nested;
    const bytes = await folder.readRaw(present(folder, `${name}.absmax`, fail));
    if (folder.info(`${name}.absmax`).dtype !== 'U8' || bytes.length !== blocks)
      throw fail(`absmax has ${bytes.length} bytes, ${blocks} blocks need one each`);
    return {
      kind: 'double',
      bytes,
      nestedBlock,
      offset,
      nested: await floats(folder, `${name}.nested_absmax`, Math.ceil(blocks / nestedBlock), fail),
      map: await floats(folder, `${name}.nested_quant_map`, 256, fail),
    };
  }
}

function present(folder: ModelFolder, name: string, fail: (what: string) => UserError): string {
  if (!folder.has(name)) throw fail(`${name.slice(name.lastIndexOf('.') + 1)} is missing`);
  return name;
}

async function floats(folder: ModelFolder, name: string, count: number, fail: (what: string) => UserError): Promise<Float32Array> {
  const raw = await folder.readRaw(present(folder, name, fail));
  const { dtype } = folder.info(name);
  const label = name.slice(name.lastIndexOf('.') + 1);
  if (dtype !== 'F32') throw fail(`${label} is ${dtype}, F32 was expected`);
  const values = toFloat32(raw, dtype, name);
  if (values.length !== count) throw fail(`${label} has ${values.length} values, ${count} were expected`);
  return values;
}

function parseState(raw: Uint8Array, fail: (what: string) => UserError): State {
  let state: unknown;
  try {
    state = parseJson(new TextDecoder().decode(raw));
  } catch {
    throw fail('quant_state is not JSON');
  }
  const fields = new Map<string, unknown>(typeof state === 'object' && state !== null ? Object.entries(state) : []);
  const wrong = (key: string): UserError => fail(`quant_state has ${key} ${shownJson(fields.get(key))}`);
  const powerOfTwo = (key: string): number => {
    const value = fields.get(key);
    if (typeof value !== 'number' || value < 8 || value > 65536 || !Number.isInteger(Math.log2(value))) throw wrong(key);
    return value;
  };
  if (fields.get('quant_type') !== 'nf4') throw wrong('quant_type');
  const precision = PRECISIONS[String(fields.get('dtype'))];
  if (precision === undefined) throw wrong('dtype');
  const shape = fields.get('shape');
  if (!Array.isArray(shape) || shape.length < 2 || !shape.every((size): size is number => Number.isSafeInteger(size) && size > 0))
    throw wrong('shape');
  const blockSize = powerOfTwo('blocksize');
  if (fields.get('nested_offset') === undefined) return { blockSize, precision, shape, nested: undefined };
  const offset = fields.get('nested_offset');
  if (typeof offset !== 'number' || !Number.isFinite(offset)) throw wrong('nested_offset');
  if ((fields.get('nested_dtype') ?? 'float32') !== 'float32') throw wrong('nested_dtype');
  return { blockSize, precision, shape, nested: { blockSize: powerOfTwo('nested_blocksize'), offset: Math.fround(offset) } };
}
