/** The bench for a real GPU, at its smallest: every part runs, a wrong plan is told of, and time that is up leaves parts out by name. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { benchParts } from '../../src/run/bench/benchParts.ts';
import { GOLDEN_LOSSES } from '../../src/run/bench/goldenLosses.ts';
import { runParts } from '../../src/run/bench/parts.ts';
import type { PartPlan } from '../../src/run/bench/parts.ts';
import { runChecks } from '../../src/run/bench/planChecks.ts';
import { measurePytorch } from '../../node/bench/pytorch.ts';
import { randomModel } from '../../src/run/bench/randomModel.ts';
import { benchModels, stepFlop } from '../../src/run/bench/shapes.ts';
import { summary } from '../../src/run/bench/summary.ts';
import { nodePlatform } from '../../node/platform.ts';
import { Device } from '../../src/gpu/device.ts';

let gpu: GPU;
beforeAll(async () => {
  gpu = await nodePlatform.gpu();
});
const open = (): Promise<Device> => Device.create(gpu);
const stop = new AbortController().signal;

describe('node dist/bench.js --gpu', () => {
  it('checks and measures everything', { timeout: 600_000 }, async () => {
    const device = await open();
    const { capabilities } = device;
    device.destroy();
    const lines: string[] = [];
    const { parts, results } = benchParts({ open, capabilities, size: 'tiny', pytorch: undefined, stop });
    const report = await runParts(parts, { seconds: 2000, now: () => performance.now(), stop, say: (line) => void lines.push(line) });
    expect(report.failures).toEqual([]);
    expect(report.leftOut).toEqual([]);
    const of = (part: string): number => report.figures.filter((figure) => figure.part === part).length;
    expect(of('Products')).toBeGreaterThanOrEqual(14);
    expect(of('Attention')).toBeGreaterThanOrEqual(6);
    expect(of('Training steps')).toBeGreaterThanOrEqual(2);
    for (const figure of report.figures) expect(figure.rate, figure.what).toBeGreaterThan(0);
    for (const part of ['Products', 'Attention']) {
      const [, right, checked] = new RegExp(`${part} against float64: (\\d+) of (\\d+) are right`).exec(report.notes.join('\n')) ?? [];
      expect(right, part).toBe(checked);
      expect(Number(checked), part).toBeGreaterThan(2);
    }
    expect(report.notes.join('\n')).toMatch(/losses compared, by \d+ ways/);
    expect(summary(report, results)).toMatch(/All that was checked is right\./);
  });

  it('what a plan gets wrong, and one that does not run, are failures in words', async () => {
    const right = (): Promise<{ error: number; bound: number }> => Promise.resolve({ error: 1e-7, bound: 1e-6 });
    const checks = [
      { words: 'a', run: right },
      { words: 'b', run: () => Promise.resolve({ error: 0.5, bound: 1e-6 }) },
      { words: 'c', run: () => Promise.reject(new Error('no such kernel\nmore')) },
      { words: 'd', run: () => Promise.resolve({ error: NaN, bound: 1 }) },
      { words: 'e', run: right },
    ];
    let late = 0;
    expect(await runChecks(open, checks, () => late++ > 3)).toEqual({
      checked: 4,
      leftOut: 1,
      failures: [
        'b: it is off by 5.0e-1 of the largest value, where 1.0e-6 is allowed',
        'c: it does not run: no such kernel',
        'd: it is off by NaN of the largest value, where 1.0e+0 is allowed',
      ],
    });
  });

  it('each part has its share of the time; what does not fit is named, and an error ends its part alone', async () => {
    let now = 0;
    const ran: string[] = [];
    const part = (name: string, share: number, seconds: number): PartPlan => ({
      name,
      share,
      run: (own) => {
        for (const item of ['first', 'second']) {
          if (!own.fits(item, seconds)) continue;
          now += seconds * 1000;
          ran.push(`${name} ${item}`);
        }
        return name === 'broken' ? Promise.reject(new Error('torn')) : Promise.resolve();
      },
    });
    const plans = [part('quick', 1, 10), part('long', 1, 60), part('broken', 1, 1), part('last', 1, 1000)];
    const report = await runParts(plans, { seconds: 400, now: () => now, stop, say: () => undefined });
    expect(ran).toEqual(['quick first', 'quick second', 'long first', 'long second', 'broken first', 'broken second']);
    expect(report.leftOut).toEqual(['last: first', 'last: second']);
    expect(report.failures).toEqual(['broken: torn']);
    expect((await runParts(plans, { seconds: 400, now: () => now, stop: AbortSignal.abort(), say: () => undefined })).leftOut).toEqual(plans.map(({ name }) => `${name}: all of it`));
  });

  it('its losses are among those of the goldens', () => {
    const all = JSON.parse(readFileSync(fileURLToPath(new URL('../golden/bases/configs.json', import.meta.url)), 'utf8')) as unknown[];
    for (const one of GOLDEN_LOSSES) expect(all).toContainEqual(one);
    expect(new Set(GOLDEN_LOSSES.map(({ config }) => config.model_type))).toEqual(new Set(['qwen2_5_vl', 'gemma3', 'qwen2', 'gemma3_text']));
  });

  it('the arithmetic of a step is that of models of 3 and 4 G parameters', () => {
    const [qwen, gemma] = benchModels('true').map(stepFlop);
    // Six operations a parameter and row, of text and vision.
    expect(qwen! / 1e12).toBeGreaterThan(6 * 600 * 2.7e-3);
    expect(qwen! / 1e12).toBeLessThan(6 * 600 * 6e-3);
    expect(gemma! / 1e12).toBeGreaterThan(6 * 600 * 3.2e-3);
    expect(gemma! / 1e12).toBeLessThan(6 * 600 * 10e-3);
  });

  const python = process.env['VERNIER_PYTHON'];
  it.runIf(python !== undefined)('PyTorch runs the same models', { timeout: 600_000 }, async () => {
    const models = benchModels('tiny').map((model) => ({ ...model, storages: ['bf16'] }));
    const { about, steps, products } = await measurePytorch(python!, { products: [[16, 16, 16]], models, seconds: 500, stop, device: 'cpu' });
    expect(about).toMatch(/^torch .* on cpu$/);
    expect(products.map(({ dtype }) => dtype)).toEqual(['f32', 'bf16']);
    const device = await open();
    for (const model of models) {
      const ours = await randomModel(device, model.config, { storage: 'bf16' });
      expect(steps.find(({ name }) => name === model.name)?.frozen, model.name).toBe(ours!.parameters.frozen);
      ours!.release();
    }
    device.destroy();
  });
});
