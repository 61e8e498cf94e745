/** Random values of the processor, for what other libraries compute too; tensors that only have to be there are made on the GPU. */
export { randomTensor, randomWeight, releaseTensors as release } from '../../src/train/tuning/randomTensor.ts';

/** Uniform in ±bound. */
export function randomValues(count: number, seed: number, bound = 1): Float32Array<ArrayBuffer> {
  const values = new Float32Array(count);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state / 2 ** 31 - 1) * bound;
  }
  return values;
}
