/**
 * A model folder of which some weights are NF4 (stored so, or as they would be quantised), seen as the folder of floats that products over
 * those weights see: each has the precision that bitsandbytes gives it back in, and what lies beside it is not there. Whoever reads values
 * needs no word for quantisation.
 */
import { f32ToBf16, f32ToF16 } from '../halfFloat.ts';
import { readValues } from '../modelFolder.ts';
import type { ModelFolder } from '../modelFolder.ts';
import { elementBytes, elementCount } from '../safetensors.ts';
import type { TensorInfo } from '../safetensors.ts';
import { dequantizeRows, quantizeRows } from './int8.ts';
import type { FloatDtype } from './nf4.ts';
import { DequantizedReader } from './nf4Weight.ts';
import type { Nf4Weight } from './nf4Weight.ts';
import { isCompanion } from './storedNf4.ts';

/**
 * @param weights by canonical name
 * @param tables (V, C) that are held in bytes (int8.ts); a byte times its scale needs float32
 */
export function dequantizedFolder(
  folder: ModelFolder,
  weights: ReadonlyMap<string, Nf4Weight>,
  tables: ReadonlySet<string> = new Set(),
): ModelFolder {
  if (weights.size === 0 && tables.size === 0) return folder;
  const held = new Map(weights);
  const inBytes = new Set(tables);
  // The scales of one weight, a hundredth of it, are kept while its values are read.
  let open: { name: string; reader: DequantizedReader } | undefined;
  const readRange = async (name: string, byteOffset: number, byteLength: number): Promise<Uint8Array> => {
    if (inBytes.has(name)) return encode(await tableValues(folder, name, byteOffset / 4, byteLength / 4), 'F32');
    const weight = held.get(name);
    if (weight === undefined) return folder.readRange(name, byteOffset, byteLength);
    if (open?.name !== name) open = { name, reader: new DequantizedReader(weight) };
    const size = elementBytes(weight.precision);
    return encode(await open.reader.values(byteOffset / size, byteLength / size), weight.precision);
  };
  const info = (name: string): TensorInfo => {
    const weight = held.get(name);
    if (inBytes.has(name)) {
      const { shape } = folder.info(name);
      return { dtype: 'F32', shape: [...shape], offset: 0, bytes: elementCount(shape) * 4 };
    }
    if (weight === undefined) return folder.info(name);
    return {
      dtype: weight.precision,
      shape: [...weight.shape],
      offset: 0,
      bytes: elementCount(weight.shape) * elementBytes(weight.precision),
    };
  };
  return {
    dir: folder.dir,
    config: folder.config,
    naming: folder.naming,
    files: folder.files,
    names: () => folder.names().filter((name) => !isCompanion(name)),
    has: (name) => held.has(name) || (folder.has(name) && !isCompanion(name)),
    info,
    storedName: (name) => folder.storedName(name),
    alias(name, other) {
      const weight = held.get(other);
      if (weight) held.set(name, weight);
      if (inBytes.has(other)) inBytes.add(name);
      folder.alias(name, other);
    },
    readRaw: (name) => readRange(name, 0, info(name).bytes),
    readRange,
    close: () => folder.close(),
  };
}

/** Whole rows are rounded together. */
async function tableValues(folder: ModelFolder, name: string, first: number, count: number): Promise<Float32Array> {
  const size = folder.info(name).shape[1]!;
  const start = first - (first % size);
  const values = await readValues(folder, name, start, Math.ceil((first + count - start) / size) * size);
  return dequantizeRows(quantizeRows(values, size), size).slice(first - start, first - start + count);
}

function encode(values: Float32Array, precision: FloatDtype): Uint8Array {
  const array = precision === 'BF16' ? f32ToBf16(values) : precision === 'F16' ? f32ToF16(values) : values;
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
