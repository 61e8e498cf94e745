/**
 * One training step of the golden models in every runtime, through dist/vernier.js: Dawn in Node and Bun, wgpu in Deno (whose compiler is the
 * strictest and which offers no subgroups), SwiftShader in Chromium (no f16). The loss before the step is the reference's, and all agree on the
 * loss after it, to which every gradient and the optimizer have contributed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { writeSafetensors } from '../../src/io/safetensors.ts';
import type { TensorEntry } from '../../src/io/safetensors.ts';
import { ensureBuilt } from '../built.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { gemma } from '../models/gemma3/goldenExamples.ts';
import { goldenJson } from '../models/golden.ts';
import type { GoldenModel } from '../models/goldenModel.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';
import { INSTALL_CHROMIUM, RUNTIMES, findChromium, runIn } from './runIn.ts';
import type { Runtime } from './runIn.ts';

const GOLDENS = [qwen, gemma];
const RATE = 1e-3;
/** CI must prove the browser; a person's machine may do without one. */
const skipsChromium = findChromium() === undefined && process.env.CI !== 'true';

interface StepResult {
  loss: number;
  gradNorm: number;
  skipped: boolean;
  lossAfter: number;
  f16: boolean;
  subgroups: boolean;
  adapter: string;
}

const relative = (value: number, expected: number): number => Math.abs(value - expected) / Math.abs(expected);
/** Node's, which the others are compared with, by model. */
const inNode = new Map<string, StepResult>();
/** A folder that the browser's server may read. */
const scratch = mkdtempSync(join(tmpdir(), 'vernier-steps-'));

afterAll(() => {
  rmSync(scratch, { recursive: true });
});

/** The rows s00 and s01 as Examples, each in a file of its own: the runtimes have no processor for the golden layout. */
async function rowFiles(model: GoldenModel): Promise<string[]> {
  const rows = await model.cases(['s00_single', 's01_single']);
  return Promise.all(
    rows.map(async ({ id, example }) => {
      const path = join(scratch, `${model.name}-${id}.safetensors`);
      const integers = { input_ids: example.inputIds, labels: example.labels, position_ids: example.positionIds, image_grids: Int32Array.from(example.imageGrids.flat()) };
      const entries: TensorEntry[] = Object.entries(integers).map(([name, data]) => ({ name, dtype: 'I32', shape: [data.length], data: new Uint8Array(data.buffer) }));
      entries.push({ name: 'pixel_values', dtype: 'F32', shape: [example.pixelValues.length], data: new Uint8Array(example.pixelValues.buffer) });
      await writeSafetensors(nodePlatform, path, entries);
      return path;
    }),
  );
}

beforeAll(() => {
  ensureBuilt('library');
});

describe.each(GOLDENS)('$name', (model) => {
  const facts = goldenJson<Record<string, { loss: { f64: number }; grad_norm: { f64: number } }>>('golden', model.name, 'lora', 'lora.json');
  const reference = facts['all_linear']!;

  async function stepIn(runtime: Runtime, isUnbundled = false): Promise<StepResult> {
    const args = { model: model.baseModel, adapter: goldenPath('golden', model.name, 'lora', 'all_linear'), cases: await rowFiles(model), lr: RATE, isUnbundled };
    const result = (await runIn(runtime, 'test/runtimes/trainingStep.script.mjs', args)) as StepResult;
    if (runtime === 'node') inNode.set(model.name, result);
    return result;
  }

  test.for(RUNTIMES)('%s makes the same training step', async (runtime, { skip }) => {
    skip(runtime === 'chromium' && skipsChromium, INSTALL_CHROMIUM);
    const result = await stepIn(runtime);
    expect(result.skipped).toBe(false);
    expect(relative(result.loss, reference.loss.f64), 'loss').toBeLessThan(1e-4);
    expect(relative(result.gradNorm, reference.grad_norm.f64), 'gradient norm').toBeLessThan(1e-3);
    // The step has to have taught something, else equal losses would say nothing about gradients.
    expect(result.lossAfter).toBeLessThan(result.loss - 0.05);
    const node = inNode.get(model.name) ?? (await stepIn('node'));
    expect(relative(result.loss, node.loss), 'loss, against Node').toBeLessThan(1e-4);
    expect(relative(result.lossAfter, node.lossAfter), 'loss after the step, against Node').toBeLessThan(1e-4);
    if (runtime === 'chromium') expect(result.f16).toBe(false);
  });
});

test.for(['deno', 'bun'] as const)('%s makes it from src as it stands, without a bundler', async (runtime) => {
  const args = { model: qwen.baseModel, adapter: goldenPath('golden', qwen.name, 'lora', 'all_linear'), cases: await rowFiles(qwen), lr: RATE };
  const [bundled, unbundled] = await Promise.all([false, true].map((isUnbundled) => runIn(runtime, 'test/runtimes/trainingStep.script.mjs', { ...args, isUnbundled })));
  expect(unbundled).toEqual(bundled);
});
