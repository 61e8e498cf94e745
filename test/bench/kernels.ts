/** Speed of single operations: matrix products, attention, and the passes that only move memory. */
import type { Device } from '../../src/gpu/device.ts';
import type { Tensor } from '../../src/gpu/tensor.ts';
import { attention, uploadRanges } from '../../src/ops/attention.ts';
import { causalRanges } from '../../src/ops/attentionRanges.ts';
import { glu } from '../../src/ops/glu.ts';
import { headLoss } from '../../src/ops/headLoss.ts';
import { linear } from '../../src/ops/linear.ts';
import { matmulNN, matmulNT, matmulTN } from '../../src/ops/matmul.ts';
import { rmsNorm } from '../../src/ops/rmsNorm.ts';
import { rope } from '../../src/ops/rope.ts';
import { Tape } from '../../src/ops/tape.ts';
import { AdamW } from '../../src/train/optimizer.ts';
import { ParameterArena } from '../../src/train/parameterArena.ts';
import { randomTensor, randomWeight, release } from './randomTensors.ts';
import { medianMs } from '../../src/tune/timing.ts';
import type { Patience } from '../../src/tune/timing.ts';
import type { Figure } from './report.ts';

export interface Bench {
  device: Device;
  patience: Patience;
  isLarge: boolean;
  report(figure: Figure): void;
}

/** `work` is units of work in one run: floating-point operations, bytes or tokens. */
export async function time(b: Bench, group: string, what: string, unit: Figure['unit'], work: number, run: () => void | Promise<void>): Promise<void> {
  await timeInTurns(b, group, unit, work, [{ what, run }]);
}

/** The same work in several ways, which take turns. */
async function timeInTurns(b: Bench, group: string, unit: Figure['unit'], work: number, ways: readonly { what: string; run: () => void | Promise<void> }[]): Promise<void> {
  const times = await medianMs(ways.map(({ run }) => ({ run, finish: () => b.device.finish() })), b.patience);
  ways.forEach(({ what }, i) => {
    const ms = times[i]!;
    const perSecond = (work / ms) * 1000;
    b.report({ group, what, ms, rate: unit === 'tokens/s' ? perSecond : perSecond / 1e9, unit });
  });
}

const MATMUL_STORAGES = ['f32', 'bf16', 'nf4'] as const;

export async function matmuls(b: Bench): Promise<void> {
  const { device } = b;
  const group = 'matmul';
  const shapes = b.isLarge
    ? [[1024, 1024, 1024], [1024, 2048, 2048], [1024, 11008, 2048], [1024, 2048, 11008], [4096, 4096, 4096]] as const
    : [[1024, 1024, 1024], [256, 704, 256]] as const;
  for (const [m, n, k] of shapes) {
    const x = randomTensor(device, [m, k], 1);
    const dy = randomTensor(device, [m, n], 2);
    const weights = MATMUL_STORAGES.map((storage) => ({ size: `${m}×${n}×${k}, weight ${storage}`, w: randomWeight(device, [n, k], 3, storage)! }));
    const flop = 2 * m * n * k;
    await timeInTurns(b, group, 'GFLOP/s', flop, weights.map(({ size, w }) => ({ what: `x·wᵀ  ${size}`, run: () => { matmulNT(device, x, w, dy); } })));
    await timeInTurns(b, group, 'GFLOP/s', flop, weights.map(({ size, w }) => ({ what: `dy·w  ${size}`, run: () => { matmulNN(device, dy, w, x); } })));
    release(device, ...weights.map(({ w }) => w));
    const c = randomTensor(device, [n, k], 4);
    await time(b, group, `dyᵀ·x ${m}×${n}×${k}`, 'GFLOP/s', 2 * m * n * k, () => {
      matmulTN(device, dy, x, c);
    });
    release(device, c, x, dy);
  }
}

