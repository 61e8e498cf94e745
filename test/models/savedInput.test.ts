/** Inputs of stages kept in bfloat16: the rounding to the bit, the loss untouched, gradients near, and half the memory. */
import { describe, expect, it } from 'vitest';
import { Tensor } from '../../src/gpu/tensor.ts';
import { bf16ToF32, f32ToBf16 } from '../../src/io/halfFloat.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { restoreInput, saveInput } from '../../src/models/savedInput.ts';
import { countLabels } from '../../src/train/microBatch.ts';
import { testDevice } from '../gpu/testDevice.ts';
import { randomOperand } from '../ops/gradientCheck.ts';
import { gemma } from './gemma3/goldenExamples.ts';
import { readGradients, runBatch, withSession } from './golden.ts';
import { qwen } from './qwen2_5_vl/goldenExamples.ts';
import { qwen3 } from './qwen3_vl/goldenExamples.ts';
import { smolvlm } from './smolvlm/goldenExamples.ts';

const device = await testDevice();

describe('an input kept in bf16', () => {
  it.each([[1, 1], [3, 7], [5, 256], [7, 301]])('comes back rounded to the nearest, to even at a tie: (%i, %i)', async (rows, columns) => {
    const { data } = randomOperand([rows, columns], 5, 1e4);
    // Ties both ways, the largest finite value, which rounds to infinity, and what is not finite; as many as there is room for.
    const special = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, 3.4028234e38, Infinity, -Infinity, 1e-40, -0, NaN);
    data.set(special.subarray(0, Math.min(special.length, data.length)));
    const kept = saveInput(device, device.upload(data, [rows, columns], 'test'), 'bf16');
    expect(kept.dtype).toBe('bf16');
    const back = restoreInput(device, kept);
    expect(await device.readF32(back)).toEqual(bf16ToF32(f32ToBf16(data)));
    device.pool.release(back.view);
  });

  it('in f32 is the tensor itself', () => {
    const x = new Tensor([3], 'f32', device.pool.acquire(12, 'test'));
    expect(restoreInput(device, saveInput(device, x, 'f32'))).toBe(x);
    device.pool.release(x.view);
  });

  it.each([qwen, gemma, qwen3, smolvlm])('$name: the loss is the same, gradients are near, saved inputs take half the memory', async (model) => {
    const { example } = await model.case('s10_twoimages');
    const finetuning = { kind: 'lora', config: loraConfig({ target_modules: 'all-linear' }) } as const;
    await withSession(device, { baseModel: model.baseModel, finetuning }, async (session) => {
      const differentiate = async (savedInputs: 'f32' | 'bf16', keptStages = 0) => {
        session.arena.zeroGradients();
        device.trim();
        device.pool.resetPeak();
        const { loss } = await runBatch(session, [example], { grad: true, lossScale: 1 / countLabels(example), savedInputs, keptStages });
        const { peakByLabel } = device.pool.report();
        return { loss, gradients: await readGradients(session), saved: peakByLabel['saved inputs'] ?? 0 };
      };
      const exact = await differentiate('f32');
      const half = await differentiate('bf16');
      expect(half.loss).toBe(exact.loss);
      let [error, size] = [0, 0];
      for (const [name, gradient] of exact.gradients) {
        gradient.forEach((value, i) => {
          error += (half.gradients.get(name)![i]! - value) ** 2;
          size += value ** 2;
        });
      }
      // A stage sees each value of its input off by up to 2⁻⁹; scores of attention, which are exponents, are off by several times that.
      expect(Math.sqrt(error / size)).toBeLessThan(2 ** -6);
      expect(error).toBeGreaterThan(0);
      expect(half.saved).toBeLessThan(0.51 * exact.saved);
      // What may be kept beside them depends on the memory at hand, and no gradient may.
      expect((await differentiate('bf16', 3)).gradients).toEqual(half.gradients);
    });
  });
});
