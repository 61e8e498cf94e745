/**
 * The same work in jax-js (@jax-js/jax), on the same adapter through the same Dawn. Everything is under `jit`, as its documentation advises.
 * jax-js finds WebGPU at `navigator.gpu`, which Node does not have; it owns its arguments, hence the `.ref`s.
 */
import type * as JaxModule from '@jax-js/jax';
import type { Array as JaxArray } from '@jax-js/jax';
import { EPS, LINEARS, SCALING } from './block.ts';
import type { BlockValues, LinearName } from './block.ts';
import type { Work } from '../../src/tune/timing.ts';

type Jax = typeof JaxModule;
type Adapters = Record<string, { a: JaxArray; b: JaxArray }>;
type Frozen = Record<string, JaxArray>;

export interface JaxBench {
  jax: Jax;
  finish(): Promise<void>;
}

/** jax-js 0.1.25 calls `map` on an iterator of matches (in `einsum`), which Node has from 22 on. */
function ensureIteratorMap(): void {
  const prototype: object = Object.getPrototypeOf(''.matchAll(/./g)) as object;
  if ('map' in prototype) return;
  Object.defineProperty(prototype, 'map', {
    configurable: true,
    writable: true,
    value(this: Iterable<unknown>, change: (item: unknown, index: number) => unknown) {
      return [...this].map(change);
    },
  });
}

/** Throws when the package is not there. */
export async function openJax(gpu: GPU): Promise<JaxBench> {
  const navigator: unknown = Reflect.get(globalThis, 'navigator');
  if (typeof navigator !== 'object' || navigator === null || !('gpu' in navigator)) {
    Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'Node', hardwareConcurrency: 4 }, configurable: true });
  }
  ensureIteratorMap();
  const jax = await import('@jax-js/jax');
  if (!(await jax.init('webgpu')).includes('webgpu')) throw new Error('jax-js did not start its WebGPU backend');
  jax.defaultDevice('webgpu');
  const { queue } = jax.getWebGPUDevice();
  return {
    jax,
    async finish() {
      await queue.onSubmittedWorkDone();
    },
  };
}

function work(bench: JaxBench, run: () => JaxArray[]): Work & { results: JaxArray[] } {
  const results: JaxArray[] = [];
  return {
    results,
    run() {
      results.push(...run());
    },
    async finish() {
      await bench.jax.blockUntilReady(results);
      await bench.finish();
      for (const result of results.splice(0)) result.dispose();
    },
  };
}

function matrix(bench: JaxBench, values: Float32Array<ArrayBuffer>, shape: number[]): JaxArray {
  return bench.jax.numpy.array(values, { shape });
}

async function toF32(array: JaxArray): Promise<Float32Array> {
  return Float32Array.from((await array.data()) as Float32Array);
}

export interface JaxWork extends Work {
  /** One result, by name, to compare. */
  read(): Promise<Map<string, Float32Array>>;
}

/** a (M, K) times b (K, N), or with `transposed` times the transpose of b (N, K). */
export function jaxMatmul(bench: JaxBench, a: Float32Array<ArrayBuffer>, b: Float32Array<ArrayBuffer>, size: number, transposed: boolean): JaxWork {
  const { jit, numpy: np } = bench.jax;
  const [x, y] = [matrix(bench, a, [size, size]), matrix(bench, b, [size, size])];
  const product = jit((left: JaxArray, right: JaxArray) => np.matmul(left, transposed ? np.transpose(right) : right));
  const run = (): JaxArray[] => [product(x.ref, y.ref)];
  return { ...work(bench, run), read: async () => new Map([['y', await toF32(run()[0]!)]]) };
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!;
  return out;
}

/** The block of block.ts; weights lie (in, out), as JAX code has them. */
export function jaxBlock(bench: JaxBench, values: BlockValues): JaxWork {
  const { jit, grad, numpy: np, nn } = bench.jax;
  const { T, C, H, R } = values.shape;
  const adapters: Adapters = {};
  const frozen: Frozen = {
    norm1: matrix(bench, values.norm1, [C]),
    norm2: matrix(bench, values.norm2, [C]),
    dy: matrix(bench, values.dy, [T, C]),
  };
  for (const name of LINEARS) {
    const { w, a, b, out, in: width } = values.linears[name];
    frozen[name] = matrix(bench, transpose(w, out, width), [width, out]);
    adapters[name] = { a: matrix(bench, transpose(a, R, width), [width, R]), b: matrix(bench, transpose(b, out, R), [R, out]) };
  }
  const norm = (x: JaxArray, weight: JaxArray): JaxArray => {
    const mean = np.mean(np.square(x.ref), -1, { keepdims: true });
    return x.div(np.sqrt(mean.add(EPS))).mul(weight);
  };
  const loss = (x: JaxArray, lora: Adapters, base: Frozen): JaxArray => {
    const linear = (input: JaxArray, name: LinearName): JaxArray => {
      const { a, b } = lora[name]!;
      return np.matmul(input.ref, base[name]!).add(np.matmul(np.matmul(input, a), b).mul(SCALING));
    };
    const heads = (input: JaxArray, name: LinearName): JaxArray => linear(input, name).reshape([T, H, C / H]);
    const h = norm(x.ref, base['norm1']!);
    const attended = nn.dotProductAttention(heads(h.ref, 'q'), heads(h.ref, 'k'), heads(h, 'v'), { isCausal: true }).reshape([T, C]);
    const x1 = x.add(linear(attended, 'o'));
    const m = norm(x1.ref, base['norm2']!);
    const y = x1.add(linear(nn.silu(linear(m.ref, 'gate')).mul(linear(m, 'up')), 'down'));
    return np.sum(y.mul(base['dy']!));
  };
  const gradient = jit(grad(loss, { argnums: [0, 1] }));
  const x = matrix(bench, values.x, [T, C]);
  const owned = <Tree extends Frozen | Adapters>(tree: Tree): Tree => bench.jax.tree.ref(tree) as Tree;
  const call = (): [JaxArray, Adapters] => gradient(x.ref, owned(adapters), owned(frozen)) as [JaxArray, Adapters];
  const run = (): JaxArray[] => {
    const [dx, lora] = call();
    return [dx, ...Object.values(lora).flatMap(({ a, b }) => [a, b])];
  };
  return {
    ...work(bench, run),
    async read() {
      const [dx, lora] = call();
      const read = new Map([['x', await toF32(dx)]]);
      for (const name of LINEARS) {
        const { out, in: width } = values.linears[name];
        read.set(`${name}.a`, transpose(await toF32(lora[name]!.a), width, R));
        read.set(`${name}.b`, transpose(await toF32(lora[name]!.b), R, out));
      }
      return read;
    },
  };
}
