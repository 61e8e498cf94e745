/** trainer_log.jsonl: one JSON object a line, whatever happens around it. */
import { describe, expect, it } from 'vitest';
import { JsonlTracker } from '../../src/track/jsonl.ts';

function memoryFile(before?: string) {
  const state = { text: before, fail: false };
  return {
    state,
    platform: {
      exists: () => Promise.resolve(state.text !== undefined),
      readFile: () => Promise.resolve(new TextEncoder().encode(state.text)),
      writeFile(_path: string, text: Uint8Array | string) {
        if (state.fail) return Promise.reject(new Error('disk full'));
        state.text = typeof text === 'string' ? text : new TextDecoder().decode(text);
        return Promise.resolve();
      },
      appendFile: async (_path: string, text: string) => {
        await new Promise((done) => setTimeout(done, text.includes('slow') ? 10 : 0));
        if (state.fail) throw new Error('disk full');
        state.text = (state.text ?? '') + text;
      },
    },
    lines: () => (state.text ?? '').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

const RUN = { name: 'sft', totalSteps: 4, firstStep: 0, facts: { rows: 8 }, config: { seed: 1, hf_token: 'secret' } };

describe('JsonlTracker', () => {
  it('writes start, rows, events and the end', async () => {
    const file = memoryFile();
    let time = Date.UTC(2026, 0, 2);
    const tracker = new JsonlTracker(file.platform, 'out/trainer_log.jsonl', () => time);
    await tracker.start(RUN);
    time += 2500;
    await tracker.log({ loss: 6.5, grad_norm: Infinity, learning_rate: 2e-4, epoch: 0.5 }, 1);
    await tracker.log({ loss: NaN }, 2);
    await tracker.event('warning', 'step 2 skipped; HF_TOKEN=abc');
    await tracker.finish({ outcome: 'stopped', figures: { train_loss: 6.5 }, files: ['out/adapter_model.safetensors'] });
    expect(file.lines()).toEqual([
      { event: 'start', time: '2026-01-02T00:00:00.000Z', name: 'sft', total_steps: 4, first_step: 0, facts: { rows: 8 }, config: { seed: 1, hf_token: '***' } },
      { step: 1, loss: 6.5, grad_norm: 'Infinity', learning_rate: 2e-4, epoch: 0.5, elapsed_seconds: 2.5 },
      { step: 2, loss: 'NaN', elapsed_seconds: 2.5 },
      { event: 'warning', time: '2026-01-02T00:00:02.500Z', text: 'step 2 skipped; HF_TOKEN=***' },
      { event: 'finish', time: '2026-01-02T00:00:02.500Z', outcome: 'stopped', train_loss: 6.5, files: ['out/adapter_model.safetensors'] },
    ]);
  });

  it('tells the GPU memory with rows of training, once it is known', async () => {
    const file = memoryFile();
    const tracker = new JsonlTracker(file.platform, 'out/trainer_log.jsonl', () => 0);
    await tracker.start(RUN);
    await tracker.log({ loss: 6 }, 1);
    tracker.progress({ step: 2, tokens: 10, peakBytes: 4096 });
    await tracker.log({ loss: 5 }, 2);
    await tracker.log({ eval_loss: 5 }, 2);
    expect(file.lines().slice(1)).toEqual([
      { step: 1, loss: 6, elapsed_seconds: 0 },
      { step: 2, loss: 5, gpu_peak_bytes: 4096, elapsed_seconds: 0 },
      { step: 2, eval_loss: 5, elapsed_seconds: 0 },
    ]);
  });

  it('goes on after a line that a crash cut short', async () => {
    const file = memoryFile('{"step":1,"lo');
    await new JsonlTracker(file.platform, 'log').start(RUN);
    expect(file.state.text).toMatch(/^\{"step":1,"lo\n\{"event":"start".*\}\n$/);
  });

  it('of a resumed run has every row once: later ones go, lost ones come back, events stay', async () => {
    const row = (step: number, more: object = {}): object => ({ step, loss: step / 10, epoch: step, ...more });
    const written = [{ event: 'start' }, { step: 0, eval_loss: 9 }, row(1, { elapsed_seconds: 1 }), { step: 2, eval_loss: 8 }, row(3), { event: 'warning' }, row(4), { step: 4, eval_loss: 7 }];
    const file = memoryFile(`${written.map((line) => JSON.stringify(line)).join('\n')}\n{"step":5,"lo`);
    const history = [{ step: 0, epoch: 0, eval_loss: 9 }, row(1), row(2), { step: 2, epoch: 2, eval_loss: 8 }, row(3)] as Record<string, number>[];
    await new JsonlTracker(file.platform, 'log').start({ ...RUN, firstStep: 3, resumed: { state: {}, history } });
    expect(file.lines().map(({ event, step, loss, eval_loss }) => event ?? [step, loss ?? eval_loss])).toEqual([
      'start', [0, 9], [1, 0.1], [2, 0.2], [2, 8], [3, 0.3], 'warning', 'start',
    ]);
    expect(file.lines()[2]).toEqual(row(1, { elapsed_seconds: 1 }));
    const fresh = memoryFile();
    await new JsonlTracker(fresh.platform, 'log').start({ ...RUN, firstStep: 3, resumed: { state: {}, history } });
    expect(fresh.lines().map(({ event, step }) => event ?? step)).toEqual([0, 1, 2, 2, 3, 'start']);
  });

  it('keeps the order of what is told without waiting', async () => {
    const file = memoryFile();
    const tracker = new JsonlTracker(file.platform, 'log');
    await Promise.all([tracker.log({ note: 'slow' }, 1), tracker.log({ note: 'quick' }, 2)]);
    expect(file.lines().map(({ step }) => step)).toEqual([1, 2]);
  });

  it('tells the caller that a line is not written, and writes it with the next that can be, without the half that was', async () => {
    const file = memoryFile();
    const tracker = new JsonlTracker(file.platform, 'log');
    await tracker.log({ loss: 1 }, 1);
    file.state.fail = true;
    for (const step of [2, 3]) await expect(tracker.log({ loss: step }, step)).rejects.toThrow('disk full');
    file.state.text += '{"step":2,"lo'; // what found room
    file.state.fail = false;
    for (const step of [4, 5]) await tracker.log({ loss: step }, step);
    expect(file.lines().map(({ step }) => step)).toEqual([1, 2, 3, 4, 5]);
  });

  it('keeps the newest megabyte of what waits', async () => {
    const file = memoryFile();
    const tracker = new JsonlTracker(file.platform, 'log');
    file.state.fail = true;
    const note = 'x'.repeat(100_000);
    for (let step = 1; step <= 30; step++) await expect(tracker.log({ note }, step)).rejects.toThrow('disk full');
    file.state.fail = false;
    await tracker.log({ note }, 31);
    expect(file.lines().map(({ step }) => step)).toEqual([22, 23, 24, 25, 26, 27, 28, 29, 30, 31]);
  });
});