/** A linear layer of a transformer, forward and backward, with a frozen weight and an adapter. */
export async function linears(b: Bench): Promise<void> {
  const { device } = b;
  const [T, inSize, outSize, rank] = b.isLarge ? [1024, 2048, 11008, 16] : [256, 256, 704, 16];
  const arena = new ParameterArena(device, [
    { name: 'a', shape: [rank, inSize], decay: true },
    { name: 'b', shape: [outSize, rank], decay: true },
  ]);
  const adapter = { a: arena.parameters.get('a')!, b: arena.parameters.get('b')!, scaling: 2, dropout: 0, stream: 1 };
  const x = randomTensor(device, [T, inSize], 1);
  const dy = randomTensor(device, [T, outSize], 2);
  const weight = { name: 'w', tensor: randomTensor(device, [outSize, inSize], 3, { dtype: 'bf16' }) };
  for (const lora of [undefined, adapter]) {
    const flop = 2 * T * inSize * outSize + (lora ? 2 * T * rank * (inSize + outSize) : 0);
    const what = `${T}×${outSize}×${inSize}, weight bf16, LoRA ${lora ? `r ${rank}` : 'off'}`;
    const layer = { name: 'layer', weight, ...(lora && { lora }) };
    await time(b, 'linear', `forward  ${what}`, 'GFLOP/s', flop, () => {
      const t = new Tape(device);
      linear(t, x, layer);
      t.release();
    });
    x.requiresGrad = true;
    await time(b, 'linear', `forward and backward  ${what}`, 'GFLOP/s', 2 * flop + (lora ? 2 * T * rank * (inSize + outSize) : 0), () => {
      const t = new Tape(device, { grad: true });
      t.backward(linear(t, x, layer), dy);
      t.release();
    });
    x.requiresGrad = false;
  }
  release(device, x, dy, weight.tensor);
  arena.release();
}

/** Generation: one new token against a weight is limited by reading the weight. */
export async function fewRows(b: Bench): Promise<void> {
  const { device } = b;
  const [n, k] = b.isLarge ? [11008, 2048] : [704, 256];
  for (const m of [1, 4]) {
    for (const dtype of ['f32', 'bf16'] as const) {
      const x = randomTensor(device, [m, k], 1);
      const w = randomTensor(device, [n, k], 2, { dtype });
      const y = randomTensor(device, [m, n], 3);
      await time(b, 'generation', `x·wᵀ ${m}×${n}×${k}, weight ${dtype}`, 'GB/s', w.bytes, () => {
        matmulNT(device, x, w, y);
      });
      release(device, x, w, y);
    }
  }
}

export async function attentions(b: Bench): Promise<void> {
  const { device } = b;
  const cases: [number, number, number, number][] = b.isLarge
    ? [512, 1024, 2048].flatMap((T): [number, number, number, number][] => [[T, 16, 16, 64], [T, 16, 2, 128]])
    : [[512, 2, 2, 64], [512, 2, 1, 128], [1024, 1, 1, 64]];
  for (const [T, H, KV, D] of cases) {
    const q = randomTensor(device, [T, H, D], 1);
    const k = randomTensor(device, [T, KV, D], 2);
    const v = randomTensor(device, [T, KV, D], 3);
    const dy = randomTensor(device, [T, H, D], 4);
    const ranges = uploadRanges(device, causalRanges([T]), T, 'batch');
    const options = { scale: D ** -0.5 };
    const what = `T ${T}, H ${H}, KV ${KV}, D ${D}, causal`;
    // Half of T² is masked; two products forward, five backward (FlashAttention's count).
    const flop = 2 * T * T * D * H;
    await time(b, 'attention', `forward  ${what}`, 'GFLOP/s', flop, () => {
      const t = new Tape(device);
      attention(t, q, k, v, ranges, options);
      t.release();
    });
    for (const tensor of [q, k, v]) tensor.requiresGrad = true;
    await time(b, 'attention', `forward and backward  ${what}`, 'GFLOP/s', 3.5 * flop, () => {
      const t = new Tape(device, { grad: true });
      t.backward(attention(t, q, k, v, ranges, options), dy);
      t.release();
    });
    release(device, q, k, v, dy, ranges.queryRanges, ranges.keyRanges);
  }
}

