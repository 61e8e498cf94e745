/**
 * The input of a stage, kept from the forward pass to the backward one: as it is, or in bfloat16, half the memory. What a stage computes
 * when it runs again then differs from what it computed first by the rounding of its input (2⁻⁹ of each value); bfloat16 has f32's range,
 * so no activation is too large for it.
 */
import type { Device } from '../gpu/device.ts';
import { Tensor } from '../gpu/tensor.ts';

export type SavedInputs = 'f32' | 'bf16';

const LABEL = 'saved inputs';
const WG = 256;

/** Takes over `x` (f32) and returns what is kept of it. */
export function saveInput(device: Device, x: Tensor, as: SavedInputs): Tensor {
  if (as === 'f32') {
    device.pool.relabel(x.view, LABEL);
    return x;
  }
  const kept = new Tensor(x.shape, 'bf16', device.pool.acquire(4 * Math.ceil(x.size / 2), LABEL, 'long'));
  kept.requiresGrad = x.requiresGrad;
  device.dispatch(device.kernel('round_bf16'), { x, y: kept }, { size: x.size }, Math.ceil(x.size / (2 * WG)));
  device.pool.release(x.view);
  return kept;
}

/** Takes over what was kept and returns the input in f32. */
export function restoreInput(device: Device, kept: Tensor): Tensor {
  if (kept.dtype === 'f32') return kept;
  const x = new Tensor(kept.shape, 'f32', device.pool.acquire(4 * kept.size, 'scratch'));
  x.requiresGrad = kept.requiresGrad;
  device.dispatch(device.kernel('widen', { x: kept.dtype }), { x: kept, y: x }, { size: kept.size }, Math.ceil(kept.size / WG));
  device.pool.release(kept.view);
  return x;
}
