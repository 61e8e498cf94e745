/**
 * One training step of the golden Qwen model in every runtime, through dist/vernier.js: Dawn in Node and Bun, wgpu in Deno (whose compiler is the
 * strictest and which offers no subgroups), SwiftShader in Chromium (no f16). The loss before the step is the reference's, and all agree on the
 * loss after it, to which every gradient and the optimizer have contributed.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { goldenPath } from '../io/goldenFolder.ts';
import { INSTALL_CHROMIUM, RUNTIMES, findChromium, repository, runIn } from './runIn.ts';

const MODEL = 'qwen2_5_vl-tiny';
const golden = (...parts: string[]): string => goldenPath('golden', MODEL, ...parts);
const args = {
  model: goldenPath('models', MODEL),
  adapter: golden('lora', 'all_linear'),
  cases: ['s00', 's01'].map((name) => golden('cases', `${name}_single.safetensors`)),
  lr: 1e-3,
};
const reference = (JSON.parse(readFileSync(golden('lora', 'lora.json'), 'utf8')) as Record<string, { loss: { f64: number }; grad_norm: { f64: number } }>)['all_linear']!;
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
/** Node's, which the others are compared with; filled by the first test. */
let inNode: StepResult | undefined;

beforeAll(() => {
  // `npm test` has built it; this is for a test run by itself. In a process of its own, because a failing build ends the process.
  const build = "import { ensureBuilt } from './node/scripts/steps.mjs'; ensureBuilt(['library']);";
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', build], { cwd: repository, encoding: 'utf8' });
  if (status !== 0) throw new Error(`dist/vernier.js cannot be built: ${stderr}`);
});

test.for(RUNTIMES)('%s makes the same training step', async (runtime, { skip }) => {
  skip(runtime === 'chromium' && skipsChromium, INSTALL_CHROMIUM);
  const result = (await runIn(runtime, 'test/runtimes/trainingStep.script.mjs', args)) as StepResult;
  if (runtime === 'node') inNode = result;
  expect(result.skipped).toBe(false);
  expect(relative(result.loss, reference.loss.f64), 'loss').toBeLessThan(1e-4);
  expect(relative(result.gradNorm, reference.grad_norm.f64), 'gradient norm').toBeLessThan(1e-3);
  // The step has to have taught something, else equal losses would say nothing about gradients.
  expect(result.lossAfter).toBeLessThan(result.loss - 0.05);
  inNode ??= (await runIn('node', 'test/runtimes/trainingStep.script.mjs', args)) as StepResult;
  expect(relative(result.loss, inNode.loss), 'loss, against Node').toBeLessThan(1e-4);
  expect(relative(result.lossAfter, inNode.lossAfter), 'loss after the step, against Node').toBeLessThan(1e-4);
  if (runtime === 'chromium') expect(result.f16).toBe(false);
});
