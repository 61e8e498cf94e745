/**
 * DoRA (Liu et al. 2024), as PEFT 0.21 computes it: with norms n_o = ‖W_o + s·(BA)_o‖, treated as constants by the backward (section 4.3 of
 * the paper), and factors g = m/n,
 *   without dropout  y = g∘(xWᵀ + s·(xAᵀ)Bᵀ) + b
 *   with dropout     y = xWᵀ + b + (g − 1)∘(drop(x)Wᵀ) + g∘s·(drop(x)Aᵀ)Bᵀ
 * so with dropout the base product runs twice, on x and on the masked x. B with rows scaled by g stands in for g∘(…Bᵀ) throughout.
 */
import type { Device } from '../gpu/device.ts';
import { Tensor } from '../gpu/tensor.ts';
import { addColumnSums } from './bias.ts';
import { downProject, dropoutMask, rankOf } from './lora.ts';
import { matmulNN, matmulNT, matmulTN } from './matmul.ts';
import type { LinearLayer, LoraAdapter, Parameter } from './parameter.ts';
import type { Tape } from './tape.ts';
import { storageOf } from './storage.ts';

/** x (T, in) → y (T, out); called by `linear`, which has checked the shapes. */
export function doraLinear(t: Tape, x: Tensor, layer: LinearLayer, lora: LoraAdapter, magnitude: Parameter): Tensor {
  const { device } = t;
  const { weight, bias } = layer;
  const [outSize, rank, rows] = [weight.tensor.shape[0]!, rankOf(lora), x.shape[0]!];
  const y = t.alloc([rows, outSize]);
  const mask = dropoutMask(t, lora);
  const norm = t.alloc([outSize]);
  const gain = t.alloc([outSize]);
  rowNorms(
    device,
    weight.tensor,
    { norm, gain },
    { a: lora.a.tensor, b: lora.b.tensor, magnitude: magnitude.tensor, scaling: lora.scaling },
  );

  const xa = downProject(t, x, lora, mask);
  const scaledB = scaleRows(t, lora.b.tensor, gain);
  const lowRank = { a: xa, w: scaledB };
  if (mask) {
    matmulNT(device, x, weight.tensor, y, { bias: bias?.tensor });
    matmulNT(device, x, weight.tensor, y, { dropout: mask, lowRank, columnScale: { tensor: gain, offset: -1 }, accumulate: true });
  } else {
    matmulNT(device, x, weight.tensor, y, { bias: bias?.tensor, lowRank, columnScale: { tensor: gain, offset: 0 } });
  }
  t.free(xa);
  t.free(scaledB);

  const isTrained = [weight, bias, lora.a, lora.b, magnitude].some((parameter) => parameter?.grad !== undefined);
  const needsGrad = x.requiresGrad || isTrained;
  t.record(y, needsGrad, (dy) => {
    if (bias?.grad) addColumnSums(t, dy, bias.grad);
    if (weight.grad) {
      if (mask) {
        matmulTN(device, dy, x, weight.grad);
        matmulTN(device, dy, x, weight.grad, { dropout: mask, rowScale: { tensor: gain, offset: -1 } });
      } else {
        matmulTN(device, dy, x, weight.grad, { rowScale: { tensor: gain, offset: 0 } });
      }
    }
    if (magnitude.grad || lora.b.grad) {
      const xaAgain = downProject(t, x, lora, mask);
      if (lora.b.grad) matmulTN(device, dy, xaAgain, lora.b.grad, { rowScale: { tensor: gain, offset: 0 } });
      if (magnitude.grad) {
        // dm = Σ_t dy·v / n with v = drop(x)(W + s·BA)ᵀ, recomputed: y itself holds it only where nothing is dropped.
        const v = t.alloc([rows, outSize]);
        matmulNT(device, x, weight.tensor, v, { dropout: mask, lowRank: { a: xaAgain, w: lora.b.tensor } });
        const params = { rows, size: outSize };
        t.dispatch(t.kernel('dora_magnitude_backward'), { dy, v, norm, dmagnitude: magnitude.grad }, params, Math.ceil(outSize / 32));
        t.free(v);
      }
      t.free(xaAgain);
    }
    const dx = t.gradient(x);
    if (dx || lora.a.grad) {
      const scaledAgain = scaleRows(t, lora.b.tensor, gain);
      const dyb = t.alloc([rows, rank]);
      matmulNN(device, dy, scaledAgain, dyb, { scale: lora.scaling });
      t.free(scaledAgain);
      if (lora.a.grad) matmulTN(device, dyb, x, lora.a.grad, { dropout: mask });
      if (dx) {
        const lowRankBack = { a: dyb, w: lora.a.tensor };
        const accumulate = dx.accumulate === 1;
        if (mask) {
          const aScale = { tensor: gain, offset: -1 };
          matmulNN(device, dy, weight.tensor, dx.tensor, { accumulate, lowRank: lowRankBack, aScale, dropout: { ...mask, over: 'all' } });
          matmulNN(device, dy, weight.tensor, dx.tensor, { accumulate: true });
        } else {
          matmulNN(device, dy, weight.tensor, dx.tensor, { accumulate, lowRank: lowRankBack, aScale: { tensor: gain, offset: 0 } });
        }
      }
      t.free(dyb);
    }
    t.free(norm);
    t.free(gain);
  });
  if (!t.grad || !needsGrad) {
    t.free(norm);
    t.free(gain);
  }
  return y;
}

/** ‖W_o‖ of every row (out), f32, from the pool (the caller releases it): the magnitudes with which DoRA starts. */
export function doraNorm(device: Device, weight: Tensor): Tensor {
  const outSize = weight.shape[0]!;
  const [norm, gain] = ['adapter', 'scratch'].map((label) => new Tensor([outSize], 'f32', device.pool.acquire(outSize * 4, label)));
  rowNorms(device, weight, { norm: norm!, gain: gain! });
  device.pool.release(gain!.view);
  return norm!;
}

interface NormedAdapter {
  a: Tensor;
  b: Tensor;
  magnitude: Tensor;
  scaling: number;
}

/** norm = ‖W + s·BA‖ by row, or ‖W‖ without an adapter, and gain = magnitude / norm. */
function rowNorms(device: Device, weight: Tensor, out: { norm: Tensor; gain: Tensor }, adapter?: NormedAdapter): void {
  const kernel = device.kernel('dora_norm', { weight: storageOf(weight) });
  for (const part of weight.parts) {
    const rank = adapter ? adapter.a.shape[0]! : 0;
    device.dispatch(
      kernel,
      { weight: part.view, a: adapter?.a ?? part.view, b: adapter?.b ?? part.view, magnitude: adapter?.magnitude ?? part.view, ...out },
      { rows: part.rows, row_start: part.rowStart, size: weight.rowSize, rank, scaling: adapter?.scaling ?? 0 },
      part.rows,
    );
  }
}

/** Rows of x (N, R) times factors (N). */
function scaleRows(t: Tape, x: Tensor, factors: Tensor): Tensor {
  const y = t.alloc(x.shape);
  t.dispatch(t.kernel('dora_scale_rows'), { x, factors, y }, { size: x.size, row_size: x.rowSize }, Math.ceil(x.size / 256));
  return y;
}
