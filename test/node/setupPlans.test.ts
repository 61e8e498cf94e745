/** `node dist/setup.js --plans`: what is measured for this GPU, or that nothing is, and what measures it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { printPlans } from '../../src/run/setup/plans.ts';
import { Device } from '../../src/gpu/device.ts';
import type { Platform } from '../../src/platform.ts';
import { productCandidates } from '../../src/tune/candidates.ts';
import { choicesFile, keepChoices } from '../../src/tune/choices.ts';
import { planKey } from '../../src/tune/planKey.ts';
import type { ProductProblem } from '../../src/tune/product.ts';

const cache = mkdtempSync(join(tmpdir(), 'vernier-plans-'));
afterAll(() => {
  rmSync(cache, { recursive: true, force: true });
});
const platform: Platform = { ...nodePlatform, env: (name) => (name === 'XDG_CACHE_HOME' ? cache : nodePlatform.env(name)) };

async function printed(): Promise<string> {
  let text = '';
  await printPlans(platform, { write: (more) => void (text += more), isTty: false, columns: 100 });
  return text;
}

it('prints what is measured for this device', async () => {
  expect(await printed()).toMatch(/· kernels [0-9a-f]{16}\nNothing is measured for this GPU, its driver and this version yet; training/);
  const device = await Device.create(await platform.gpu());
  const { capabilities } = device;
  const problem: ProductProblem = { form: 'nt', m: 600, n: 2048, k: 2048, storage: 'bf16', isPlain: false, hasDropout: true, compute: 'f32' };
  const [first, second] = productCandidates(capabilities, problem);
  const key = await planKey(device, platform);
  await keepChoices(platform, key, capabilities, {
    product: [
      { problem, configuration: second!, ms: 1, policyMs: 1.5, flop: 1e9 },
      { problem: { ...problem, form: 'tn' }, configuration: first!, ms: 2, policyMs: 2, flop: 1e9 },
    ],
    attention: [],
  });
  device.destroy();
  const lines = (await printed()).trimEnd().split('\n');
  expect(lines[1]).toBe(`From ${await choicesFile(platform, key)}`);
  expect(lines.slice(3)).toHaveLength(2);
  expect(lines[3]).toMatch(/^dyᵀ·x 600×2048×2048 bf16, with more terms, dropout {2}.* 2\.00 ms, 0\.500 TFLOP\/s {2}the usual one$/);
  expect(lines[4]).toMatch(/^x·wᵀ 600×2048×2048 bf16, with more terms, dropout {2}.* 1\.00 ms, 1\.00 TFLOP\/s {2}1\.50 × as fast as the usual one$/);
});
