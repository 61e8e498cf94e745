/** The console: one line in place on a terminal, plain lines elsewhere, a table at the end. */
import { describe, expect, it } from 'vitest';
import { countOf } from '../../src/platform.ts';
import { ConsoleTracker, bytesText, countText, durationText } from '../../src/track/console.ts';

function screen(isTty: boolean, columns = 100) {
  const out = { text: '' };
  return { isTty, columns, write: (text: string) => void (out.text += text), text: () => out.text };
}

const RUN = { name: 'sft', totalSteps: 10, firstStep: 0, facts: { model: 'tiny', parameters: 1_234_567 }, config: {} };
const GIB = 2 ** 30;

/** A run of ten steps: the first takes 20 s, the others 1 s and 500 tokens each; a row every second step. */
async function steps(terminal: ReturnType<typeof screen>, count = 10): Promise<ConsoleTracker> {
  let time = 0;
  const tracker = new ConsoleTracker(terminal, () => time);
  await tracker.start(RUN);
  for (let step = 1; step <= count; step++) {
    time += step === 1 ? 20_000 : 1000;
    tracker.progress({ step, tokens: 500 * step, peakBytes: 3.4 * GIB });
    if (step % 2 === 0) await tracker.log({ loss: 8 - step / 2, grad_norm: 0.51234567, learning_rate: 2e-4, epoch: step / 10 }, step);
  }
  return tracker;
}

/** What is left on the last lines once carriage returns have done their work. */
function seen(text: string): string[] {
  return text.split('\n').map((line) => line.split('\r\x1b[K').at(-1) ?? '');
}

describe('on a terminal', () => {
  it('redraws one line', async () => {
    const terminal = screen(true);
    await steps(terminal, 4);
    const lines = seen(terminal.text());
    expect(lines.slice(0, 3)).toEqual(['sft: 10 steps', '  model       tiny', '  parameters  1.23M']);
    expect(lines).toHaveLength(4);
    expect(lines[3]).toMatch(/^ 4\/10 ▕█+[▏▎▍▌▋▊▉]? *▏ {2}loss 6\.0000 {2}lr 2\.00e-4 {2}6 s left {2}500 tok\/s {2}3\.4 GiB$/);
  });

  it.each([100, 72, 60, 40, 20, 10])('stays within %i columns', async (columns) => {
    const terminal = screen(true, columns);
    await steps(terminal);
    const drawn = terminal.text().split('\r\x1b[K').slice(1).map((line) => line.split('\n')[0] ?? '');
    expect(Math.max(...drawn.map((line) => [...line].length))).toBeLessThan(columns);
    expect(drawn.at(-1)).toMatch(/^10\/10/);
  });

  it('puts events and other rows above the line', async () => {
    const terminal = screen(true);
    const tracker = await steps(terminal, 2);
    await tracker.event('warning', 'step 2 skipped');
    await tracker.log({ eval_loss: 5.5 }, 2);
    const lines = seen(terminal.text());
    expect(lines.slice(3, 5)).toEqual(['Warning: step 2 skipped', 'step 2/10  eval_loss 5.5000']);
    expect(lines.at(-1)).toMatch(/^ 2\/10 ▕/);
  });

  it('ends with a table and no bar', async () => {
    const terminal = screen(true);
    const tracker = await steps(terminal);
    await tracker.finish({ outcome: 'finished', figures: { train_loss: 5, train_runtime: 187 }, files: ['out/a', 'out/b'] });
    const lines = seen(terminal.text());
    expect(lines.slice(-9)).toEqual([
      'Run finished: step 10 of 10, 29 s',
      '  loss           7.0000 → 3.0000, lowest 3.0000 at step 10',
      '  tokens         5k, 172 a second',
      '  peak memory    3.4 GiB',
      '  train_loss     5.0000',
      '  train_runtime  3:07',
      '  written        out/a',
      '                 out/b',
      '',
    ]);
  });
});

