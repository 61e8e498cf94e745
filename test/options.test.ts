/** Options: types, ranges, refusals, contradictions, precedence, and the generated help. */
import { describe, expect, expectTypeOf, it } from 'vitest';
import { changedOptions, definitions, helpText, parseOptions, trainProgram } from '../src/options.ts';
import { optionOf } from '../src/options/program.ts';
import type { Options } from '../src/options.ts';
import type { Definition } from '../src/options/definition.ts';
import { isInRange } from '../src/options/definition.ts';
import { editDistance } from '../src/io/editDistance.ts';
import { nearestName } from '../src/options/nearest.ts';
import { UserError } from '../src/platform.ts';
import { askProgram } from '../src/options/ask.ts';
import { benchProgram } from '../src/options/bench.ts';
import { evaluateProgram } from '../src/options/evaluate.ts';
import { pretrainProgram } from '../src/options/pretrain.ts';
import { quickstartProgram } from '../src/options/quickstart.ts';
import { reportProgram } from '../src/options/report.ts';
import { datasetProgram } from '../src/options/dataset.ts';
import { scaleProgram } from '../src/options/scale.ts';
import { setupProgram } from '../src/options/setup.ts';
import { uiProgram } from '../src/options/ui.ts';

const BASE = { base_model_hf: 'models/tiny', train_file: 'rows.jsonl' };
const parse = (flags: Record<string, string>, recipe?: Record<string, unknown>, env?: Record<string, string>) => parseOptions({ ...BASE, ...flags }, recipe, env);

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  throw new Error('accepted');
}