/** Passes that do little arithmetic: bytes that must be read and written, over time. */
export async function memoryPasses(b: Bench): Promise<void> {
  const { device } = b;
  const [T, C, F, H, D] = b.isLarge ? [4096, 2048, 11008, 16, 128] : [512, 256, 704, 4, 64];
  const group = 'memory';
  const weight = { name: 'w', tensor: randomTensor(device, [C], 9) };
  const tables = { cos: randomTensor(device, [T, D / 2], 7), sin: randomTensor(device, [T, D / 2], 8) };
  const both = async (what: string, inputs: Tensor[], forwardBytes: number, backwardBytes: number, op: (t: Tape) => Tensor): Promise<void> => {
    const probe = new Tape(device);
    const dy = randomTensor(device, op(probe).shape, 5);
    probe.release();
    await time(b, group, `${what}, forward`, 'GB/s', forwardBytes, () => {
      const t = new Tape(device);
      op(t);
      t.release();
    });
    for (const input of inputs) input.requiresGrad = true;
    // The tape copies dy first: two passes more.
    await time(b, group, `${what}, forward and backward`, 'GB/s', forwardBytes + backwardBytes + 2 * dy.bytes, () => {
      const t = new Tape(device, { grad: true });
      t.backward(op(t), dy);
      t.release();
    });
    for (const input of inputs) input.requiresGrad = false;
    release(device, dy);
  };
  const x = randomTensor(device, [T, C], 1);
  await both(`rmsNorm (${T}, ${C})`, [x], 2 * x.bytes, 3 * x.bytes, (t) => rmsNorm(t, x, weight, 1e-6));
  release(device, x);
  const heads = randomTensor(device, [T, H, D], 1);
  await both(`rope (${T}, ${H}, ${D})`, [heads], 2 * heads.bytes, 2 * heads.bytes, (t) => rope(t, heads, tables));
  release(device, heads);
  const gate = randomTensor(device, [T, F], 1);
  const up = randomTensor(device, [T, F], 2);
  await both(`glu (${T}, ${F})`, [gate, up], 3 * gate.bytes, 5 * gate.bytes, (t) => glu(t, gate, up, 'silu'));
  release(device, gate, up, weight.tensor, tables.cos, tables.sin);
}

export async function head(b: Bench): Promise<void> {
  const { device } = b;
  const [count, C, V] = b.isLarge ? [256, 2048, 151_936] : [64, 256, 4096];
  const hidden = randomTensor(device, [count, C], 1, { bound: 0.1 });
  const parameter = { name: 'head', tensor: randomTensor(device, [V, C], 2, { dtype: 'bf16', bound: 0.1 }) };
  const rows = device.upload(Uint32Array.from({ length: count }, (_, i) => i), [count], 'batch');
  const labels = device.upload(Uint32Array.from({ length: count }, (_, i) => (i * 7919) % V), [count], 'batch');
  const lossSum = randomTensor(device, [2], 3);
  hidden.requiresGrad = true;
  await time(b, 'head', `head and cross entropy with gradient, ${count} tokens, C ${C}, V ${V}, bf16`, 'GFLOP/s', 4 * count * C * V, async () => {
    const t = new Tape(device, { grad: true });
    t.backward(await headLoss(t, hidden, parameter, { count, rows, labels }, { lossScale: 1 / count, lossSum }));
    t.release();
  });
  release(device, hidden, parameter.tensor, rows, labels, lossSum);
}

export async function optimizer(b: Bench): Promise<void> {
  const { device } = b;
  const [rows, columns] = b.isLarge ? [8192, 4096] : [1024, 1024];
  const arena = new ParameterArena(device, [{ name: 'p', shape: [rows, columns], decay: true }]);
  const adamw = new AdamW(device, arena, { maxGradNorm: 1, weightDecay: 0.01 });
  // The norm reads the gradient; the update reads four arrays and writes three.
  await time(b, 'memory', `AdamW with clipping, ${(rows * columns) / 1e6} M values`, 'GB/s', 8 * rows * columns * 4, () => {
    adamw.step(1e-4);
  });
  adamw.release();
  arena.release();
}
