/** What is said of a run that takes too much memory: the options named, and no others, are what brings it under. */
import { expect, test } from 'vitest';
import { tooLarge } from '../../src/run/train/tooLarge.ts';
import { parseOptions } from '../../src/options.ts';
import type { Options } from '../../src/options.ts';

const MIB = 2 ** 20;
const base = { base_model_hf: 'tiny', train_file: 'rows.jsonl', per_device_train_batch_size: '1', gradient_accumulation_steps: '1' };

/** The message where the run takes `mibWith` of its options. */
async function message(flags: Record<string, string>, mib: number, mibWith: (options: Options) => number): Promise<string> {
  const { options } = parseOptions({ ...base, ...flags });
  const excess = { needed: mibWith(options) * MIB, bytes: mib * MIB, source: '--gpu_memory_limit', bytesWith: (changed: Options) => Promise.resolve(mibWith(changed) * MIB) };
  return (await tooLarge(options, excess)).message;
}

test('all that is planned with is told', async () => {
  const takes = ({ gradient_checkpointing, saved_inputs }: Options): number => (!gradient_checkpointing ? 30 : saved_inputs === 'bf16' ? 9 : 20);
  expect(await message({ gradient_checkpointing: 'false' }, 10, takes)).toMatch(/This brings it under: --gradient_checkpointing true --saved_inputs bf16 \(9\.0 MiB\)\.$/);
  expect(await message({}, 10, takes)).toMatch(/This brings it under: --saved_inputs bf16 \(9\.0 MiB\)\.$/);
});

test('of what brings it under together, only what is needed', async () => {
  const takes = ({ saved_inputs, quantization, offload }: Options): number =>
    30 - (saved_inputs === 'bf16' ? 1 : 0) - (quantization === 'nf4' ? 10 : 0) - (offload === 'all' ? 11 : 0);
  expect(await message({}, 10, takes)).toMatch(/Together these bring it under: --quantization nf4 --offload all \(9\.0 MiB\)\.$/);
});

test('where nothing does, the least of what was tried is told, and nothing that makes it more', async () => {
  const takes = ({ saved_inputs, offload }: Options): number => 9.4 + (saved_inputs === 'bf16' ? 0.6 : 0) - (offload === 'all' ? 1 : 0);
  expect(await message({}, 5, takes)).toMatch(/^The run takes 9\.4 MiB .* Even with --offload all it takes 8\.4 MiB\./);
  expect(await message({}, 5, takes)).not.toContain('saved_inputs');
  expect(await message({}, 5, () => 9)).toMatch(/\(--gpu_memory_limit\)\. Lower --max_pixels/);
});

test('figures that read alike are told apart', async () => {
  expect(await message({}, 11, () => 11.01)).toMatch(/^The run takes 11 MiB of GPU memory, and there are 11 MiB, 10 KiB less \(--gpu_memory_limit\)\./);
});