describe('defaults', () => {
  it('are the published ones', () => {
    const { options, notes } = parse({});
    expect(options).toMatchObject({
      lora_r: 16, lora_alpha: 16, lora_dropout: 0.05, target_modules: ['all-linear'], modules_to_save: [], learning_rate: 2e-4, lr_scheduler_type: 'linear',
      warmup_ratio: 0.03, max_grad_norm: 0.3, weight_decay: 0, epoch: 1, max_steps: -1, per_device_train_batch_size: 20, gradient_accumulation_steps: 2,
      save_steps: 1000, logging_steps: 50, save_total_limit: 10, mask: 'completion', loss_reduction: 'token', finetune: 'lora', quantization: 'none',
      gradient_checkpointing: true, report_to: ['console', 'jsonl'], val_sample_limit: 100, train_sample_limit: -1, shuffle: true, seed: 1024, min_pixels: null, submit_ms: null,
    });
    expect(options.output_dir).toBe('outputs/sft');
    expect(notes).toEqual([]);
  });

  it('lie in their own ranges and choices', () => {
    for (const [name, definition] of Object.entries<Definition>(definitions)) {
      if ((definition.type === 'integer' || definition.type === 'number') && definition.default !== null) expect(isInRange(definition.default, definition), name).toBe(true);
      if (definition.type === 'enum' && definition.default !== null) expect(definition.choices, name).toContain(definition.default);
    }
  });

  it('belong to names and aliases that are all different', () => {
    const names = Object.entries<Definition>(definitions).flatMap(([name, { aliases = [] }]) => [name, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
  });

  it('are typed', () => {
    expectTypeOf<Options['finetune']>().toEqualTypeOf<'lora' | 'full'>();
    expectTypeOf<Options['epoch']>().toEqualTypeOf<number>();
    expectTypeOf<Options['max_pixels']>().toEqualTypeOf<number | null>();
    expectTypeOf<Options['train_file']>().toEqualTypeOf<string | null>();
    expectTypeOf<Options['target_modules']>().toEqualTypeOf<string[]>();
    expectTypeOf<Options['use_flash_attention_2']>().toEqualTypeOf<boolean>();
  });
});

describe('names', () => {
  it('knows every flag of medvision_bm', () => {
    const reference = `run_name base_model_hf lora_checkpoint_dir merged_model_hf merged_model_dir wandb_resume wandb_dir wandb_project wandb_run_name wandb_run_id data_dir
      tasks_list_json_path_AD tasks_list_json_path_detect tasks_list_json_path_TL process_img process_dataset_only skip_process_dataset prepared_ds_dir save_processed_img_to_disk
      epoch save_steps eval_steps logging_steps save_total_limit per_device_train_batch_size per_device_eval_batch_size gradient_accumulation_steps use_flash_attention_2
      num_workers_concat_datasets num_workers_format_dataset dataloader_num_workers dataloader_pin_memory gradient_checkpointing train_sample_limit val_sample_limit
      train_sample_limit_per_task val_sample_limit_per_task train_sample_limit_task_AD train_sample_limit_task_Detection train_sample_limit_task_TL val_sample_limit_task_AD
      val_sample_limit_task_Detection val_sample_limit_task_TL push_LoRA push_merged_model merge_model merge_only resume_from_checkpoint`.split(/\s+/);
    for (const name of reference) expect(optionOf(definitions, name)?.name).toBe(name === 'lora_checkpoint_dir' ? 'output_dir' : name);
  });

  it.each([
    ['lerning_rate', '--learning_rate'],
    ['learning-rate', '--learning_rate'],
    ['save_step', '--save_steps'],
    ['epcoh', '--epoch'],
    ['push_lora', '--push_LoRA'],
    ['outptu_dir', '--output_dir'],
    ['output', '--output_dir'],
    ['out', '--output_dir'],
    ['outdir', '--output_dir'],
    ['output_folder', '--output_dir'],
    ['output-directory', '--output_dir'],
  ])('--%s: did you mean %s?', (typo, meant) => {
    expect(refusal(() => parse({ [typo]: '1' }))).toContain(`Unknown option --${typo}. Did you mean ${meant}?`);
  });

  it('does not guess from nothing', () => {
    expect(refusal(() => parse({ zzzzqqqq: '1' }))).not.toContain('Did you mean');
    expect(refusal(() => parse({ constructor: '1' }))).toContain('Unknown option --constructor');
  });

  it('takes aliases, but not both names', () => {
    expect(parse({ num_train_epochs: '3' }).options.epoch).toBe(3);
    expect(parse({ lora_checkpoint_dir: 'out' }).options.output_dir).toBe('out');
    expect(parse({}, { lora_checkpoint_dir: 'out' }).options.output_dir).toBe('out');
    expect(refusal(() => parse({ num_train_epochs: '3', epoch: '2' }))).toContain('two names of one option');
  });

  it('measures slips', () => {
    expect([editDistance('abcd', 'abdc'), editDistance('', 'abc'), editDistance('kitten', 'sitting'), editDistance('ca', 'abc'), editDistance('same', 'same')]).toEqual([1, 3, 3, 3, 0]);
    expect(nearestName('seeds', ['save_steps', 'seed'])).toBe('seed');
  });
});

describe('values', () => {
  it.each([
    ['learning_rate', '2e-4', 2e-4],
    ['learning_rate', '.5', 0.5],
    ['epoch', '0.3', 0.3],
    ['submit_ms', '0', 0],
    ['submit_ms', '12.5', 12.5],
    ['max_steps', '-1', -1],
    ['train_sample_limit', '5500', 5500],
    ['shuffle', 'false', false],
    ['shuffle', 'True', true],
    ['seed', '4294967295', 4294967295],
    ['report_to', 'none', []],
    ['report_to', 'jsonl', ['jsonl']],
    ['modules_to_save', 'none', []],
    ['modules_to_save', 'lm_head,embed_tokens', ['lm_head', 'embed_tokens']],
    ['target_modules', 'q_proj, v_proj', ['q_proj', 'v_proj']],
    ['target_modules', String.raw`.*layers\.\d{1,2}\.(q|v)_proj`, [String.raw`.*layers\.\d{1,2}\.(q|v)_proj`]],
    ['output_dir', 'runs/{run_name}/x', 'runs/sft/x'],
  ])('--%s %s', (name, text, value) => {
    expect(parse({ [name]: text }).options).toMatchObject({ [name]: value });
  });

  it.each([
    ['save_steps', '2.5', '--save_steps takes a whole number, -1 or at least 1, found "2.5".'],
    ['save_steps', '0', '--save_steps is out of range: it takes a whole number, -1 or at least 1, found "0".'],
    ['train_sample_limit', '0', 'out of range'],
    ['train_sample_limit', '-2', 'out of range'],
    ['learning_rate', 'fast', '--learning_rate takes a number, at least 0, found "fast".'],
    ['learning_rate', '-1', 'out of range'],
    ['learning_rate', 'NaN', 'takes a number'],
    ['learning_rate', '1e999', 'takes a number'],
    ['learning_rate', '0x10', 'takes a number'],
    ['max_steps', '99999999999999999999', 'takes a whole number'],
    ['lora_dropout', '1', 'at least 0 and below 1'],
    ['warmup_ratio', '3', 'from 0 to 1'],
    ['epoch', '0', 'above 0'],
    ['submit_ms', '-1', '--submit_ms is out of range: it takes a number, at least 0'],
    ['shuffle', 'yes', '--shuffle is true or false, found "yes". Write --shuffle true or --shuffle false.'],
    ['lr_scheduler_type', 'cosin', 'found "cosin". Did you mean cosine?'],
    ['mask', 'all', 'one of completion, answer, reference'],
    ['train_file', ' ', '--train_file is empty'],
    ['target_modules', 'q_proj,q_proj', 'names "q_proj" twice'],
    ['report_to', 'console,none', 'none stands alone'],
  ])('refuses --%s %s', (name, text, words) => {
    expect(refusal(() => parse({ [name]: text }))).toContain(words);
  });

  it.each([
    ['report_to', 'all', 'one by one'],
  ])('refuses what is not built, saying what works: --%s %s', (name, text, words) => {
    const message = refusal(() => parse({ [name]: text }));
    expect(message).toContain(`--${name}`);
    expect(message).toContain(words);
  });

  it('takes true, false or a folder for --resume_from_checkpoint, in recipes without quotes', () => {
    const word = (text: unknown): string => parseOptions({}, { base_model_hf: 'm', train_file: 'r', resume_from_checkpoint: text }).options.resume_from_checkpoint;
    expect([true, 'True', false, 'out/checkpoint-3'].map(word)).toEqual(['true', 'true', 'false', 'out/checkpoint-3']);
    expect(parse({}).options.resume_from_checkpoint).toBe('false');
    expect(refusal(() => word(3))).toContain('resume_from_checkpoint');
  });

  it('leaves --greater_is_better open unless it is given', () => {
    expect([parse({}), parse({ greater_is_better: 'true' })].map(({ options }) => options.greater_is_better)).toEqual([null, true]);
  });

  it('says what has no effect', () => {
    expect(parse({ use_flash_attention_2: 'true', num_workers_concat_datasets: '8' }).notes).toEqual([
      expect.stringContaining('--use_flash_attention_2: it has no effect here'),
      expect.stringContaining('--num_workers_concat_datasets: it has no effect here'),
    ]);
  });
});

describe('together', () => {
  it('offline is offline', () => {
    const offline = { base_model_hf: 'm', train_file: 'x', offline: 'true' };
    expect(parseOptions(offline)).toMatchObject({ options: { offline: true }, notes: [] });
    expect(refusal(() => parseOptions({ ...offline, push_LoRA: 'true' }))).toContain('--offline true and --push_LoRA contradict');
    expect(refusal(() => parseOptions({ ...offline, wandb_mode: 'online' }))).toContain('--offline true and --wandb_mode online contradict');
    expect(refusal(() => parseOptions({ ...offline, merge_only: 'true', push_merged_model: 'true' }))).toContain('--push_merged_model contradict');
    expect(parseOptions({ ...offline, report_to: 'wandb' }).notes).toEqual([expect.stringContaining('W&B keeps its files here')]);
    expect(parseOptions({ ...offline, report_to: 'wandb', wandb_mode: 'disabled' }).notes).toEqual([]);
  });

  it('takes prepared data without task lists, and does not prepare and skip at once', () => {
    expect(parseOptions({ base_model_hf: 'm', skip_process_dataset: 'true', prepared_ds_dir: 'rows' }).options.prepared_ds_dir).toBe('rows');
    expect(refusal(() => parseOptions({ base_model_hf: 'm', skip_process_dataset: 'true' }))).toContain('Nothing to train on');
    const lists = { base_model_hf: 'm', data_dir: 'd', tasks_list_json_path_TL: 'l.json' };
    expect(refusal(() => parseOptions({ ...lists, skip_process_dataset: 'true', process_dataset_only: 'true' }))).toContain('opposites');
    expect(refusal(() => parseOptions({ base_model_hf: 'm', train_file: 'x', prepared_ds_dir: 'rows' }))).toContain('--train_file');
  });

  it('needs a model and rows', () => {
    expect(refusal(() => parseOptions({ train_file: 'x' }))).toContain('--base_model_hf');
    expect(refusal(() => parseOptions({ base_model_hf: 'x' }))).toContain('--train_file');
  });

  it.each([
    [{ tasks_list_json_path_AD: 'a.json' }, 'two sources of rows'],
    [{ min_pixels: '100', max_pixels: '50' }, '--min_pixels 100 is above --max_pixels 50'],
    [{ finetune: 'full', init_adapter: 'dir' }, '--init_adapter goes with --finetune lora'],
  ])('refuses %o', (flags, words) => {
    expect(refusal(() => parse(flags))).toContain(words);
  });

  it('needs a data folder for task lists, from the flag or the environment', () => {
    const flags = { base_model_hf: 'm', tasks_list_json_path_TL: 'tl.json' };
    expect(refusal(() => parseOptions(flags))).toContain('--data_dir');
    expect(refusal(() => parseOptions({ ...flags, val_file: 'v', data_dir: 'd' }))).toContain('--val_file goes with --train_file');
    expect(parseOptions(flags, {}, { MedVision_DATA_DIR: '/data' }).options.data_dir).toBe('/data');
    expect(parseOptions({ ...flags, data_dir: 'd' }, {}, { MedVision_DATA_DIR: '/data' }).options.data_dir).toBe('d');
  });

  it.each([
    [{ max_steps: '5', epoch: '2' }, '--max_steps overrides --epoch.'],
    [{ finetune: 'full', lora_r: '8', use_dora: 'true' }, '--lora_r, --use_dora: no effect with --finetune full.'],
    [{ init_adapter: 'dir', lora_r: '8' }, '--lora_r: the adapter of --init_adapter keeps its own settings.'],
    [{ quantization_skip_modules: 'visual' }, '--quantization_skip_modules: no effect without --quantization nf4.'],
    [{ warmup_steps: '5', warmup_ratio: '0.1' }, '--warmup_steps overrides --warmup_ratio.'],
    [{ lr_scheduler_type: 'constant', warmup_ratio: '0.1' }, '--warmup_ratio: constant has no warm-up; constant_with_warmup has.'],
  ])('notes %o', (flags, note) => {
    expect(parse(flags).notes).toEqual([note]);
  });
});

describe('recipes', () => {
  it('have the same names; flags override them, null says nothing', () => {
    const { options } = parse({ epoch: '2' }, { num_train_epochs: 5, learning_rate: '1e-5', shuffle: false, target_modules: ['q_proj', 'v_proj'], max_pixels: null, lora_alpha: 32 });
    expect(options).toMatchObject({ epoch: 2, learning_rate: 1e-5, shuffle: false, target_modules: ['q_proj', 'v_proj'], max_pixels: null, lora_alpha: 32 });
  });

  it.each([
    [{ lerning_rate: 1 }, 'Unknown option lerning_rate in r.yaml. Did you mean learning_rate?'],
    [{ epoch: true }, 'epoch in r.yaml takes a number, above 0, found true.'],
    [{ shuffle: 1 }, 'shuffle in r.yaml is true or false, found 1.'],
    [{ run_name: 7 }, 'put it in quotes'],
    [{ lora_r: { a: 1 } }, 'lora_r in r.yaml takes a whole number'],
    [{ target_modules: [1] }, 'found [1]'],
    [{ config: 'other.yaml' }, 'a recipe cannot name another recipe'],
  ])('refuse %o', (recipe, words) => {
    expect(refusal(() => parse({ config: 'r.yaml' }, recipe))).toContain(words);
  });

  it('can be made from a run', () => {
    const { options } = parse({ epoch: '2', target_modules: 'q_proj', report_to: 'none' });
    const changed = changedOptions(options);
    expect(changed).toEqual({ ...BASE, epoch: 2, target_modules: ['q_proj'], report_to: [], output_dir: 'outputs/sft' });
    expect(parseOptions({}, changed).options).toEqual(options);
  });
});

describe('help', () => {
  const help = helpText();
  it('lists every option once, within 100 columns', () => {
    for (const name of Object.keys(definitions)) expect(help.split('\n').filter((line) => line.startsWith(`  --${name} `)), name).toHaveLength(1);
    expect(help.split('\n').filter((line) => [...line].length > 100)).toEqual([]);
  });
  it('shows defaults, ranges, aliases and what is not built', () => {
    const flat = help.replace(/\s+/g, ' ');
    expect(flat).toContain('--learning_rate X Highest learning rate of the schedule. (default 0.0002; at least 0)');
    expect(flat).toContain('also --num_train_epochs');
    expect(flat).toContain('(default console,jsonl; all: not yet)');
  });
});

describe('the words of a program', () => {
  const programs = { trainProgram, askProgram, benchProgram, evaluateProgram, pretrainProgram, quickstartProgram, reportProgram, scaleProgram, setupProgram, uiProgram, datasetProgram };

  it.each(Object.entries(programs))('%s: no word, nor variable, names two options', (_, { definitions: records }) => {
    const seen = new Map<string, string>();
    for (const [name, { aliases = [], env }] of Object.entries(records)) {
      for (const word of [name, ...aliases, ...(env === undefined ? [] : [`$${env}`])]) {
        expect(seen.get(word), `${word} of ${name}`).toBeUndefined();
        seen.set(word, name);
      }
    }
  });
});
