/**
 * Every option once, and the way from what somebody said (flags, a YAML recipe, a form, the environment) to typed, checked values. The
 * names are medvision_bm's, kept verbatim as keys, so that a flag, a recipe line, a log entry and the code all say the same word. Pure: no
 * files, no console. `options/commandLine.ts` reads argv and the recipe.
 */
import { readShape } from './data/medvision/canvas.ts';
import { checkPin } from './data/medvision/planVersion.ts';
import { dataOptions } from './options/data.ts';
import type { Value } from './options/definition.ts';
import { helpOf } from './options/help.ts';
import { hubOptions } from './options/hub.ts';
import { modelOptions } from './options/model.ts';
import { parseFor } from './options/program.ts';
import type { OptionsOf, Parsed, Program } from './options/program.ts';
import { trackingOptions } from './options/tracking.ts';
import { trainingOptions } from './options/training.ts';
import { worldOptions } from './options/world.ts';
import { UserError } from './platform.ts';

/** The options of training, by name: type, default, range, help. */
export const definitions = { ...modelOptions, ...trainingOptions, ...worldOptions, ...trackingOptions, ...dataOptions, ...hubOptions };
export type OptionName = keyof typeof definitions;
export type Options = OptionsOf<typeof definitions>;
export type ParsedOptions = Parsed<Options>;

/** `node dist/train.js`. */
export const trainProgram: Program<Options> = {
  intro: [
    'Fine-tunes a vision-language model on WebGPU and leaves a PEFT adapter.',
    '',
    'Usage: node dist/train.js --base_model_hf DIR --train_file rows.jsonl [--name value …]',
    '       node dist/train.js --config recipe.yaml [--name value …]',
    'Flags are written --name value or --name=value, and override the recipe.',
  ],
  definitions,
  check(options, given) {
    options.output_dir = options.output_dir.replaceAll('{run_name}', options.run_name);
    return checkTogether(options, given as ReadonlySet<OptionName>);
  },
};

/** `parseFor` training. */
export function parseOptions(
  flags: Readonly<Record<string, string>>,
  recipe: Readonly<Record<string, unknown>> = {},
  env: Readonly<Record<string, string | undefined>> = {},
): ParsedOptions {
  return parseFor(trainProgram, flags, recipe, env);
}

/** `--help` of training. */
export function helpText(columns?: number): string {
  return helpOf(trainProgram, columns);
}

/** The options that differ from their defaults, for a log or a recipe that says the same again. */
export function changedOptions(options: Options): Partial<Options> {
  const values = Object.entries(options) as [OptionName, Value][];
  return Object.fromEntries(
    values.filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(definitions[name].default)),
  ) as Partial<Options>;
}

const LORA_ONLY: readonly OptionName[] = [
  'lora_r',
  'lora_alpha',
  'lora_dropout',
  'target_modules',
  'modules_to_save',
  'use_rslora',
  'use_dora',
];
const TASK_LISTS: readonly OptionName[] = ['tasks_list_json_path_AD', 'tasks_list_json_path_detect', 'tasks_list_json_path_TL'];

/** medvision_bm's flags of the temperature sampler, as ours. Returns notes; @throws UserError where both say something else */
function takeSampler(options: Options, given: ReadonlySet<OptionName>): string[] {
  const { enable_temperature_sampler: isOn, temperature_sampler_T: T } = options;
  if (!isOn) {
    const idle = (['temperature_sampler_T', 'temperature_sampler_num_samples'] as const).filter((name) => given.has(name));
    options.temperature_sampler_num_samples = -1;
    return idle.length === 0 ? [] : [`${idle.map((name) => `--${name}`).join(', ')}: no effect without --enable_temperature_sampler true.`];
  }
  if (given.has('mixing') && options.mixing !== 'temperature')
    throw new UserError(`--enable_temperature_sampler true and --mixing ${options.mixing} contradict each other; leave one of them out.`);
  if (given.has('mixing_temperature') && options.mixing_temperature !== T)
    throw new UserError(`--temperature_sampler_T ${T} and --mixing_temperature ${options.mixing_temperature} differ; give one of them.`);
  options.mixing = 'temperature';
  options.mixing_temperature = T;
  return [];
}

