/** The same 1024³ product and the same block gradient here and in jax-js: first that the results agree, then the times, in turns. */
import type { Device } from '../../src/gpu/device.ts';
import { matmulNN, matmulNT } from '../../src/ops/matmul.ts';
import { VernierBlock, blockValues } from './block.ts';
import { jaxBlock, jaxMatmul, openJax } from './jax.ts';
import type { JaxWork } from './jax.ts';
import { randomValues, release } from './randomTensors.ts';
import type { Comparison } from './report.ts';
import { medianMs } from '../../src/tune/timing.ts';
import type { Patience } from '../../src/tune/timing.ts';

type Results = Map<string, Float32Array>;

/** Largest difference over the largest value, over all results. */
function largestDifference(ours: Results, theirs: Results): number {
  let worst = 0;
  for (const [name, values] of ours) {
    const other = theirs.get(name);
    if (other?.length !== values.length) throw new Error(`${name}: ${values.length} values here, ${other?.length ?? 0} in jax-js`);
    let largest = 0;
    let difference = 0;
    for (let i = 0; i < values.length; i++) {
      largest = Math.max(largest, Math.abs(values[i]!));
      const distance = Math.abs(values[i]! - other[i]!);
      if (Number.isNaN(distance)) throw new Error(`${name}: element ${i} is not a number`);
      difference = Math.max(difference, distance);
    }
    worst = Math.max(worst, difference / largest);
  }
  return worst;
}

const TOLERANCE = 1e-3;

export async function compareWithJax(
  gpu: GPU,
  device: Device,
  { patience, isLarge }: { patience: Patience; isLarge: boolean },
  report: (comparison: Comparison) => void,
): Promise<void> {
  const bench = await openJax(gpu);
  const compare = async (what: string, ours: { run(): void; read(): Promise<Results> }, theirs: JaxWork): Promise<void> => {
    const difference = largestDifference(await ours.read(), await theirs.read());
    if (difference > TOLERANCE) throw new Error(`${what}: the results differ by ${difference.toExponential(1)} of the largest`);
    const finish = (): Promise<void> => device.finish();
    const [vernierMs = NaN, jaxMs = NaN] = await medianMs([{ run: ours.run, finish }, theirs], { ...patience, repeats: 50 });
    report({ what, vernierMs, jaxMs, difference });
  };

  const size = 1024;
  const [a, b] = [randomValues(size * size, 1), randomValues(size * size, 2)];
  const [left, right, y] = [a, b, new Float32Array(size * size)].map((values) => device.upload(values, [size, size], 'batch')) as [
    ReturnType<Device['upload']>,
    ReturnType<Device['upload']>,
    ReturnType<Device['upload']>,
  ];
  for (const [what, product, transposed] of [['a·b', matmulNN, false], ['a·bᵀ', matmulNT, true]] as const) {
    const run = (): void => {
      product(device, left, right, y);
    };
    const read = async (): Promise<Results> => {
      run();
      return new Map([['y', await device.readF32(y)]]);
    };
    await compare(`${what}, ${size}³, f32`, { run, read }, jaxMatmul(bench, a, b, size, transposed));
  }
  release(device, left, right, y);

  const values = blockValues(isLarge ? { T: 1024, C: 1024, H: 16, F: 2816, R: 16 } : { T: 256, C: 256, H: 4, F: 704, R: 16 });
  const block = new VernierBlock(device, values);
  const run = (): void => {
    device.pool.release(block.gradient().view);
  };
  await compare(block.describe(), { run, read: () => block.readGradients() }, jaxBlock(bench, values));
}
