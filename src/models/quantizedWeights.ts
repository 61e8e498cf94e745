/**
 * Quantised weights on the GPU: NF4 for linear layers, int8 rows for the embedding table. Codes pass through in pieces; a weight larger
 * than the adapter binds is cut between rows, each part with the scales of its own blocks (src/gpu/packedLayout.ts).
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
import type { BlockScales } from '../io/quantization/doubleQuantization.ts';
import { codeRuns, QuantizedWeight } from '../io/quantization/nf4Weight.ts';
import type { Nf4Weight } from '../io/quantization/nf4Weight.ts';
import { rowRuns } from './rowRuns.ts';
import { nowhere } from './streamedWeights.ts';
import type { HostPart } from './streamedWeights.ts';

const ROUNDINGS: Record<FloatDtype, Rounding> = { F32: 'none', F16: 'f16', BF16: 'bf16' };
const EXACT_IN: Record<FloatDtype, PlainDType> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };
/** Bytes of a table that are quantised at a time. */
const PIECE_BYTES = 2 ** 22;
/** Parts begin at multiples of this, so that a row of four columns never spans two. */
const ROW_STEP = 64;
const ROW_STEPS = [ROW_STEP, 4];
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
  const parts = nf4Parts(device, weight).map((part) => ({ ...part, view: device.pool.acquire(part.layout.bytes, 'weights', 'always') }));
  return { tensor: nf4Tensor(weight, parts.map(({ view, rowStart, rows }) => ({ view, rowStart, rows }))), parts };
}

/** How a weight is cut and laid out. */
function nf4Parts(device: Device, weight: Nf4Shape): Nf4Part[] {
  const [rows, size] = matrixShape(weight);
  const nestedBlock = weight.nestedBlock === 'none' ? undefined : weight.nestedBlock;
  const layoutOf = (rowStart: number, count: number): Nf4Layout => nf4Layout(rowStart * size, count * size, weight.blockSize, nestedBlock);
  const runs = rowRuns(device, rows, (count) => layoutOf(ROW_STEP, count).bytes + PHASE_BYTES, { steps: ROW_STEPS });
  return runs.map((run) => ({ ...run, layout: layoutOf(run.rowStart, run.rows) }));
}

function nf4Tensor(weight: Nf4Shape, parts: TensorPart[]): Tensor {
  return new Tensor(matrixShape(weight), 'nf4', parts, EXACT_IN[weight.precision]);
}

function matrixShape({ shape }: Nf4Shape): [rows: number, size: number] {
  return [shape[0]!, shape.slice(1).reduce((a, b) => a * b, 1)];
}

function headsOf(parts: readonly Nf4Part[], scales: BlockScales, weight: Nf4Weight): Uint8Array[] {
  const held = scales.kind === 'single' ? scales.absmax : scales;
  return parts.map(({ layout }) => new Uint8Array(nf4Head(layout, held, ROUNDINGS[weight.precision]).buffer));
}

/** (rows, everything else) nf4. */
export async function uploadNf4(device: Device, weight: Nf4Weight): Promise<Tensor> {
  const { tensor, parts } = roomForNf4(device, weight);
  if (device.isDry) return tensor;
  for await (const { firstBlock, codes } of codeRuns(weight)) {
    const start = (firstBlock * weight.blockSize) / 2;
    for (const { layout, view } of parts) {
      const from = Math.max(start, layout.firstCodeByte);
      const to = Math.min(start + codes.byteLength, layout.firstCodeByte + layout.codeBytes);
      if (from < to) device.write(view, codes.subarray(from - start, to - start), layout.codeWord * 4 + from - layout.firstCodeByte);
    }
    await device.drain();
  }
  headsOf(parts, await weight.scales(), weight).forEach((head, i) => {
    device.write(parts[i]!.view, head);
  });
  return tensor;
}

/** The weight on its way to the GPU again and again: what is quantised here stays in host memory, what is stored so in its file. */
export async function streamNf4(device: Device, weight: Nf4Weight): Promise<{ tensor: Tensor; hosts: HostPart[] }> {
  const parts = nf4Parts(device, weight);
  const held = parts.map(({ layout, rowStart, rows }): TensorPart => ({ view: nowhere(layout.bytes), rowStart, rows }));
  const tensor = nf4Tensor(weight, held);
  const codes = device.isDry ? undefined : await codeReader(weight);
  const heads = device.isDry ? [] : headsOf(parts, await weight.scales(), weight);
  const hosts = parts.map(({ layout }, i): HostPart => ({
    part: held[i]!,
    bytes: layout.bytes,
    async read(at, length) {
      const piece = new Uint8Array(length);
      const head = heads[i]!;
      piece.set(head.subarray(at, at + length));
      const from = Math.max(at, head.byteLength);
      if (from < at + length) piece.set(await codes!(layout.firstCodeByte + from - head.byteLength, at + length - from), from - at);
      return piece;
    },
  }));
  return { tensor, hosts };
}

/** Bytes of the codes from a multiple of 4 on; there may be fewer at the end. */
async function codeReader(weight: Nf4Weight): Promise<(start: number, length: number) => Promise<Uint8Array>> {
  const blockBytes = weight.blockSize / 2;
  if (weight instanceof QuantizedWeight) {
    const all = new Uint8Array(Math.ceil(matrixShape(weight).reduce((a, b) => a * b, 1) / 2));
    for await (const { firstBlock, codes } of codeRuns(weight)) all.set(codes, firstBlock * blockBytes);
    return (start, length) => Promise.resolve(all.subarray(start, start + length));
  }
  return async (start, length) => {
    const firstBlock = Math.floor(start / blockBytes);
    const codes = await weight.codes(firstBlock, Math.ceil((start + length) / blockBytes) - firstBlock);
    return codes.subarray(start - firstBlock * blockBytes, start - firstBlock * blockBytes + length);
  };
}

/** A float table of the folder, (V, C), as int8. */
export async function uploadInt8(device: Device, folder: ModelFolder, name: string): Promise<Tensor> {
  const [rows, size] = folder.info(name).shape as [number, number];
  const parts = rowRuns(device, rows, (count) => int8Layout(count, size).bytes, { steps: ROW_STEPS });
  const perPiece = Math.max(4, Math.floor(PIECE_BYTES / (4 * size)) & ~3);
  const held: TensorPart[] = [];
  for (const { rowStart, rows: count } of parts) {
    const layout = int8Layout(count, size);
    const view = device.pool.acquire(layout.bytes, 'weights', 'always');
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
