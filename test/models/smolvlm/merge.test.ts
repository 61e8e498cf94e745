/** A trained adapter merged into SmolVLM: every tensor of PEFT's merge_and_unload within 2 ulp, under the names of the base. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { writeMerged } from '../../../src/io/mergedFolder.ts';
import { openModelFolder } from '../../../src/io/modelFolder.ts';
import { openAdapter } from '../../../src/io/peft.ts';
import { modelFamily, namingOf } from '../../../src/models/families.ts';
import { goldenPath } from '../../io/goldenFolder.ts';
import { ulps } from '../../io/mergeFixtures.ts';
import { goldenJson, tensorsOf } from '../golden.ts';
import { smolvlm } from './goldenExamples.ts';

const out = mkdtempSync(`${tmpdir()}/smolvlm-merged-`);
afterAll(() => {
  rmSync(out, { recursive: true });
});

it('equals merge_and_unload', async () => {
  const run = ['golden', smolvlm.name, 'runs', 'lora_token_mean'];
  const base = await openModelFolder(nodePlatform, smolvlm.baseModel, namingOf);
  const adapter = await openAdapter(nodePlatform, goldenPath(...run, 'adapter_final'), base.naming);
  await writeMerged(nodePlatform, base, adapter, modelFamily(base.naming.modelType, base.dir).describe(base.config, base.dir), out);
  await adapter.close();
  await base.close();
  const merged = await tensorsOf(`${out}/model.safetensors`);
  const digest = goldenJson<Record<string, { shape: number[]; sum: number; l2: number; first: number[] }>>(...run, 'merged_digest.json');
  expect([...merged.keys()].sort()).toEqual(Object.keys(digest).sort());
  for (const [name, { shape, sum, l2, first }] of Object.entries(digest)) {
    const found = merged.get(name)!;
    const values = found.data as Float32Array;
    expect(found.shape, name).toEqual(shape);
    expect(ulps(values.slice(0, first.length), Float32Array.from(first)), name).toBeLessThanOrEqual(2);
    expect(Math.abs(Math.sqrt(values.reduce((total, value) => total + value * value, 0)) - l2), name).toBeLessThanOrEqual(1e-6 * l2);
    expect(Math.abs(values.reduce((total, value) => total + value, 0) - sum), name).toBeLessThanOrEqual(1e-6 * l2);
  }
});
