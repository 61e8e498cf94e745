/**
 * Quantised weights on the GPU: NF4 for linear layers, int8 rows for the embedding table. Codes pass through in pieces; a weight larger than the adapter binds is
 * cut between rows, each part with the scales of its own blocks (src/gpu/packedLayout.ts).
 */
import type { Device } from '../gpu/device.ts';
import { int8Head, int8Layout, nf4Head, nf4Layout } from '../gpu/packedLayout.ts';
import type { Rounding } from '../gpu/packedLayout.ts';
import { Tensor } from '../gpu/tensor.ts';
import type { PlainDType, TensorPart } from '../gpu/tensor.ts';
import { readValues } from '../io/modelFolder.ts';
import type { ModelFolder } from '../io/modelFolder.ts';
import { quantizeRows } from '../io/quantization/int8.ts';
import type { FloatDtype } from '../io/quantization/nf4.ts';
import { codeRuns } from '../io/quantization/nf4Weight.ts';
import type { Nf4Weight } from '../io/quantization/nf4Weight.ts';
import { UserError } from '../platform.ts';

const ROUNDINGS: Record<FloatDtype, Rounding> = { F32: 'none', F16: 'f16', BF16: 'bf16' };
const EXACT_IN: Record<FloatDtype, PlainDType> = { F32: 'f32', F16: 'f16', BF16: 'bf16' };
/** Bytes of a table that are quantised at a time. */
const PIECE_BYTES = 2 ** 22;
/** Parts begin at multiples of this, so that a row of four columns never spans two. */
const ROW_STEP = 64;
/** A run of rows that begins within a block has a scale, and within a nested block another, more than one that begins with it. */
const PHASE_BYTES = 32;

/** (rows, everything else) nf4. */
export async function uploadNf4(device: Device, weight: Nf4Weight): Promise<Tensor> {
  const [rows, size] = [weight.shape[0]!, weight.shape.slice(1).reduce((a, b) => a * b, 1)];
  const nestedBlock = weight.nestedBlock === 'none' ? undefined : weight.nestedBlock;
  const layoutOf = (rowStart: number, count: number): ReturnType<typeof nf4Layout> => nf4Layout(rowStart * size, count * size, weight.blockSize, nestedBlock);
  const parts = splitRows(device, rows, (count) => layoutOf(ROW_STEP, count).bytes + PHASE_BYTES).map(({ rowStart, rows: count }) => {
    const layout = layoutOf(rowStart, count);
    return { layout, part: { view: device.pool.acquire(layout.bytes, 'weights', true), rowStart, rows: count } satisfies TensorPart };
  });
  const tensor = new Tensor([rows, size], 'nf4', parts.map(({ part }) => part), EXACT_IN[weight.precision]);
  if (device.isDry) return tensor;
  for await (const { firstBlock, codes } of codeRuns(weight)) {
    const start = (firstBlock * weight.blockSize) / 2;
    for (const { layout, part } of parts) {
      const from = Math.max(start, layout.firstCodeByte);
      const to = Math.min(start + codes.byteLength, layout.firstCodeByte + layout.codeBytes);
      if (from < to) device.write(part.view, codes.subarray(from - start, to - start), layout.codeWord * 4 + from - layout.firstCodeByte);
    }
    await device.drain();
  }
  const scales = await weight.scales();
  for (const { layout, part } of parts) device.write(part.view, nf4Head(layout, scales.kind === 'single' ? scales.absmax : scales, ROUNDINGS[weight.precision]));
  return tensor;
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
