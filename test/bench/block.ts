/** A pre-norm transformer block (Qwen's, without rotary embedding and biases), with LoRA on its seven linear layers: what jax-js computes as well. */
import type { Device } from '../../src/gpu/device.ts';
import type { Tensor } from '../../src/gpu/tensor.ts';
import { add } from '../../src/ops/add.ts';
import { attention, uploadRanges } from '../../src/ops/attention.ts';
import { causalRanges } from '../../src/ops/attentionRanges.ts';
import { glu } from '../../src/ops/glu.ts';
import { linear } from '../../src/ops/linear.ts';
import type { LinearLayer } from '../../src/ops/parameter.ts';
import { rmsNorm } from '../../src/ops/rmsNorm.ts';
import { Tape } from '../../src/ops/tape.ts';
import { ParameterArena } from '../../src/train/parameterArena.ts';
import { randomValues } from './randomTensors.ts';

export interface BlockShape {
  T: number;
  C: number;
  H: number;
  F: number;
  R: number;
}

export const EPS = 1e-6;
export const SCALING = 2;
export const LINEARS = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] as const;
export type LinearName = (typeof LINEARS)[number];

/** Row-major values of everything the block reads. Weights are (out, in), lora_A (R, in), lora_B (out, R). */
export interface BlockValues {
  shape: BlockShape;
  x: Float32Array<ArrayBuffer>;
  dy: Float32Array<ArrayBuffer>;
  norm1: Float32Array<ArrayBuffer>;
  norm2: Float32Array<ArrayBuffer>;
  linears: Record<LinearName, { out: number; in: number; w: Float32Array<ArrayBuffer>; a: Float32Array<ArrayBuffer>; b: Float32Array<ArrayBuffer> }>;
}

export function blockValues(shape: BlockShape): BlockValues {
  const { T, C, F, R } = shape;
  const one = (at: number, out: number, width: number): BlockValues['linears']['q'] => ({
    out,
    in: width,
    w: randomValues(out * width, 3 * at + 10, Math.sqrt(3 / width)),
    a: randomValues(R * width, 3 * at + 11, Math.sqrt(3 / width)),
    b: randomValues(out * R, 3 * at + 12, 0.05),
  });
  return {
    shape,
    x: randomValues(T * C, 1),
    dy: randomValues(T * C, 2),
    norm1: randomValues(C, 3).map((value) => 1 + value / 4),
    norm2: randomValues(C, 4).map((value) => 1 + value / 4),
    linears: {
      q: one(0, C, C),
      k: one(1, C, C),
      v: one(2, C, C),
      o: one(3, C, C),
      gate: one(4, F, C),
      up: one(5, F, C),
      down: one(6, C, F),
    },
  };
}

/** On the GPU; `gradient` puts one gradient of Σ y·dy with respect to x and every adapter into the queue. */
export class VernierBlock {
  readonly arena: ParameterArena;
  private readonly device: Device;
  private readonly shape: BlockShape;
  private readonly forward: (t: Tape, x: Tensor) => Tensor;
  private readonly x: Tensor;
  private readonly dy: Tensor;

  constructor(device: Device, values: BlockValues) {
    const { T, C, H, R } = values.shape;
    this.device = device;
    this.shape = values.shape;
    this.arena = new ParameterArena(
      device,
      LINEARS.flatMap((name) => [
        { name: `${name}.a`, shape: [R, values.linears[name].in], decay: true },
        { name: `${name}.b`, shape: [values.linears[name].out, R], decay: true },
      ]),
    );
    const layer = (name: LinearName): LinearLayer => {
      const { w, a, b, out, in: width } = values.linears[name];
      this.arena.writeValues(`${name}.a`, a);
      this.arena.writeValues(`${name}.b`, b);
      const [loraA, loraB] = [this.arena.parameters.get(`${name}.a`)!, this.arena.parameters.get(`${name}.b`)!];
      return {
        name,
        weight: { name, tensor: device.upload(w, [out, width], 'weights') },
        lora: { a: loraA, b: loraB, scaling: SCALING, dropout: 0, stream: 0 },
      };
    };
    const layers = { q: layer('q'), k: layer('k'), v: layer('v'), o: layer('o'), gate: layer('gate'), up: layer('up'), down: layer('down') };
    const norm1 = { name: 'norm1', tensor: device.upload(values.norm1, [C], 'weights') };
    const norm2 = { name: 'norm2', tensor: device.upload(values.norm2, [C], 'weights') };
    const ranges = uploadRanges(device, causalRanges([T]), T, 'batch');
    this.x = device.upload(values.x, [T, C], 'batch');
    this.dy = device.upload(values.dy, [T, C], 'batch');
    const D = C / H;
    this.forward = (t, x) => {
      const h = rmsNorm(t, x, norm1, EPS);
      const [q, k, v] = [layers.q, layers.k, layers.v].map((of) => t.reshape(linear(t, h, of), [T, H, D])) as [Tensor, Tensor, Tensor];
      const a = attention(t, q, k, v, ranges, { scale: D ** -0.5 });
      const x1 = add(t, x, linear(t, t.reshape(a, [T, C]), layers.o));
      const m = rmsNorm(t, x1, norm2, EPS);
      return add(t, x1, linear(t, glu(t, linear(t, m, layers.gate), linear(t, m, layers.up), 'silu'), layers.down));
    };
  }

  /** The gradient of x, to be released by the caller; those of the adapters are in the arena. */
  gradient(): Tensor {
    this.arena.zeroGradients();
    this.x.requiresGrad = true;
    const t = new Tape(this.device, { grad: true, training: true });
    t.backward(this.forward(t, this.x), this.dy);
    const dx = t.takeGradient(this.x);
    t.release();
    if (!dx) throw new Error('no gradient reached x');
    return dx;
  }

  async readGradients(): Promise<Map<string, Float32Array>> {
    const dx = this.gradient();
    const read = new Map([['x', await this.device.readF32(dx)]]);
    this.device.pool.release(dx.view);
    for (const [name, { grad }] of this.arena.parameters) read.set(name, await this.device.readF32(grad));
    return read;
  }

  describe(): string {
    const { T, C, H, F, R } = this.shape;
    return `gradient of a transformer block, T ${T}, C ${C}, H ${H}, F ${F}, LoRA r ${R}`;
  }
}
