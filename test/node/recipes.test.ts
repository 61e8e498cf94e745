/** The recipes parse as options, and the shell scripts call the command lines with flags that there are. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readFlags, readRecipe } from '../../src/options/commandLine.ts';
import { nodePlatform } from '../../node/platform.ts';
import { readTaskList } from '../../src/data/medvision/tasks.ts';
import { definitions, parseOptions } from '../../src/options.ts';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const recipes = readdirSync(at('node/recipes')).filter((name) => name.endsWith('.yaml'));
const scripts = ['train__SFT__MedGemma.sh', 'train__SFT__Qwen2.5-VL.sh'];

describe('recipes', () => {
  it('are there for the models of the tutorial', () => {
    expect(recipes).toEqual(expect.arrayContaining(['medgemma-4b.yaml', 'qwen2.5-vl-3b.yaml', 'qwen2.5-vl-7b.yaml']));
  });

  it.each(recipes)('%s parses, and its task lists are there', async (name) => {
    const path = at(join('node/recipes', name));
    const { options, notes } = parseOptions({ config: path }, readRecipe(readFileSync(path, 'utf8'), path));
    expect(notes).toEqual([]);
    expect(options).toMatchObject({ epoch: 10, gradient_accumulation_steps: 12, train_sample_limit: 22000, save_steps: 50 });
    const counts = await Promise.all(
      (['AD', 'detect', 'TL'] as const).map(async (family) => (await readTaskList(nodePlatform, at(options[`tasks_list_json_path_${family}`] ?? ''), family)).length),
    );
    expect(counts).toEqual([5, 28, 10]);
  });
});

describe.runIf(process.platform !== 'win32')('scripts', () => {
  /** The argument lists that a script would run, parsed back by the shell that wrote them. */
  const commands = (script: string, env: Record<string, string> = {}): string[][] => {
    const { stdout, stderr, status } = spawnSync('bash', [at(`node/scripts/${script}`)], { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', DRY_RUN: 'true', ...env } });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return stdout.trim().split('\n').map((line) => spawnSync('bash', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' }).stdout.trim().split('\n'));
  };

  it.each([...scripts, 'sft.sh'])('%s is valid bash', (script) => {
    expect(spawnSync('bash', ['-n', at(`node/scripts/${script}`)], { encoding: 'utf8' }).stderr).toBe('');
  });

  it.each(scripts)('%s looks, prepares and trains, with flags that there are', (script) => {
    const all = commands(script);
    expect(all.map(([, program]) => program)).toEqual(['dist/setup.js', 'dist/train.js', 'dist/train.js']);
    const parsed = all.map(([, , ...argv]) => parseOptions(readFlags(argv, definitions)).options);
    expect(parsed.map((one) => [one.process_dataset_only, one.skip_process_dataset])).toEqual([[false, false], [true, false], [false, true]]);
    expect(parsed[2]).toMatchObject({
      epoch: 10, learning_rate: 2e-4, per_device_train_batch_size: 1, gradient_accumulation_steps: 12, save_steps: 50, eval_steps: 50, logging_steps: 10, save_total_limit: 10,
      train_sample_limit: 22000, val_sample_limit: 200, train_sample_limit_task_AD: 5500, val_sample_limit_task_TL: 50, data_dir: './Data', push_LoRA: false,
    });
  });

  it('take their variables from outside, as the tutorial names them', () => {
    const [, , train] = commands(scripts[0] ?? '', {
      epoch: '2', data_dir: '/my data', push_LoRA: 'true', push_merged_model: 'true', merged_model_hf: 'me/merged', report_to: 'console,wandb', wandb_project: 'mine', wandb_run_id: 'r1',
    });
    const { options } = parseOptions(readFlags(train?.slice(2) ?? [], definitions));
    expect(options).toMatchObject({ epoch: 2, data_dir: '/my data', push_LoRA: true, push_merged_model: true, merged_model_hf: 'me/merged', wandb_project: 'mine', wandb_run_id: 'r1', wandb_resume: 'allow' });
    const merge = commands(scripts[1] ?? '', { merge_only: 'true', push_merged_model: 'true' });
    expect(merge.length).toBe(1);
    expect(parseOptions(readFlags(merge[0]?.slice(2) ?? [], definitions)).options).toMatchObject({ merge_only: true, push_merged_model: true });
  });
});
