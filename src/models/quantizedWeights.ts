/**
 * Quantised weights on the GPU: NF4 for linear layers, int8 rows for the embedding table. Codes pass through in pieces; a weight larger than the adapter binds is
 * cut between rows, each part with the scales of its own blocks (src/gpu/packedLayout.ts).
 */
import type { Device } from '../gpu/device.ts';
import { int8Head, int8Layout, nf4Head, nf4Layout } from '../gpu/packedLayout.ts';
import type { Nf4Layout, Rounding } from '../gpu/packedLayout.ts';
import type { BufferView } from '../gpu/pool.ts';
import { Tensor } from '../gpu/tensor.ts';
import type { PlainDType, TensorPart } from '../gpu/tensor.ts';
import { readValues } from '../io/modelFolder.ts';
import type { ModelFolder } from '../io/modelFolder.ts';
import { quantizeRows } from '../io/quantization/int8.ts';
import type { FloatDtype } from '../io/quantization/nf4.ts';
import { codeRuns } from '../io/quantization/nf4Weight.ts';
import type { Nf4Weight } from '../io/quantization/nf4Weight.ts';
import { UserError } from '../platform.ts';
import { nowhere } from './streamedWeights.ts';
import type { StreamedWeights } from './streamedWeights.ts';

const ROUNDINGS: Record<FloatDtype, Rounding> = { F32: 'none', F16: 'f16', BF16: 'bf16' };
const EXACT_IN: Record<FloatDtype, PlainDType> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };
/** Bytes of a table that are quantised at a time. */
const PIECE_BYTES = 2 ** 22;
/** Parts begin at multiples of this, so that a row of four columns never spans two. */
const ROW_STEP = 64;
/** A run of rows that begins within a block has a scale, and within a nested block another, more than one that begins with it. */
const PHASE_BYTES = 32;

export interface Nf4Part {
  layout: Nf4Layout;
  rowStart: number;
  rows: number;
}

/** What of a weight decides how it lies. */
export type Nf4Shape = Pick<Nf4Weight, 'shape' | 'blockSize' | 'nestedBlock' | 'precision'>;

/** Room for a weight, (rows, everything else) nf4, which somebody fills: its parts and where everything lies in them. */
export function roomForNf4(device: Device, weight: Nf4Shape): { tensor: Tensor; parts: (Nf4Part & { view: BufferView })[] } {
  const parts = nf4Parts(device, weight).map((part) => ({ ...part, view: device.pool.acquire(part.layout.bytes, 'weights', true) }));
  return { tensor: nf4Tensor(weight, parts), parts };
}

/** (rows, everything else) nf4. */
export async function uploadNf4(device: Device, weight: Nf4Weight): Promise<Tensor> {
  const { tensor, parts } = roomForNf4(device, weight);
  if (!device.isDry) {
    await writeNf4(weight, parts, async ({ view }, bytes, at) => {
      device.write(view, bytes, at);
      await device.drain();
    });
  }
  return tensor;
}

/** The same, quantised in host memory: its parts lie nowhere on the GPU until they are streamed there. */
export async function streamNf4(device: Device, name: string, weight: Nf4Weight, streamed: StreamedWeights): Promise<Tensor> {
  const parts = nf4Parts(device, weight).map((part) => ({
    ...part,
    view: nowhere(part.layout.bytes),
    packed: new Uint8Array(device.isDry ? 0 : part.layout.bytes),
  }));
  if (!device.isDry) {
    await writeNf4(weight, parts, ({ packed }, bytes, at) => {
      packed.set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), at);
    });
  }
  const tensor = nf4Tensor(weight, parts);
  const host = parts.map(({ layout, packed }, at) => ({
    part: tensor.parts[at]!,
    bytes: layout.bytes,
    read: (from: number, length: number) => Promise.resolve(packed.subarray(from, from + length)),
  }));
  streamed.add(name, host);
  return tensor;
}

