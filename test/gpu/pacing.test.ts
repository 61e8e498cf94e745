import { describe, expect, it } from 'vitest';
import { KernelTimes, Pacing } from '../../src/gpu/pacing.ts';

/** A GPU whose kernels take what they take, on a clock that runs only while somebody waits for it, or `encodes`. */
class SimulatedGpu {
  clock = 0;
  readonly lengths: number[] = [];
  private freeAt = 0;
  private running = 0;
  private readonly ends: { at: number; resolve: () => void }[] = [];
  readonly pacing: Pacing;

  constructor(limitMs: number) {
    this.pacing = new Pacing(limitMs, 'hardware', () => this.clock);
  }

  /** As the device does it. */
  dispatch(kernel: number, operations: number, trueMs: number): void {
    const assumedMs = this.pacing.assume(1, operations);
    if (this.pacing.isFull(kernel, assumedMs)) this.flush();
    this.pacing.add(kernel, assumedMs);
    this.running += trueMs;
  }

  flush(): void {
    const ms = this.running;
    this.running = 0;
    this.lengths.push(ms);
    this.freeAt = Math.max(this.clock, this.freeAt) + ms;
    const at = this.freeAt;
    this.pacing.submitted(() => new Promise<void>((resolve) => this.ends.push({ at, resolve })));
  }

  get queuedMs(): number {
    return Math.max(0, this.freeAt - this.clock);
  }

  async encode(ms: number): Promise<void> {
    this.clock += ms;
    await this.tellWhatEnded();
  }

  /** @returns how long it waited */
  async turn(): Promise<number> {
    const before = this.clock;
    let isOver = false;
    void this.pacing.turn().then(() => (isOver = true));
    await settled();
    while (!isOver) {
      this.clock = Math.max(this.clock, this.ends[0]!.at);
      await this.tellWhatEnded();
    }
    return this.clock - before;
  }

  private async tellWhatEnded(): Promise<void> {
    while (this.ends[0] && this.ends[0].at <= this.clock) this.ends.shift()!.resolve();
    await settled();
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** 0.3 TFLOP/s, what is assumed of hardware. */
const assumed = (operations: number): number => operations / 3e8;

describe('submits', () => {
  it.each([
    ['as fast as assumed', 1],
    ['thirty times as fast', 1 / 30],
    ['four times as slow', 4],
  ])('of a GPU that is %s come close to the limit and stay below it, once its kernels are known', async (_, factor) => {
    const gpu = new SimulatedGpu(100);
    // A block of a model: kernels that are up to nine times as slow as the fastest for the same operations.
    const kernels = [[1, 4e9, 1], [2, 1e9, 9], [3, 2e9, 3], [4, 1e7, 5]] as const;
    const step = async (): Promise<void> => {
      for (let block = 0; block < 40 / factor; block++) {
        for (const [kernel, operations, own] of kernels) gpu.dispatch(kernel, operations, assumed(operations) * own * factor);
        await gpu.encode(0.2);
        await gpu.turn();
      }
      gpu.flush();
    };
    for (let i = 0; i < 4; i++) await step();
    gpu.lengths.length = 0;
    for (let i = 0; i < 4; i++) await step();
    const full = gpu.lengths.filter((_, at) => at % gpu.lengths.length !== gpu.lengths.length - 1);
    const dispatchMs = Math.max(...kernels.map(([, operations, own]) => assumed(operations) * own * factor));
    expect(Math.max(...full)).toBeLessThan(Math.max(115, dispatchMs * 1.01));
    const median = full.sort((a, b) => a - b)[full.length >> 1]!;
    expect(median).toBeGreaterThan(Math.min(100 - 1.5 * dispatchMs, 85));
  });

  it('never keep the GPU waiting, and never have more than two of full length before them', async () => {
    const gpu = new SimulatedGpu(100);
    let idle = 0;
    let most = 0;
    for (let i = 0; i < 400; i++) {
      if (i > 20 && gpu.queuedMs === 0) idle++;
      gpu.dispatch(1, 3e9, 10);
      await gpu.encode(1);
      await gpu.turn();
      most = Math.max(most, gpu.queuedMs);
    }
    expect(idle).toBe(0);
    expect(most).toBeLessThanOrEqual(200);
    expect(most).toBeGreaterThan(100);
  });

  it('that are heard of together, late, are taken for one, and those that compile for none', async () => {
    const gpu = new SimulatedGpu(100);
    /** Of what was assumed. */
    const factor = (): number => gpu.pacing.pieces(1, 1e8, 1e9, 1e9) / 1e6;
    const submit = (trueMs: number): void => {
      gpu.dispatch(1, 3e9, trueMs);
      gpu.flush();
    };
    submit(5000); // compiled
    await gpu.encode(5000);
    for (let i = 0; i < 9; i++) submit(10);
    await gpu.encode(90); // the CPU was busy meanwhile: nine ends at once
    submit(10);
    await gpu.encode(10);
    expect(factor()).toBeCloseTo(1, 4);
  });

  it('that are told of in another order have ended in theirs, and nobody waits for one that has', async () => {
    let clock = 0;
    const pacing = new Pacing(10, 'hardware', () => clock);
    const tell: (() => void)[] = [];
    for (let i = 0; i < 3; i++) {
      pacing.add(1, 100);
      pacing.submitted(() => new Promise<void>((resolve) => tell.push(resolve)));
    }
    clock = 50;
    tell[1]!();
    await settled();
    expect(pacing.underWayMs).toBe(0);
    await pacing.turn();
    tell[0]!();
    await settled();
    clock = 70;
    expect(pacing.underWayMs).toBe(20);
    tell[2]!();
    await settled();
    expect(pacing.underWayMs).toBe(0);
  });

  it('are as long as they come with a limit of 0, and nothing is measured', async () => {
    const gpu = new SimulatedGpu(0);
    for (let i = 0; i < 100; i++) gpu.dispatch(1, 3e12, 1e4);
    gpu.flush();
    expect(gpu.lengths).toEqual([1e6]);
    expect(await gpu.turn()).toBe(0);
    expect(gpu.pacing.pieces(1, 1e6, 50, 65535)).toBe(1);
  });
});

describe('a dispatch longer than a submit', () => {
  it('is made in as many pieces as it needs, as many as it has workgroups at most', () => {
    const pacing = new Pacing(100, 'hardware');
    expect([99, 100, 101, 950, 1e6].map((ms) => pacing.pieces(1, ms, 64, 65535))).toEqual([1, 1, 2, 10, 64]);
    // A dispatch of more workgroups than a dimension has is folded, and a piece of one is not.
    expect(pacing.pieces(1, 101, 200_000, 65535)).toBe(4);
  });
});

it('a kernel alone is known after one measurement, up to what one may correct', () => {
  const times = new KernelTimes('hardware');
  const assumedMs = times.assume(4000, 0);
  expect(assumedMs).toBe(2);
  times.learn(new Map([[7, assumedMs]]), 10);
  expect(times.estimate(7, assumedMs)).toBeCloseTo(10, 9);
  times.learn(new Map([[7, assumedMs]]), 1000);
  expect(times.estimate(7, assumedMs)).toBeCloseTo(80, 9);
  for (const nothing of [0, -1, NaN]) times.learn(new Map([[7, assumedMs]]), nothing);
  expect(times.estimate(7, assumedMs)).toBeCloseTo(80, 9);
  expect(times.estimate(8, assumedMs)).toBe(2);
});