/** What no option can check alone. Returns notes; @throws UserError on a contradiction. */
function checkTogether(options: Options, given: ReadonlySet<OptionName>): string[] {
  const notes: string[] = [];
  const flags = (names: readonly OptionName[]): string => names.map((name) => `--${name}`).join(', ');
  const taskLists = TASK_LISTS.filter((name) => options[name] !== null);

  checkPin(options);
  if (options.reasoning_weight !== 1 && options.mask !== 'completion')
    notes.push(`--reasoning_weight goes with --mask completion; with --mask ${options.mask} it has no effect.`);
  readShape(options);
  if (options.pad_to_shape && options.new_shape_hw.length === 0) notes.push('--pad_to_shape: no effect without --new_shape_hw.');
  notes.push(...takeSampler(options, given));
  if (options.base_model_hf === null) throw new UserError('No base model: give --base_model_hf a Hugging Face model folder or hub id.');
  if (options.finetune === 'full' && (options.merge_model || options.merge_only))
    throw new UserError('--finetune full leaves a whole model; there is no adapter to merge. Drop --merge_model and --merge_only.');
  if (options.finetune === 'full' && (options.push_LoRA || options.push_merged_model))
    throw new UserError(
      '--finetune full leaves a whole model, no adapter: --push_LoRA and --push_merged_model do not apply. Upload the folder with `hf ' +
        'upload`.',
    );
  if (options.dry_run) {
    const others = (['merge_only', 'process_dataset_only', 'export_jsonl', 'export_verl'] as const).filter(
      (name) => options[name] !== false && options[name] !== null,
    );
    if (others.length > 0)
      throw new UserError(
        `--dry_run true tells how much GPU memory a training run takes, and ${flags(others)} takes none: there is nothing to plan. Leave ` +
          `one of them out.`,
      );
  }
  for (const [name, push] of [
    ['lora_hub_repo', 'push_LoRA'],
    ['merged_model_hf', 'push_merged_model'],
  ] as const)
    if (given.has(name) && !options[push]) notes.push(`--${name}: no effect without --${push} true.`);
  if (options.offline) {
    const online = (['push_LoRA', 'push_merged_model'] as const).filter((name) => options[name]);
    if (online.length > 0)
      throw new UserError(`--offline true and ${flags(online)} contradict each other: pushing sends to the hub. Leave one of them out.`);
    if (options.wandb_mode === 'online')
      throw new UserError('--offline true and --wandb_mode online contradict each other; leave one of them out.');
    if (options.wandb_mode === null && options.report_to.includes('wandb'))
      notes.push('--offline true: W&B keeps its files here, for `wandb sync`.');
  }
  const isRounded = options.quantization === 'nf4' || options.merge_base === 'dequantised';
  if (given.has('quantization_skip_modules') && !isRounded)
    notes.push('--quantization_skip_modules: no effect without --quantization nf4.');
  if (options.merge_only) return notes; // nothing is trained
  if (given.has('merged_model_dir') && !options.merge_model && !options.push_merged_model)
    notes.push('--merged_model_dir: no effect without --merge_model true or --merge_only true.');
  if (options.process_dataset_only && options.skip_process_dataset)
    throw new UserError('--process_dataset_only and --skip_process_dataset are opposites; give one of them.');
  if ((options.process_dataset_only || options.skip_process_dataset || options.prepared_ds_dir !== null) && options.train_file !== null)
    throw new UserError(
      'Conversations of --train_file are not prepared; --process_dataset_only, --skip_process_dataset and --prepared_ds_dir go with task ' +
        'lists.',
    );
  // A prepared folder that is named is all there is to know.
  const isPrepared = options.skip_process_dataset && options.prepared_ds_dir !== null;
  if (options.train_file === null && taskLists.length === 0 && !isPrepared)
    throw new UserError(
      `Nothing to train on: give --train_file a JSONL file of conversations, or --data_dir and one of ${flags(TASK_LISTS)}.`,
    );
  if (options.train_file !== null && taskLists.length > 0)
    throw new UserError(`--train_file and ${flags(taskLists)} are two sources of rows; give one of them.`);
  if (options.val_file !== null && options.train_file === null)
    throw new UserError('--val_file goes with --train_file; with task lists --val_sample_limit says how many rows are held out.');
  if (taskLists.length > 0 && options.data_dir === null && !isPrepared)
    throw new UserError(`${flags(taskLists)} needs --data_dir, the folder that holds Datasets/.`);
  if (options.image_size !== null && !options.process_dataset_only)
    throw new UserError(
      '--image_size goes with --process_dataset_only true: rows are prepared for another model than the base model, which could not ' +
        'train on them.',
    );
  for (const name of ['export_jsonl', 'export_verl'] as const)
    if (options[name] !== null && taskLists.length === 0)
      throw new UserError(`--${name} writes rows of task lists; give ${flags(TASK_LISTS)}.`);
  if (options.min_pixels !== null && options.max_pixels !== null && options.min_pixels > options.max_pixels)
    throw new UserError(`--min_pixels ${options.min_pixels} is above --max_pixels ${options.max_pixels}; swap them or drop one.`);

  if (options.finetune === 'full' && (options.offload === 'weights' || options.offload === 'all'))
    notes.push(
      `--offload ${options.offload}: with --finetune full no weight is frozen; ` +
        `${options.offload === 'all' ? 'only the optimizer is offloaded' : 'nothing is offloaded'}.`,
    );
  const lora = LORA_ONLY.filter((name) => given.has(name));
  if (options.finetune === 'full') {
    if (options.init_adapter !== null)
      throw new UserError('--init_adapter goes with --finetune lora; --finetune full trains the weights of --base_model_hf themselves.');
    if (lora.length > 0) notes.push(`${flags(lora)}: no effect with --finetune full.`);
  } else if (options.init_adapter !== null && lora.length > 0)
    notes.push(`${flags(lora)}: the adapter of --init_adapter keeps its own settings.`);
  if (options.max_steps > 0 && given.has('epoch')) notes.push('--max_steps overrides --epoch.');
  if (options.lr_scheduler_type === 'constant') {
    const warmup = (['warmup_ratio', 'warmup_steps'] as const).filter((name) => given.has(name) && options[name] > 0);
    if (warmup.length > 0) notes.push(`${flags(warmup)}: constant has no warm-up; constant_with_warmup has.`);
  } else if (options.warmup_steps > 0 && given.has('warmup_ratio')) notes.push('--warmup_steps overrides --warmup_ratio.');
  return notes;
}
