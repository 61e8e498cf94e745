/**
 * The plan of a run's memory where operands are rounded to f16, or taken in two halves, as memoryPlan.test.ts has it for f32. Needs a GPU with subgroup
 * matrices, as test/ops/matmulHalf.test.ts says.
 */
import { afterEach, describe, it } from 'vitest';
import { matrixUnitsOf } from '../../src/tune/subgroupMatrix.ts';
import { closeDevices, compileOnce, testDevice } from '../gpu/testDevice.ts';
import { gemma } from '../models/gemma3/goldenExamples.ts';
import { qwen } from '../models/qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from '../models/qwen3_vl/goldenExamples.ts';
import { smolvlm } from '../models/smolvlm/goldenExamples.ts';
import { expectPlanned, lora, NF4, planned } from './plannedMemory.ts';
import type { Way } from './plannedMemory.ts';

await compileOnce();
const { capabilities } = await testDevice();
afterEach(closeDevices);

const WAYS: Record<string, Way> = {
  'LoRA, recomputed': { session: () => ({ finetuning: { kind: 'lora', config: lora } }), compute: 'f16' },
  'LoRA over NF4, saved inputs in bf16': {
    session: () => ({ finetuning: { kind: 'lora', config: lora }, quantization: NF4 }), run: { saved_inputs: 'bf16' }, compute: 'f16',
  },
  'LoRA over NF4, kept, all offloaded': {
    session: () => ({ finetuning: { kind: 'lora', config: lora }, quantization: NF4, offload: 'all' }), run: { gradient_checkpointing: false }, compute: 'f16',
  },
  'full, in two halves': { session: () => ({ finetuning: { kind: 'full' } }), compute: '3xf16' },
};

describe.skipIf(matrixUnitsOf(capabilities) === undefined).each([qwen, gemma, qwen3, smolvlm])('the memory of a run in f16 is planned to the byte: $name', (model) => {
  it.each(Object.entries(WAYS))('%s', { timeout: 600_000 }, (_, way) => expectPlanned(planned(model), way));
});
