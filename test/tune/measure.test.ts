/** Contests on a clock of our own: who wins, by how much and how often it must, and who may not take part. */
import { describe, expect, it } from 'vitest';
import { contest, largestDifference } from '../../src/tune/measure.ts';
import type { Contender, ContestRules } from '../../src/tune/measure.ts';

interface Clock {
  ms: number;
}

/** Takes `times[i]` ms in its i-th run, the last of them from then on. */
function runner(clock: Clock, times: readonly number[], result: number[] = [1, 2, 3], runs: { count: number } = { count: 0 }): Contender {
  return {
    run() {
      clock.ms += times[Math.min(runs.count++, times.length - 1)]!;
    },
    finish: () => Promise.resolve(),
    result: () => Promise.resolve([Float32Array.from(result)]),
  };
}

const rulesOn = (clock: Clock, more: Partial<ContestRules> = {}): ContestRules => ({
  sampleMs: 10, samples: 3, repeats: 20, bound: 1e-3, margin: 0.05, deadline: Infinity, now: () => clock.ms, ...more,
});

describe('contest', () => {
  it('the fastest wins where it is faster by the margin, and else the first', async () => {
    const clock = { ms: 0 };
    const won = await contest([runner(clock, [2]), runner(clock, [1.5]), runner(clock, [1])], rulesOn(clock));
    expect(won.winner).toBe(2);
    expect(won.ms).toEqual([2, 1.5, 1]);
    expect((await contest([runner(clock, [1]), runner(clock, [0.97])], rulesOn(clock))).winner).toBe(0);
    expect((await contest([runner(clock, [1]), runner(clock, [0.94])], rulesOn(clock))).winner).toBe(1);
  });

  it('one that is fast only at first does not win', async () => {
    const clock = { ms: 0 };
    // Warm-up, one run to set the repeats, three samples of ten runs: then it turns out to be slow.
    const lucky = runner(clock, [...new Array<number>(2).fill(1), ...new Array<number>(30).fill(0.5), 3]);
    expect((await contest([runner(clock, [1]), lucky], rulesOn(clock))).winner).toBe(0);
  });

  it('one with a wrong result takes no part, however fast, and the words say by how much', async () => {
    const clock = { ms: 0 };
    const { winner, refused, ms } = await contest([runner(clock, [2]), runner(clock, [0.1], [1, 2, 3.1]), runner(clock, [1])], rulesOn(clock));
    expect(winner).toBe(2);
    expect([...refused.keys()]).toEqual([1]);
    expect(refused.get(1)).toMatch(/differs from the usual one by 3\.3e-2 of the largest value, where 1\.0e-3 is allowed/);
    expect(ms[1]).toBeNaN();
    for (const wrong of [[1, 2, NaN], [1, 2], [Infinity, 2, 3]]) {
      expect((await contest([runner(clock, [2]), runner(clock, [0.1], wrong)], rulesOn(clock))).winner).toBe(0);
    }
  });

  it('when time is up the first keeps its place, and nothing more is begun', async () => {
    const clock = { ms: 0 };
    const runs = { count: 0 };
    const late = await contest([runner(clock, [2]), runner(clock, [1], undefined, runs)], rulesOn(clock, { deadline: 30 }));
    expect(late).toMatchObject({ winner: 0, isCutShort: true });
    expect(clock.ms).toBeLessThan(60);
    expect(await contest([runner(clock, [2]), runner(clock, [1])], rulesOn(clock, { deadline: 0 }))).toMatchObject({ winner: 0, isCutShort: true });
  });

  it('those that are far behind leave after a sample', async () => {
    const clock = { ms: 0 };
    const runs = { count: 0 };
    await contest([runner(clock, [1]), runner(clock, [100], undefined, runs)], rulesOn(clock));
    expect(runs.count).toBe(3);
  });
});

it('largestDifference is over the largest value, and infinite for what is no number', () => {
  expect(largestDifference([Float32Array.of(4, 0)], [Float32Array.of(4, 1)])).toBe(0.25);
  expect(largestDifference([Float32Array.of(0, 0)], [Float32Array.of(0, 0)])).toBe(0);
  expect(largestDifference([Float32Array.of(0)], [Float32Array.of(1)])).toBe(Infinity);
  expect(largestDifference([Float32Array.of(1)], [Float32Array.of(NaN)])).toBe(Infinity);
  expect(largestDifference([Float32Array.of(1)], [])).toBe(Infinity);
});
