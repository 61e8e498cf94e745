/**
 * Brings a model's parameters onto the GPU. Frozen matrices keep the checkpoint's precision (f32, f16, bf16), unless they are held
 * quantised, and are split between rows where they are larger than the adapter binds; vectors (norms, biases) become f32, which is exact.
 * Parameters that train come from outside, already allocated in f32 with their gradients, and only get their values here. Bytes stream from
 * the files in pieces: no tensor is ever whole in RAM.
 */
import type { Device } from '../gpu/device.ts';
import { Tensor } from '../gpu/tensor.ts';
import type { DType, TensorPart } from '../gpu/tensor.ts';
import type { ModelFolder } from '../io/modelFolder.ts';
import { toFloat32 } from '../io/safetensors.ts';
import type { Parameter } from '../ops/parameter.ts';
import { UserError } from '../platform.ts';
import type { HeldQuantized } from './quantization.ts';
import { streamNf4, uploadInt8, uploadNf4 } from './quantizedWeights.ts';
import { rowRuns } from './rowRuns.ts';
import { nowhere } from './streamedWeights.ts';
import type { StreamedWeights } from './streamedWeights.ts';
import type { Shape } from './weights.ts';

const STORED_DTYPES: Readonly<Record<string, DType>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };
const PIECE_BYTES = 16 * 2 ** 20;
const TABLE_PART_BYTES = 64 * 2 ** 20;

/** Called for a parameter that trains, with its values in f32. */
export type FillTrainable = (name: string, rowStart: number, values: Float32Array) => void;