describe('the time left', () => {
  /** Runs `events` ("step" or "evaluate", with their seconds) of a run of `total` steps. @returns what each step's bar says is left */
  async function told(total: number, events: readonly ['step' | 'evaluate', number][], firstStep = 0): Promise<(string | undefined)[]> {
    let time = 0;
    const terminal = screen(true);
    const tracker = new ConsoleTracker(terminal, () => time);
    await tracker.start({ ...RUN, totalSteps: total, firstStep });
    let step = firstStep;
    const left: (string | undefined)[] = [];
    for (const [kind, seconds] of events) {
      time += seconds * 1000;
      if (kind === 'evaluate') await tracker.log({ eval_loss: 1 }, step);
      else {
        tracker.progress({ step: ++step, tokens: 100 * step, peakBytes: 0 });
        left.push(/ {2}(\S+(?: s)?) left/.exec(seen(terminal.text()).at(-1) ?? '')?.[1]);
      }
    }
    return left;
  }
  const steps = (count: number, seconds = 2): ['step', number][] => Array.from({ length: count }, () => ['step', seconds]);

  it('is not told before the second step, and knows nothing of compiling in the first', async () => {
    expect(await told(10, [...steps(1, 90), ...steps(4)])).toEqual([undefined, '16 s', '14 s', '12 s', '10 s']);
    expect(await told(110, [...steps(1, 90), ...steps(2)], 100)).toEqual([undefined, '16 s', '14 s']);
  });

  it('nor of an evaluation before it', async () => {
    expect(await told(10, [['evaluate', 500], ...steps(1, 90), ...steps(2)])).toEqual([undefined, '16 s', '14 s']);
  });

  it('takes evaluations in by their share of the steps', async () => {
    const events: ['step' | 'evaluate', number][] = [...steps(1, 90), ...steps(9), ['evaluate', 30], ...steps(10), ['evaluate', 30], ...steps(1)];
    const left = await told(100, events);
    // 2 s a step; then 30 s in some ten steps: 3 s more for each.
    expect(left[9]).toBe('3:00');
    expect(left[10]).toBe('7:25');
    expect(left[19]).toBe('4:46');
    expect(left[20]).toBe('6:35');
  });
});

describe('elsewhere', () => {
  it('writes a line a row, without control characters', async () => {
    const terminal = screen(false);
    await steps(terminal);
    expect([...terminal.text()].filter((c) => c < ' ' && c !== '\n')).toEqual([]);
    const lines = terminal.text().trimEnd().split('\n').slice(3);
    expect(lines).toHaveLength(5);
    expect(lines[1]).toBe('step 4/10  loss 6.0000  grad_norm 0.5123  lr 2.00e-4  epoch 0.4  6 s left  500 tok/s  3.4 GiB');
  });

  it('shows what is not finite, and no secrets', async () => {
    const terminal = screen(false);
    const tracker = new ConsoleTracker(terminal, () => 0);
    await tracker.start(RUN);
    await tracker.log({ loss: NaN, grad_norm: Infinity }, 1);
    await tracker.event('info', 'WANDB_API_KEY=abc');
    expect(terminal.text()).toContain('loss NaN  grad_norm Infinity');
    expect(terminal.text()).not.toContain('abc');
  });
});

describe('counts', () => {
  it('agree with their nouns', () => {
    expect([0, 1, 2].map((count) => countOf(count, 'task'))).toEqual(['0 tasks', '1 task', '2 tasks']);
    expect([0, 1, 2].map((count) => countOf(count, 'address', 'addresses'))).toEqual(['0 addresses', '1 address', '2 addresses']);
  });

  it('stand once at the top', async () => {
    const terminal = screen(false);
    await new ConsoleTracker(terminal, () => 0).start({ ...RUN, totalSteps: 1, facts: { rows: 1, steps: 1 } });
    expect(terminal.text()).toBe('sft: 1 step\n  rows  1\n');
  });
});

describe('figures', () => {
  it('are short', () => {
    expect([0, 0.5, 999, 1234, 999_499, 999_600, 3_456_000, 2e9].map(countText)).toEqual(['0', '0.5', '999', '1.23k', '999k', '1M', '3.46M', '2G']);
    expect([0, 1023, 1024, 1024 ** 2 * 512, 1024 ** 3 * 3.4, 1024 ** 3 * 80].map(bytesText)).toEqual(['0 B', '1023 B', '1.0 KiB', '512 MiB', '3.4 GiB', '80 GiB']);
    expect([0, 0.25, 59.4, 59.6, 187, 3723, Infinity].map(durationText)).toEqual(['0 s', '0.3 s', '59 s', '1:00', '3:07', '1:02:03', '?']);
  });
});
