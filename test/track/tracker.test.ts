/** Several trackers as one. */
import { describe, expect, it } from 'vitest';
import { allOf } from '../../src/track/tracker.ts';
import type { Row, RunInfo, Tracker } from '../../src/track/tracker.ts';

const RUN: RunInfo = { name: 'r', totalSteps: 2, firstStep: 0, facts: {}, config: {} };

function recorder(failsAt?: keyof Tracker): Tracker & { told: string[] } {
  const told: string[] = [];
  const note = (what: keyof Tracker, text: string): Promise<void> => {
    if (what === failsAt) return Promise.reject(new Error('disk full'));
    told.push(`${what} ${text}`.trim());
    return Promise.resolve();
  };
  return {
    told,
    start: ({ name }) => note('start', name),
    progress: ({ step }) => void told.push(`progress ${step}`),
    log: (row: Row, step) => note('log', `${step} ${JSON.stringify(row)}`),
    event: (level, text) => note('event', `${level}: ${text}`),
    finish: ({ outcome }) => note('finish', outcome),
  };
}

async function wholeRun(tracker: Tracker): Promise<void> {
  await tracker.start(RUN);
  tracker.progress({ step: 1, tokens: 1, peakBytes: 1 });
  await tracker.log({ loss: 1 }, 1);
  await tracker.event('info', 'saved');
  await tracker.finish({ outcome: 'finished', figures: {}, files: [] });
}

describe('allOf', () => {
  it('tells everybody everything', async () => {
    const [a, b] = [recorder(), recorder()];
    await wholeRun(allOf([a, b]));
    expect(a.told).toEqual(['start r', 'progress 1', 'log 1 {"loss":1}', 'event info: saved', 'finish finished']);
    expect(b.told).toEqual(a.told);
  });

  it('warns once of a log that fails on the way, the others and whoever has no console, and tells it of what comes', async () => {
    const [good, bad] = [recorder(), recorder('log')];
    const warned: string[] = [];
    const all = allOf([bad, good], (text) => void warned.push(text));
    await all.start(RUN);
    for (const step of [1, 2]) await all.log({ loss: 1 }, step);
    await all.event('info', 'saved');
    await all.finish({ outcome: 'finished', figures: {}, files: [] });
    const text = 'A log cannot be written, and training goes on; the log is tried again with every row. disk full';
    expect(warned).toEqual([text]);
    expect(good.told).toEqual(['start r', 'log 1 {"loss":1}', `event warning: ${text}`, 'log 2 {"loss":1}', 'event info: saved', 'finish finished']);
    expect(bad.told).toEqual(['start r', 'event info: saved', 'finish finished']);
  });

  it('outlives one that throws where it should have rejected, and one that cannot show progress', async () => {
    const fail = (): never => {
      throw new Error('no screen');
    };
    const [good, thrower, still] = [recorder(), { ...recorder(), log: fail }, { ...recorder(), progress: fail }];
    const warned: string[] = [];
    await wholeRun(allOf([thrower, still, good], (text) => void warned.push(text)));
    expect(warned).toHaveLength(2);
    for (const text of warned) expect(text).toContain('no screen');
    expect(good.told.filter((text) => !text.startsWith('event warning'))).toEqual([
      'start r', 'progress 1', 'log 1 {"loss":1}', 'event info: saved', 'finish finished',
    ]);
    expect(thrower.told.at(-1)).toBe('finish finished');
    expect(still.told).toContain('log 1 {"loss":1}');
  });

  it('fails the run where a log cannot even begin', async () => {
    await expect(allOf([recorder('start')]).start(RUN)).rejects.toThrow('disk full');
  });
});
