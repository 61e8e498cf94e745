/** `--merge_model` and `--merge_only` as users run them: what is written, what is said, and what is refused without a trace. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../node/platform.ts';
import { mergeAdapter } from '../../src/train/merge.ts';
import { edit, golden, goldenRows, runTrain, buildCommandLine, tinyModel } from './trainProcess.ts';
import type { Ended, Flags } from './trainProcess.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-merge-cli-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

const tinyBf16 = join(golden, 'models/qwen2_5_vl-tiny-bf16');
const rowsFile = at('rows.jsonl');
const training: Flags = {
  base_model_hf: tinyModel, train_file: rowsFile, max_steps: 2, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 0.002,
  lr_scheduler_type: 'constant', lora_r: 4, target_modules: 'q_proj', save_steps: 1, report_to: 'jsonl',
};
let run = '';

beforeAll(async () => {
  buildCommandLine();
  writeFileSync(rowsFile, goldenRows('s09_textonly').join('\n') + '\n');
  run = at('run');
  const ended = await runTrain({ ...training, lora_checkpoint_dir: run, merge_model: true });
  expect(ended.error).not.toContain('Error');
  expect(ended.code).toBe(0);
});

const weights = (dir: string): Buffer => readFileSync(join(dir, 'model.safetensors'));

async function refused(flags: Flags): Promise<string> {
  const before = readdirSync(scratch).sort();
  const ended: Ended = await runTrain(flags);
  expect(ended.code).not.toBe(0);
  expect(ended.error).toMatch(/^Error: /m);
  expect(readdirSync(scratch).sort()).toEqual(before);
  return ended.error;
}

describe('merging', () => {
  it('after training: the final adapter, into a folder beside the run', async () => {
    await mergeAdapter(platform, { baseModel: tinyModel, adapter: run, out: at('expected') });
    expect(readdirSync(`${run}_merged`).sort()).toEqual(readdirSync(at('expected')).sort());
    expect(weights(`${run}_merged`).equals(weights(at('expected')))).toBe(true);
    await mergeAdapter(platform, { baseModel: tinyModel, adapter: join(run, 'checkpoint-1'), out: at('earlier') });
    expect(weights(`${run}_merged`).equals(weights(at('earlier')))).toBe(false);
  });

  it('without training: no GPU, no rows; an existing folder stays unless --overwrite is given', async () => {
    const flags = { merge_only: true, base_model_hf: tinyModel, lora_checkpoint_dir: run, merged_model_dir: at('only') };
    const ended = await runTrain(flags);
    expect(ended).toMatchObject({ code: 0, error: '' });
    expect(ended.output).not.toContain('GPU');
    expect(ended.output).not.toContain('Warning');
    expect(ended.output).toMatch(/Merged model: .*only \(1 file, \d/);
    expect(weights(at('only')).equals(weights(`${run}_merged`))).toBe(true);
    expect(await refused(flags)).toMatch(/only exists already; give another --merged_model_dir, or --overwrite true/);
    expect((await runTrain({ ...flags, merged_model_dir: `${at('only')}/`, overwrite: true })).code).toBe(0);
    expect(weights(at('only')).equals(weights(`${run}_merged`))).toBe(true);
  });

  it('a bf16 base keeps its precision with --merged_dtype base; a base of another name is told', async () => {
    const flags = { merge_only: true, base_model_hf: tinyBf16, init_adapter: run, merged_dtype: 'base', merged_model_dir: at('bf16') };
    const { code, output } = await runTrain(flags);
    expect(code).toBe(0);
    expect(output).toMatch(/Warning: The adapter was trained on .*qwen2_5_vl-tiny and is merged into .*qwen2_5_vl-tiny-bf16/);
    for (const name of readdirSync(tinyBf16).filter((file) => file.endsWith('.safetensors'))) {
      // All but the metadata, a word longer.
      expect(Math.abs(readFileSync(at('bf16', name)).length - readFileSync(join(tinyBf16, name)).length)).toBeLessThan(64);
    }
  });

  it('a run that has not ended: its last checkpoint', async () => {
    const dir = at('unended');
    cpSync(join(run, 'checkpoint-1'), join(dir, 'checkpoint-1'), { recursive: true });
    const { code, output } = await runTrain({ merge_only: true, base_model_hf: tinyModel, lora_checkpoint_dir: dir });
    expect(code).toBe(0);
    expect(output).toContain('its last checkpoint, checkpoint-1, is merged');
    expect(weights(`${dir}_merged`).equals(weights(at('earlier')))).toBe(true);
  });

  it('an adapter of an NF4 run: a warning that names the base', async () => {
    const dir = at('nf4');
    cpSync(run, dir, { recursive: true });
    const states = ['checkpoint-1', 'checkpoint-2'].map((name) => join(dir, name, 'vernier_state.json'));
    for (const state of states) edit(state, (text) => text.replace('"quantization": "none"', '"quantization": "nf4"'));
    const expectWarning = async (adapter: string): Promise<void> => {
      const { code, output } = await runTrain({ merge_only: true, base_model_hf: tinyModel, init_adapter: adapter, merged_model_dir: at('nf4 merged'), overwrite: true });
      expect(code).toBe(0);
      expect(output).toMatch(/Warning: The adapter was trained on NF4 \(4-bit\) weights of .*qwen2_5_vl-tiny/);
    };
    await expectWarning(dir);
    await expectWarning(join(dir, 'checkpoint-1'));
    // Where only the log is left.
    for (const state of states) rmSync(state);
    edit(join(dir, 'trainer_log.jsonl'), (text) => text.replace('"quantization":"none"', '"quantization":"nf4"'));
    await expectWarning(dir);
    await expectWarning(join(dir, 'checkpoint-2'));
  });
});

describe('refused', () => {
  it('full fine-tuning, from and into', async () => {
    expect(await refused({ ...training, finetune: 'full', merge_model: true, lora_checkpoint_dir: at('x') })).toContain('there is no adapter to merge');
    const whole = { merge_only: true, base_model_hf: tinyModel, merged_model_dir: at('x') };
    expect(await refused({ ...whole, init_adapter: tinyBf16 })).toContain('is a whole model, as full fine-tuning leaves it, not an adapter');
    cpSync(tinyModel, at('retrained'), { recursive: true });
    writeFileSync(at('retrained/trainer_state.json'), '{}');
    expect(await refused({ ...whole, base_model_hf: at('retrained'), init_adapter: run })).toMatch(/retrained is the output of full fine-tuning, and the adapter .* was trained on/);
  });

  it('before training: a merged folder that is there already', async () => {
    const error = await refused({ ...training, lora_checkpoint_dir: at('x'), merge_model: true, merged_model_dir: `${run}_merged` });
    expect(error).toContain('exists already');
    expect(existsSync(at('x'))).toBe(false);
  });

  it('an output that would take the place of its own sources, and a folder without an adapter', async () => {
    const flags = { merge_only: true, base_model_hf: tinyModel, lora_checkpoint_dir: run };
    expect(await refused({ ...flags, merged_model_dir: run, overwrite: true })).toContain('the adapter is there');
    expect(await refused({ ...flags, merged_model_dir: tinyModel, overwrite: true })).toContain('the base model is there');
    const roundabout = join(tinyModel, '..', 'qwen2_5_vl-tiny') + '/';
    expect(await refused({ ...flags, base_model_hf: roundabout, merged_model_dir: join(golden, 'models', '.', 'qwen2_5_vl-tiny').replace('models/', 'models/./'), overwrite: true }))
      .toContain('holds something other than a merged model');
    expect(existsSync(join(tinyModel, 'model.safetensors'))).toBe(true);
    expect(await refused({ ...flags, lora_checkpoint_dir: at('nothing') })).toContain('nothing holds no adapter');
  });
});
