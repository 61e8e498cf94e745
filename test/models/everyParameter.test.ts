/** Of every family: each tensor of a checkpoint is read, and each parameter that trains gets a gradient. */
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { modelFamily, namingOf } from '../../src/models/families.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { readGradients, runBatch, withSession } from './golden.ts';
import { gemma } from './gemma3/goldenExamples.ts';
import { qwen } from './qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from './qwen3_vl/goldenExamples.ts';
import { smolvlm } from './smolvlm/goldenExamples.ts';

/** SigLIP's pooling head is in the checkpoint, and never run. */
const NEVER_RUN = /\.vision_model\.head\./;

describe.each([qwen, gemma, qwen3, smolvlm])('$name', (model) => {
  it('reads every tensor of the checkpoint', async () => {
    const folder = await openModelFolder(nodePlatform, model.baseModel, namingOf);
    const { shapes } = modelFamily(folder.naming.modelType, folder.dir).describe(folder.config, folder.dir);
    expect(folder.names().filter((name) => !shapes.has(name))).toEqual([]);
    await folder.close();
  });

  it('gives every parameter a gradient', { timeout: 120_000 }, async () => {
    const device = await testDevice();
    const examples = (await model.cases(['s00_single', 's01_single'])).map(({ example }) => example);
    const zeros = model.zeroGradients();
    await withSession(device, { baseModel: model.baseModel, finetuning: { kind: 'full' } }, async (session) => {
      session.arena.zeroGradients();
      await runBatch(session, examples, { grad: true });
      const idle = [...(await readGradients(session))].filter(([, gradient]) => gradient.every((value) => value === 0)).map(([name]) => name);
      expect(idle.filter((name) => !zeros.has(name) && !NEVER_RUN.test(name))).toEqual([]);
    });
  });
});
