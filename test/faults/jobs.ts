/** The programs that meet faults: how each is started and gone on with, the points of its work, and what of its results must come out the same. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { goldenRows, repository } from '../node/trainProcess.ts';
import type { Flags } from '../node/trainProcess.ts';

export type Results = ReadonlyMap<string, string>;

export interface Job {
  program: 'train' | 'evaluate';
  /** @param dir what the job may write into; its inputs are in `inputs` */
  flags: (dir: string) => Flags;
  /** Beside the flags, where an interrupted job is gone on with. */
  goOn: Flags;
  /** By name, what must be the same as without a break. */
  results: (dir: string) => Results;
  /** File or folder of `inputs` that may vanish. */
  input: string;
}

/** Where in a job a fault comes: `at` as for inject.mjs, or "hub <regex of its title>", a commit that the hub is about to make. */
export interface Point {
  phase: string;
  job: string;
  at: string;
  nth: number;
  /** In `inputs`, what may vanish there in place of the job's own. */
  input?: string;
}

const sample = join(repository, 'node/sample');
const list = (family: string): string => join(sample, `tasks_list/tasks_MedVision-${family}__train_SFT.json`);

const TIMINGS = /^(eval_runtime|eval_samples_per_second|eval_steps_per_second|elapsed_seconds|gpu_peak_bytes)$/;
const withoutTimings = (text: string): string => JSON.stringify(JSON.parse(text), (key, value: unknown) => (TIMINGS.test(key) ? undefined : value));

function filesBelow(dir: string, isWanted: (name: string) => boolean): Map<string, string> {
  if (!existsSync(dir)) return new Map();
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => isWanted(name) && statSync(join(dir, name)).isFile());
  return new Map(names.sort().map((name) => [name, readFileSync(join(dir, name)).toString('base64')]));
}

/** Weights, and the books without their times. */
function runResults(out: string): Results {
  const results = filesBelow(out, (name) => /adapter_(model\.safetensors|config\.json)$/.test(name));
  const state = join(out, 'trainer_state.json');
  results.set('trainer_state.json', existsSync(state) ? withoutTimings(readFileSync(state, 'utf8')).replaceAll(out, '') : 'missing');
  return results;
}

/**
 * Makes the rows, in `inputs`, and names the jobs. `adapter`: a finished run's folder, for what comes after training; `prepared`: a
 * prepared folder, to train on.
 */
export function jobsOf(inputs: string, { adapter, prepared, hubRepo }: { adapter: string; prepared: string; hubRepo: string }): Record<string, Job> {
  mkdirSync(inputs, { recursive: true });
  const picture = join(inputs, 'picture.png');
  const rows = goldenRows('s01_single', 's09_textonly', 's12_string_content').map((line) => JSON.parse(line) as { images: string[] });
  const [first] = rows[0]!.images;
  writeFileSync(picture, readFileSync(first!));
  rows[0]!.images = [picture];
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const few = join(inputs, 'few.jsonl');
  writeFileSync(few, lines);
  // One epoch of the run, so that every step reads what none has read before.
  const rowsFile = join(inputs, 'rows.jsonl');
  writeFileSync(rowsFile, lines.repeat(6));
  const training: Flags = {
    base_model_hf: join(inputs, 'base'), max_steps: 8, per_device_train_batch_size: 2, gradient_accumulation_steps: 1, learning_rate: 0.002, lora_r: 4,
    target_modules: 'all-linear', logging_steps: 1, save_steps: 2, dataloader_num_workers: 0, report_to: 'console,jsonl',
  };
  const out = (dir: string): string => join(dir, 'out');
  const run = (flags: Flags, file: string | null = rowsFile): Job => ({
    program: 'train',
    flags: (dir) => ({ ...training, ...(file !== null && { train_file: file }), ...flags, output_dir: out(dir) }),
    goOn: { resume_from_checkpoint: true },
    results: (dir) => runResults(out(dir)),
    input: picture,
  });
  return {
    prepare: {
      program: 'train',
      flags: (dir) => ({
        base_model_hf: join(inputs, 'base'), data_dir: join(inputs, 'sample'), tasks_list_json_path_detect: list('detect'), tasks_list_json_path_TL: list('TL'), split: 'slice',
        val_sample_limit: 20, process_dataset_only: true, save_processed_img_to_disk: true, num_workers_format_dataset: 0, prepared_ds_dir: join(dir, 'prepared'),
      }),
      goOn: {},
      results: (dir) => filesBelow(join(dir, 'prepared'), () => true),
      input: join(inputs, 'sample/Datasets'),
    },
    train: run({}),
    evaluated: run({ val_file: few, eval_steps: 2, per_device_eval_batch_size: 1 }),
    prepared: { ...run({ skip_process_dataset: true, prepared_ds_dir: prepared, val_sample_limit: 0 }, null), input: join(prepared, 'train-00000.parquet') },
    tracked: run({ report_to: 'console,jsonl,tensorboard,wandb' }),
    pushed: run({ push_LoRA: true, lora_hub_repo: hubRepo }),
    evaluate: {
      program: 'evaluate',
      flags: (dir) => ({
        base_model_hf: join(inputs, 'base'), lora_checkpoint_dir: adapter, eval_file: few, max_new_tokens: 8, per_device_eval_batch_size: 1, dataloader_num_workers: 0,
        output_dir: join(dir, 'evaluation'),
      }),
      goOn: {},
      results: (dir) => filesBelow(join(dir, 'evaluation'), (name) => /^(samples\.jsonl|summary.*)$/.test(name)),
      input: picture,
    },
    merge: {
      program: 'train',
      flags: (dir) => ({ merge_only: true, base_model_hf: join(inputs, 'base'), output_dir: adapter, merged_model_dir: join(dir, 'merged') }),
      goOn: {},
      results: (dir) => filesBelow(join(dir, 'merged'), (name) => name !== 'README.md'),
      input: join(inputs, 'base/model.safetensors'),
    },
  };
}

export const POINTS: readonly Point[] = [
  { phase: 'preparing: plans', job: 'prepare', at: 'file open benchmark_plan', nth: 1 },
  { phase: 'preparing: pictures', job: 'prepare', at: 'file open prepared/.*\\.png', nth: 20 },
  { phase: 'loading', job: 'train', at: 'gpu createBuffer', nth: 20, input: 'base/model.safetensors' },
  { phase: 'first compile', job: 'train', at: 'gpu createComputePipeline', nth: 5 },
  { phase: 'training', job: 'train', at: 'file appendFile trainer_log', nth: 5 },
  { phase: 'training on prepared rows', job: 'prepared', at: 'file appendFile trainer_log', nth: 5 },
  { phase: 'saving', job: 'train', at: 'file open checkpoint-4\\.tmp/optimizer', nth: 1 },
  { phase: 'saving the result', job: 'train', at: 'file open result.*adapter_model', nth: 1 },
  { phase: 'evaluating in training', job: 'evaluated', at: 'gpu createComputePipeline', nth: 5 },
  { phase: 'tracking', job: 'tracked', at: 'file appendFile trainer_log', nth: 5 },
  { phase: 'evaluating', job: 'evaluate', at: 'file appendFile samples', nth: 2 },
  { phase: 'merging', job: 'merge', at: 'file open merged.*model\\.safetensors', nth: 1 },
  { phase: 'pushing a checkpoint', job: 'pushed', at: 'hub ^Step', nth: 1 },
  // Or what is the same: after that of the last step nothing is left to commit.
  { phase: 'pushing the result', job: 'pushed', at: 'hub ^(Result|Step 8$)', nth: 1 },
];
