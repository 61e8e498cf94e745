import { expect, it } from 'vitest';
import { predict } from '../../src/world/scaling.ts';
import type { Cluster, Workload } from '../../src/world/scaling.ts';

const cluster: Cluster = { ranksPerHost: 1, network: 1e9, latency: 0, local: 1e10, transfer: 1e12 };
const work: Workload = { microBatch: 1, variation: 0, gradients: 8 * 2 ** 20 * 100 };
const GATHERS = 2 * 1.5e-3;

it('one rank is its micro-batches and nothing else', () => {
  expect(predict(1, 8, work, cluster)).toEqual({ ranks: 1, microBatches: 8, step: 8, parts: { compute: 8, waiting: 0, sum: 0 }, speedup: 1, efficiency: 1 });
});

it('a sum shorter than the last backward costs its last slice; of a longer one the rest', () => {
  // 4 ranks, 1 GB/s: 2·3/4 of 839 MB take 1.258 s; 0.7 s of it lie beside the backward.
  const wire = (1.5 * work.gradients) / 1e9;
  const { parts } = predict(4, 4, work, cluster);
  expect(parts.sum).toBeCloseTo(wire - 0.7 + GATHERS, 4);
  const quick = predict(4, 4, work, { ...cluster, network: 1e10 });
  expect(quick.parts.sum).toBeCloseTo(wire / 10 / 100 + GATHERS, 4);
});

it('within a host the network does not count', () => {
  expect(predict(4, 4, work, { ...cluster, ranksPerHost: 4 }).parts.sum).toBeCloseTo(((1.5 * work.gradients) / 1e10) / 100 + GATHERS, 4);
});

it('a remainder is one rank’s more, and ranks without a micro-batch add nothing', () => {
  expect(predict(4, 9, work, cluster).microBatches).toBe(3);
  const idle = predict(16, 4, { ...work, gradients: 4 }, cluster);
  expect(idle.speedup).toBeLessThan(4);
  expect(idle.speedup).toBeGreaterThan(3.9);
});

it('who waits for the slowest of 64 waits 2.4 standard deviations of its mean', () => {
  const { parts } = predict(64, 64 * 4, { ...work, variation: 0.1 }, cluster);
  // Mean of the largest of 64 normal numbers: 2.37 (tables); Blom's formula 2.36.
  expect(parts.waiting / (4 * 0.1 * 0.5)).toBeCloseTo(2.36, 1);
});