export interface LoadOptions {
  /** Allocated parameters with gradients, by name. */
  trainable: ReadonlyMap<string, Parameter>;
  fill: FillTrainable;
  /** Takes all frozen matrices but quantised tables; the folder stays open as long as it is used. */
  streamed?: StreamedWeights;
  /** Embedding and head: in parts of 64 MiB at most, whether streamed or not, so that sums are the same either way. */
  tables?: readonly string[];
  /** What is held quantised; default: nothing. */
  quantized?: HeldQuantized;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/**
 * Loads every parameter of `shapes` (canonical name → shape). A tied head is `lm_head.weight` absent from `shapes`.
 * @throws UserError for a tensor that is missing, has another shape than the configuration says, or a dtype that is not a float
 */
export async function loadParameters(
  device: Device,
  folder: ModelFolder,
  shapes: ReadonlyMap<string, Shape>,
  options: LoadOptions,
): Promise<Map<string, Parameter>> {
  for (const [name, shape] of shapes) checkStored(folder, name, shape);
  const total = [...shapes.keys()].reduce((sum, name) => sum + folder.info(name).bytes, 0);
  const loaded = new Map<string, Parameter>();
  let done = 0;
  for (const [name, shape] of shapes) {
    const bytes = folder.info(name).bytes;
    const trained = options.trainable.get(name);
    if (trained) {
      if (!device.isDry) await fillTrained(device, folder, name, shape, options.fill);
      loaded.set(name, trained);
    } else {
      loaded.set(name, await frozenParameter(device, folder, name, shape, options));
    }
    done += bytes;
    options.onProgress?.(done, total);
  }
  await device.finish();
  return loaded;
}

function checkStored(folder: ModelFolder, name: string, shape: Shape): void {
  if (!folder.has(name)) {
    throw new UserError(
      `${folder.dir}: the weights have no tensor '${name}', which its config.json calls for. Download the model again, whole.`,
    );
  }
  const { dtype, shape: stored } = folder.info(name);
  const where = `${folder.dir}: tensor '${folder.storedName(name)}'`;
  if (STORED_DTYPES[dtype] === undefined) {
    throw new UserError(
      `${where} is ${dtype}; F32, F16 or BF16 was expected. Of quantised checkpoints only bitsandbytes' NF4 is read: give the original ` +
        `model.`,
    );
  }
  if (stored.length !== shape.length || stored.some((extent, at) => extent !== shape[at])) {
    throw new UserError(
      `${where} has shape [${stored.join(', ')}], config.json calls for [${shape.join(', ')}]. Config and weights are of different models.`,
    );
  }
}

async function frozenParameter(
  device: Device,
  folder: ModelFolder,
  name: string,
  shape: Shape,
  { streamed, tables, quantized }: LoadOptions,
): Promise<Parameter> {
  const isTable = tables?.includes(name) === true;
  const most = isTable ? TABLE_PART_BYTES : undefined;
  const nf4 = quantized?.nf4.get(name);
  const isPacked = nf4 !== undefined || quantized?.int8.has(name) === true;
  if (streamed && shape.length > 1 && !(isTable && isPacked)) {
    if (nf4 === undefined) return streamedParameter(device, folder, name, shape, streamed, most);
    const { tensor, hosts } = await streamNf4(device, nf4);
    streamed.add(name, hosts);
    return { name, tensor };
  }
  if (nf4) return { name, tensor: await uploadNf4(device, nf4) };
  return { name, tensor: isPacked ? await uploadInt8(device, folder, name) : await loadFrozen(device, folder, name, shape, most) };
}

async function loadFrozen(device: Device, folder: ModelFolder, name: string, shape: Shape, most?: number): Promise<Tensor> {
  const { dtype, bytes } = folder.info(name);
  if (shape.length === 1) {
    const vector = new Tensor(shape, 'f32', device.pool.acquire(shape[0]! * 4, 'weights', 'always'));
    await device.fill(vector.view, vector.bytes, vector.bytes, async () =>
      toFloat32(await folder.readRaw(name), dtype as 'F32' | 'F16' | 'BF16', name),
    );
    return vector;
  }
  const type = STORED_DTYPES[dtype]!;
  const rows = shape[0]!;
  const rowBytes = bytes / rows;
  const parts = allocateRows(device, rows, rowBytes, 'weights', most);
  for (const { view, rowStart, rows: held } of parts) {
    await device.fill(view, held * rowBytes, PIECE_BYTES, (at, length) => folder.readRange(name, rowStart * rowBytes + at, length));
  }
  return new Tensor([rows, shape.slice(1).reduce((a, b) => a * b, 1)], type, parts);
}

/**
 * The weight in the file: parts that lie nowhere on the GPU until they are streamed there. @param most bytes of a part; given for a table
 */
function streamedParameter(
  device: Device,
  folder: ModelFolder,
  name: string,
  shape: Shape,
  streamed: StreamedWeights,
  most?: number,
): Parameter {
  const { dtype, bytes } = folder.info(name);
  const rows = shape[0]!;
  const rowBytes = bytes / rows;
  const parts = rowRuns(device, rows, (count) => count * rowBytes, { ...(most !== undefined && { mostBytes: most }) }).map(
    (run): TensorPart => ({ ...run, view: nowhere(run.rows * rowBytes) }),
  );
  const tensor = new Tensor([rows, shape.slice(1).reduce((a, b) => a * b, 1)], STORED_DTYPES[dtype]!, parts);
  const host = parts.map((part) => ({
    part,
    bytes: part.view.bytes,
    read: (at: number, length: number) => folder.readRange(name, part.rowStart * rowBytes + at, length),
  }));
  if (most !== undefined)
    return { name, tensor, elsewhere: streamed.addTable(name, host, (row) => folder.readRange(name, row * rowBytes, rowBytes)) };
  streamed.add(name, host);
  return { name, tensor };
}

/** Ranges for `rows` rows, as few as the adapter's binding limit allows. */
export function allocateRows(device: Device, rows: number, rowBytes: number, label: string, most?: number): TensorPart[] {
  return rowRuns(device, rows, (count) => count * rowBytes, { ...(most !== undefined && { mostBytes: most }) }).map((run) => ({
    ...run,
    view: device.pool.acquire(run.rows * rowBytes, label, 'always'),
  }));
}

async function fillTrained(device: Device, folder: ModelFolder, name: string, shape: Shape, fill: FillTrainable): Promise<void> {
  const { dtype, bytes } = folder.info(name);
  const rows = shape[0]!;
  const rowBytes = bytes / rows;
  const perPiece = Math.max(1, Math.floor(PIECE_BYTES / rowBytes));
  for (let row = 0; row < rows; row += perPiece) {
    const count = Math.min(perPiece, rows - row);
    const raw = await folder.readRange(name, row * rowBytes, count * rowBytes);
    fill(name, row, toFloat32(raw, dtype as 'F32' | 'F16' | 'BF16', name));
    await device.drain();
  }
}