function nf4Parts(device: Device, weight: Nf4Shape): Nf4Part[] {
  const [rows, size] = matrixShape(weight);
  const nestedBlock = weight.nestedBlock === 'none' ? undefined : weight.nestedBlock;
  const layoutOf = (rowStart: number, count: number): Nf4Layout => nf4Layout(rowStart * size, count * size, weight.blockSize, nestedBlock);
  return splitRows(device, rows, (count) => layoutOf(ROW_STEP, count).bytes + PHASE_BYTES).map((run) => ({ ...run, layout: layoutOf(run.rowStart, run.rows) }));
}

function nf4Tensor(weight: Nf4Shape, parts: readonly (Nf4Part & { view: BufferView })[]): Tensor {
  const held = parts.map(({ view, rowStart, rows }): TensorPart => ({ view, rowStart, rows }));
  return new Tensor(matrixShape(weight), 'nf4', held, EXACT_IN[weight.precision]);
}

function matrixShape({ shape }: Nf4Shape): [number, number] {
  return [shape[0]!, shape.slice(1).reduce((a, b) => a * b, 1)];
}

/** Codes in runs as they are made, then the header and scales of every part. */
async function writeNf4<P extends Nf4Part>(weight: Nf4Weight, parts: readonly P[], write: (part: P, bytes: Uint8Array | Uint32Array, at: number) => Promise<void> | void): Promise<void> {
  for await (const { firstBlock, codes } of codeRuns(weight)) {
    const start = (firstBlock * weight.blockSize) / 2;
    for (const part of parts) {
      const { firstCodeByte, codeBytes, codeWord } = part.layout;
      const from = Math.max(start, firstCodeByte);
      const to = Math.min(start + codes.byteLength, firstCodeByte + codeBytes);
      if (from < to) await write(part, codes.subarray(from - start, to - start), codeWord * 4 + from - firstCodeByte);
    }
  }
  const scales = await weight.scales();
  for (const part of parts) await write(part, nf4Head(part.layout, scales.kind === 'single' ? scales.absmax : scales, ROUNDINGS[weight.precision]), 0);
}

/** A float table of the folder, (V, C), as int8. */
export async function uploadInt8(device: Device, folder: ModelFolder, name: string): Promise<Tensor> {
  const [rows, size] = folder.info(name).shape as [number, number];
  const parts = splitRows(device, rows, (count) => int8Layout(count, size).bytes);
  const perPiece = Math.max(4, Math.floor(PIECE_BYTES / (4 * size)) & ~3);
  const held: TensorPart[] = [];
  for (const { rowStart, rows: count } of parts) {
    const layout = int8Layout(count, size);
    const view = device.pool.acquire(layout.bytes, 'weights', true);
    held.push({ view, rowStart, rows: count });
    if (device.isDry) continue;
    const scales = new Float32Array(count);
    for (let row = 0; row < count; row += perPiece) {
      const taken = Math.min(perPiece, count - row);
      const quantized = quantizeRows(await readValues(folder, name, (rowStart + row) * size, taken * size), size);
      scales.set(quantized.scales, row);
      device.write(view, quantized.codes, layout.codeByte + row * size);
    }
    device.write(view, int8Head(layout, scales, size));
    await device.drain();
  }
  return new Tensor([rows, size], 'int8', held);
}

/** Runs of rows, as few as the adapter's binding limit allows. @param bytesOf of so many rows */
function splitRows(device: Device, rows: number, bytesOf: (rows: number) => number): { rowStart: number; rows: number }[] {
  const fits = (count: number): boolean => bytesOf(count) <= device.maxBindingBytes;
  let count = 1;
  while (Math.ceil(rows / count) > 1 && !fits(Math.ceil(rows / count))) count++;
  let perPart = Math.ceil(rows / count);
  if (count > 1 && perPart > ROW_STEP) perPart -= perPart % ROW_STEP;
  else if (count > 1 && perPart > 4) perPart -= perPart % 4;
  if (!fits(perPart)) throw new UserError(`One row of a weight is ${bytesOf(1)} bytes; this adapter binds at most ${device.maxBindingBytes} at once.`);
  return Array.from({ length: Math.ceil(rows / perPart) }, (_, i) => ({ rowStart: i * perPart, rows: Math.min(perPart, rows - i * perPart) }));
}
