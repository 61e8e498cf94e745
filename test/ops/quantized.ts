/** Quantised weights for tests: values in memory as an Nf4Weight or int8 rows, on the device, and the values that they stand for. */
import type { Device } from '../../src/gpu/device.ts';
import type { Tensor } from '../../src/gpu/tensor.ts';
import { f32ToBf16, f32ToF16 } from '../../src/io/halfFloat.ts';
import { quantizeScales, restoredScales } from '../../src/io/quantization/doubleQuantization.ts';
import type { BlockScales } from '../../src/io/quantization/doubleQuantization.ts';
import { dequantizeRows, quantizeRows } from '../../src/io/quantization/int8.ts';
import { Nf4Quantizer } from '../../src/io/quantization/nf4.ts';
import type { FloatDtype } from '../../src/io/quantization/nf4.ts';
import { dequantize } from '../../src/io/quantization/nf4Weight.ts';
import type { Nf4Weight } from '../../src/io/quantization/nf4Weight.ts';
import type { ModelFolder } from '../../src/io/modelFolder.ts';
import { uploadInt8, uploadNf4 } from '../../src/models/quantizedWeights.ts';

export interface Nf4Options {
  /** Of the weight before it is quantised; default F32. */
  precision?: FloatDtype;
  blockSize?: number;
  /** Scales stay float32. */
  isSingle?: boolean;
}

/** Bytes as a file of that precision holds the values, rounded to it. */
export function asStored(values: Float32Array, precision: FloatDtype): Uint8Array {
  const array = precision === 'BF16' ? f32ToBf16(values) : precision === 'F16' ? f32ToF16(values) : values.slice();
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

interface Quantized {
  codes: Uint8Array;
  scales: BlockScales;
}

function quantized(values: Float32Array, { precision = 'F32', blockSize = 64, isSingle = false }: Nf4Options): Quantized {
  const quantizer = new Nf4Quantizer(precision, values.length, { blockSize });
  const codes = quantizer.quantize(asStored(values, precision), 0);
  return { codes, scales: isSingle ? { kind: 'single', absmax: quantizer.absmax } : quantizeScales(quantizer.absmax) };
}

/** The values that products see. */
export function nf4Values(values: Float32Array, options: Nf4Options = {}): Float32Array {
  const { codes, scales } = quantized(values, options);
  return dequantize(codes, values.length, 0, restoredScales(scales), { blockSize: options.blockSize ?? 64, precision: options.precision ?? 'F32' });
}

/** On the device; `nf4Values` says what it holds. */
export async function uploadedNf4(device: Device, values: Float32Array, shape: readonly number[], options: Nf4Options = {}): Promise<Tensor> {
  const { codes, scales } = quantized(values, options);
  const blockSize = options.blockSize ?? 64;
  const weight: Nf4Weight = {
    name: 'w', shape, blockSize,
    precision: options.precision ?? 'F32',
    nestedBlock: scales.kind === 'single' ? 'none' : scales.nestedBlock,
    sourceBytes: codes.byteLength,
    codes: (first, blocks) => Promise.resolve(codes.subarray((first * blockSize) / 2, ((first + blocks) * blockSize) / 2)),
    scales: () => Promise.resolve(scales),
  };
  return uploadNf4(device, weight);
}

export async function uploadedInt8(device: Device, values: Float32Array, shape: readonly [number, number]): Promise<Tensor> {
  const raw = asStored(values, 'F32');
  const folder = {
    info: () => ({ dtype: 'F32', shape: [...shape], offset: 0, bytes: raw.byteLength }),
    readRange: (_: string, start: number, length: number) => Promise.resolve(raw.slice(start, start + length)),
  } as unknown as ModelFolder;
  return uploadInt8(device, folder, 'table');
}

export function int8Values(values: Float32Array, size: number): Float32Array {
  return dequantizeRows(quantizeRows(values, size), size);
}

export function releaseAll(device: Device, ...tensors: Tensor[]): void {
  for (const { parts } of tensors) for (const { view } of parts) device.pool.release(view);
}

