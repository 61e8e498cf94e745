/**
 * A weight as products read it: the parts that it lies in, or, of a quantised one that is unpacked first (src/tune/unpacking.ts), runs of
 * rows in scratch, one after the other, so that it is never unpacked as a whole.
 */
import type { Device } from '../gpu/device.ts';
import type { BufferView } from '../gpu/pool.ts';
import { BYTES_PER_ELEMENT } from '../gpu/tensor.ts';
import type { DType, PlainDType, Tensor, TensorPart } from '../gpu/tensor.ts';
import { plansOf } from '../tune/plans.ts';
import { storageOf } from './storage.ts';

export interface WeightRun {
  /** The part of the weight that it is of. */
  part: number;
  rowStart: number;
  rows: number;
  /** How the kernel is to read it. */
  storage: DType;
  /** Calls back with the values, which stay there until then. */
  bind: (use: (view: BufferView) => void) => void;
}

/** Of one run. */
const UNPACKED_BYTES = 2 ** 24;
/** PRECISION of kernels/dequantize.wgsl. */
const PRECISIONS: Partial<Record<PlainDType, number>> = { f32: 0, f16: 1, bf16: 2 };

export function weightRuns(device: Device, weight: Tensor): WeightRun[] {
  const storage = storageOf(weight);
  if (!plansOf(device).unpacking(storage)) {
    return weight.parts.map(({ view, rowStart, rows }, part) => ({
      part,
      rowStart,
      rows,
      storage,
      bind: (use) => {
        use(view);
      },
    }));
  }
  const rowBytes = weight.rowSize * BYTES_PER_ELEMENT[weight.exactIn];
  const most = Math.max(1, Math.floor(Math.min(UNPACKED_BYTES, device.maxBindingBytes) / rowBytes));
  const step = most > 4 ? most - (most % 4) : most;
  return weight.parts.flatMap((part, at) =>
    Array.from({ length: Math.ceil(part.rows / step) }, (_, i): WeightRun => {
      const rows = Math.min(step, part.rows - i * step);
      return {
        part: at,
        rowStart: part.rowStart + i * step,
        rows,
        storage: weight.exactIn,
        bind: unpacked(device, weight, part, i * step, rows),
      };
    }),
  );
}

/** @param first row within the part */
function unpacked(device: Device, weight: Tensor, part: TensorPart, first: number, rows: number): WeightRun['bind'] {
  return (use) => {
    const size = rows * weight.rowSize;
    const scratch = device.pool.acquire(size * BYTES_PER_ELEMENT[weight.exactIn], 'scratch');
    const isWide = weight.rowSize % 4 === 0 && part.rowStart % 4 === 0;
    const kernel = device.kernel('dequantize', { PRECISION: PRECISIONS[weight.exactIn]!, WIDE: isWide, w: storageOf(weight) });
    device.dispatch(kernel, { w: part.view, y: scratch }, { first: first * weight.rowSize, size }, Math.ceil(size / 512));
    use(scratch);
    device.pool.release(scratch);
  };
}
