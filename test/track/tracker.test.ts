/** Several trackers as one, and what is kept out of every log. */
import { describe, expect, it } from 'vitest';
import { allOf, redact, redactConfig } from '../../src/track/tracker.ts';
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

  it('gives up a log that fails on the way, and warns the others', async () => {
    const [good, bad] = [recorder(), recorder('log')];
    await wholeRun(allOf([bad, good]));
    expect(bad.told).toEqual(['start r', 'progress 1']);
    expect(good.told).toContain('event warning: A log failed and is given up: disk full');
    expect(good.told.at(-1)).toBe('finish finished');
  });

  it('fails the run where a log cannot even begin', async () => {
    await expect(allOf([recorder('start')]).start(RUN)).rejects.toThrow('disk full');
  });
});

describe('redact', () => {
  const key = '0123456789abcdef'.repeat(3).slice(0, 40);
  it.each([
    ['token hf_AbCdEfGhIjKlMnOpQrStUv used', 'token *** used'],
    [`key ${key}.`, 'key ***.'],
    [`WANDB_API_KEY=${key} HF_TOKEN=short`, 'WANDB_API_KEY=*** HF_TOKEN=***'],
    ['https://me:pass@hub.example/x', 'https://***@hub.example/x'],
  ])('%s', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it('leaves the rest alone', () => {
    const text = `models/snapshots/${key}/config.json  num_tokens 12  loss_reduction token  /root/hf_models`;
    expect(redact(text)).toBe(text);
  });

  it('knows fields by name', () => {
    expect(redactConfig({ hf_token: 'x', apiKey: 1, WANDB_API_KEY: 'abc', loss_reduction: 'token', revision: key, list: ['hf_AbCdEfGhIjKlMnOpQrStUv'], inner: { password: 'p' } })).toEqual({
      hf_token: '***', apiKey: 1, WANDB_API_KEY: '***', loss_reduction: 'token', revision: key, list: ['***'], inner: { password: '***' },
    });
  });
});
