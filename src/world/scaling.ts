/**
 * What a step of N ranks will take, from what a micro-batch takes at one and what the network does: for planning past the machines at hand.
 *
 * A step is the micro-batches of the slowest rank, and of the sum of gradients what does not fit beside the last backward. The sum is that
 * of Rabenseifner (2004), which MPI libraries take for large messages: 2 (N − 1)/N of the bytes through the slowest link, and 2 log₂ N
 * messages' latencies for each slice (src/train/gradientSum.ts); reading from the GPU and writing back go on beside it.
 */

export interface Cluster {
  ranksPerHost: number;
  /** Bytes a second that a host sends and receives. */
  network: number;
  /** Seconds from one host to another. */
  latency: number;
  /** Bytes a second between ranks of one host. */
  local: number;
  /** Bytes a second between a GPU and its host's memory, each way. */
  transfer: number;
}

export interface Workload {
  /** Seconds of a micro-batch at one rank, forward and backward. */
  microBatch: number;
  /** Standard deviation of it, as a share of it: rows differ in length. */
  variation: number;
  /** Bytes of all gradients. */
  gradients: number;
}

export interface Prediction {
  ranks: number;
  /** Of the rank with the most. */
  microBatches: number;
  /** Seconds. */
  step: number;
  /** Of these: computing at a rank of average luck; waiting for the slowest; the sum as far as nothing hides it. */
  parts: { compute: number; waiting: number; sum: number };
  /** Micro-batches a second, against one rank. */
  speedup: number;
  /** Speedup by rank. */
  efficiency: number;
}

/** Of src/train/gradientSum.ts. */
const SLICE_BYTES = 8 * 2 ** 20;
/** Share of a micro-batch that is backward, as long as its stages are run again. */
const BACKWARD = 0.7;
/** Gathers of a step, and how long after its end one is noticed, s. */
const GATHERS = 2;
const NOTICED = 1.5e-3;

/** @param total micro-batches of a step at all ranks together */
export function predict(ranks: number, total: number, work: Workload, cluster: Cluster): Prediction {
  const microBatches = Math.ceil(total / ranks);
  const compute = microBatches * work.microBatch;
  const waiting = (compute * work.variation * expectedMaximum(Math.min(ranks, total))) / Math.sqrt(microBatches);
  const sum = ranks === 1 ? 0 : exposedSum(ranks, work, cluster) + GATHERS * (logRanks(ranks) * latencyOf(ranks, cluster) + NOTICED);
  const step = compute + waiting + sum;
  const speedup = total / step / (1 / work.microBatch);
  return { ranks, microBatches, step, parts: { compute, waiting, sum }, speedup, efficiency: speedup / ranks };
}

function exposedSum(ranks: number, { gradients, microBatch }: Workload, cluster: Cluster): number {
  const slices = Math.max(1, Math.ceil(gradients / SLICE_BYTES));
  const link = ranks > cluster.ranksPerHost ? Math.min(cluster.network, cluster.local) : cluster.local;
  const wire = ((2 * (ranks - 1)) / ranks) * (gradients / link) + slices * 2 * logRanks(ranks) * latencyOf(ranks, cluster);
  const slowest = Math.max(wire, gradients / cluster.transfer);
  const whole = slowest + (2 * gradients) / slices / cluster.transfer; // the first slice comes before, the last goes up after
  const lastSlice = whole / slices; // of the first layers, whose gradients come last
  return Math.max(lastSlice, whole - BACKWARD * microBatch);
}

function logRanks(ranks: number): number {
  return Math.ceil(Math.log2(ranks));
}

function latencyOf(ranks: number, { ranksPerHost, latency }: Cluster): number {
  return ranks > ranksPerHost ? latency : 1e-6;
}

/** Of so many numbers from a normal distribution, in standard deviations (Blom 1958). */
function expectedMaximum(count: number): number {
  return count <= 1 ? 0 : normalQuantile((count - 0.375) / (count + 0.25));
}

/** Φ⁻¹ for p ≥ 0.5, to 5e-4 (Abramowitz & Stegun 26.2.23). */
function normalQuantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(1 - p));
  return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
}
