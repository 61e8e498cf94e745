/** The options of `node dist/evaluate.js`: those of training that say which model and which rows, and its own. */
import { readShape } from '../data/medvision/canvas.ts';
import { checkPin } from '../data/medvision/planVersion.ts';
import { UserError } from '../platform.ts';
import { dataOptions } from './data.ts';
import type { Definition } from './definition.ts';
import { hubOptions } from './hub.ts';
import { modelOptions } from './model.ts';
import type { OptionsOf, Parsed, Program } from './program.ts';
import { trainingOptions } from './training.ts';
import { gpu_adapter, worldOptions } from './world.ts';

const { config, base_model_hf, compute_dtype, image_attention, quantization, quantization_skip_modules, quantize_embedding } = modelOptions;
const { submit_ms } = trainingOptions;
const {
  check_data,
  on_bad_row,
  min_pixels,
  max_pixels,
  do_image_splitting,
  longest_edge,
  sixteen_bit,
  dataloader_num_workers,
  data_dir,
  tasks_list_json_path_AD,
  tasks_list_json_path_detect,
  tasks_list_json_path_TL,
  planner_version,
  ack_release,
  disable_sample_filtering,
  prompt_style,
  answer_template,
  intensity,
  new_shape_hw,
  pad_to_shape,
  image_size,
  split,
  val_sample_limit,
  val_sample_limit_per_task,
  val_sample_limit_task_AD,
  val_sample_limit_task_Detection,
  val_sample_limit_task_TL,
  per_device_eval_batch_size,
} = dataOptions;

export const definitions = {
  config,
  offline: {
    ...hubOptions.offline,
    help: 'Connect to nothing: models, adapters and data come from folders or the cache, as with HF_HUB_OFFLINE=1.',
  },
  base_model_hf: {
    ...base_model_hf,
    help: 'The model: base or merged; a Hugging Face model folder, or a hub id. Not needed with --samples.',
  },
  lora_checkpoint_dir: {
    group: 'Model',
    type: 'string',
    default: null,
    place: 'path or hub id',
    aliases: ['adapter', 'init_adapter'],
    help: 'PEFT adapter on it: the folder of a run or of one of its checkpoints, or a hub id. Unset: the model alone.',
  },
  image_attention,
  compute_dtype,
  quantization,
  quantization_skip_modules,
  quantize_embedding,
  eval_file: {
    group: 'Data',
    type: 'string',
    default: null,
    place: 'path',
    aliases: ['val_file', 'test_file'],
    help:
      'Conversations, as dist/train.js takes them for --train_file: the last answer of each is what the model is asked for. Rows ' +
      'with a "task" (AD, Detection, TL or a task name) are scored; of the others the loss is told.',
  },
  samples: {
    group: 'Data',
    type: 'list',
    default: [],
    help:
      'Files of answers (samples.jsonl, or the <ts>_samples_<task>.jsonl of lmms-eval) to be read and scored again; nothing is ' +
      'generated and no GPU is needed.',
  },
  eval_split: {
    group: 'Data',
    type: 'enum',
    default: 'test',
    choices: ['test', 'validation', 'train'],
    help:
      "Of task lists: the plans' test cases; the rows that training with the same lists, --split, limits and seed held out; or the " +
      "plans' training cases. Of --prepared_ds_dir: validation or train.",
  },
  limit: {
    group: 'Data',
    type: 'integer',
    default: 1000,
    min: 1,
    all: true,
    aliases: ['sample_limit'],
    help:
      "Samples of each task, the first ones; -1: all. 1000 is what medvision_bm's benchmark takes. With --samples: all, unless it is " +
      'given.',
  },
  sample_indices: {
    group: 'Data',
    type: 'list',
    default: [],
    help: 'Of each task only the samples at these places, counted from 0 in its order: 0,5,10-19. --limit still holds. none: all of them.',
  },
  check_data: { ...check_data, help: check_data.help.replace('--train_file and --val_file', '--eval_file') },
  on_bad_row,
  dataloader_num_workers,
  min_pixels,
  max_pixels,
  do_image_splitting,
  longest_edge,
  sixteen_bit,
  data_dir,
  tasks_list_json_path_AD,
  tasks_list_json_path_detect,
  tasks_list_json_path_TL,
  prepared_ds_dir: {
    group: 'Task lists',
    type: 'string',
    default: null,
    place: 'path',
    help: 'Folder of prepared rows, in place of task lists.',
  },
  planner_version,
  ack_release,
  disable_sample_filtering,
  prompt_style,
  answer_template,
  intensity,
  new_shape_hw,
  pad_to_shape,
  image_size,
  split,
  val_sample_limit,
  val_sample_limit_per_task,
  val_sample_limit_task_AD,
  val_sample_limit_task_Detection,
  val_sample_limit_task_TL,
  seed: { ...trainingOptions.seed, help: 'Seed of the split for --eval_split validation, of --bootstrap and of --scaled_ps_low.' },
  per_device_eval_batch_size: { ...per_device_eval_batch_size, help: 'Answers that are written at a time.' },
  gpu_adapter,
  submit_ms,
  mpi_library: worldOptions.mpi_library,
  mpi_timeout: worldOptions.mpi_timeout,
  offload: {
    group: 'Evaluation',
    type: 'enum',
    default: 'none',
    choices: ['none', 'weights'],
    help:
      "For models larger than the GPU, with the same answers: the weights stay in their files (or in the machine's memory) and pass " +
      'through the GPU block by block, once for every token, so that larger batches cost little more.',
  },
  feature_cache: {
    ...trainingOptions.feature_cache,
    help:
      "GiB of the machine's memory, at each rank, for what the vision tower has made of the latest pictures: further questions about " +
      'one are answered without it, in the same way.',
  },
  max_new_tokens: {
    group: 'Evaluation',
    type: 'integer',
    default: 1024,
    min: 1,
    aliases: ['eval_max_new_tokens'],
    help: "Length at which an answer is cut off; 1024 is medvision_bm's. Decoding is greedy.",
  },
  parser: {
    group: 'Evaluation',
    type: 'enum',
    default: 'robust',
    choices: ['robust', 'reference'],
    help:
      'How numbers are read out of an answer. robust: exponents, thousands separators, leading dots, ranges, units and remarks as ' +
      'people mean them, the first <answer> block if there is one. reference: the last numbers as medvision_bm reads them, its ' +
      'arithmetic too.',
  },
  stop_strings: {
    group: 'Evaluation',
    type: 'list',
    default: [],
    files: true,
    help: "Texts, parted by commas, that end an answer where they are written; they stay its end. '</answer>' for answers with steps.",
  },
  answer_cache: {
    group: 'Evaluation',
    type: 'string',
    default: null,
    place: 'path',
    help:
      'Folder of answers that evaluations share: what the same model was asked with the same pixels, tokens and options is not asked ' +
      'again, in whichever evaluation. One that was killed goes on in its --output_dir without it.',
  },
  bootstrap: {
    group: 'Evaluation',
    type: 'integer',
    default: 1000,
    min: 0,
    max: 1_000_000,
    help: 'Resamples, by whole volumes, for the 95 % intervals of the figures; 0: no intervals. --seed draws them.',
  },
  cutoffs: {
    group: 'Evaluation',
    type: 'string',
    default: null,
    place: 'path',
    help:
      'Clinical cut-offs, JSON: [{"name":"RECIST target","task":"TL","group":"tumor","axis":"major","at":[10]}]. Told is how often an ' +
      'answer lies on the same side as the truth.',
  },
  scaled_ps_low: {
    group: 'Evaluation',
    type: 'number',
    default: null,
    above: 0,
    help:
      'With --scaled_ps_high: the pixel size in each question of task lists, and the true length with it, is multiplied by a factor from ' +
      'low to high (by --seed), to see whether the model uses it; summary.json, pixel_size_use: slope 1 if it does, 0 if not.',
  },
  scaled_ps_high: {
    group: 'Evaluation',
    type: 'number',
    default: null,
    above: 0,
    help: "The largest factor; 0.5 and 3 are medvision_bm's.",
  },
  min_group_size: {
    group: 'Evaluation',
    type: 'integer',
    default: 50,
    min: 1,
    help: 'Groups of fewer samples take no part in the means of anatomy and of tumours and lesions.',
  },
  output_dir: {
    group: 'Output',
    type: 'string',
    default: 'outputs/evaluation',
    place: 'path',
    help: 'Folder for samples.jsonl, the summaries and evaluation.json. An evaluation that was interrupted goes on there.',
  },
  overwrite: {
    group: 'Output',
    type: 'boolean',
    default: false,
    help: 'Begin anew in a folder that holds another evaluation, or files of the same names that are of something else.',
  },
} as const satisfies Record<string, Definition>;

export type EvaluateOptions = OptionsOf<typeof definitions>;
export type ParsedEvaluateOptions = Parsed<EvaluateOptions>;

const TASK_LISTS = ['tasks_list_json_path_AD', 'tasks_list_json_path_detect', 'tasks_list_json_path_TL'] as const;

export const evaluateProgram: Program<EvaluateOptions> = {
  intro: [
    'Asks a base model, an adapter or a merged model for answers, and scores them as the MedVision benchmark does.',
    '',
    'Usage: node dist/evaluate.js --base_model_hf DIR --lora_checkpoint_dir DIR --data_dir DATA --tasks_list_json_path_detect list.json ' +
      '[--name value …]',
    '       node dist/evaluate.js --base_model_hf DIR --eval_file rows.jsonl',
    '       node dist/evaluate.js --samples outputs/evaluation/samples.jsonl --parser reference --output_dir scored_again',
    'Flags are written --name value or --name=value; --config names a YAML file with the same names.',
  ],
  definitions,
  check(options, given) {
    checkPin(options);
    readShape(options);
    if (options.samples.length > 0 && !given.has('limit')) options.limit = -1; // what there is
    const lists = TASK_LISTS.filter((name) => options[name] !== null);
    const sources = [
      ...(options.samples.length > 0 ? ['--samples'] : []),
      ...(options.eval_file !== null ? ['--eval_file'] : []),
      ...(options.prepared_ds_dir !== null ? ['--prepared_ds_dir'] : []),
      ...(lists.length > 0 ? [lists.map((name) => `--${name}`).join(', ')] : []),
    ];
    if (sources.length === 0)
      throw new UserError(
        `Nothing to evaluate on: give --data_dir and one of ${TASK_LISTS.map((name) => `--${name}`).join(', ')}; ` +
          'or --prepared_ds_dir, --eval_file or --samples.',
      );
    if (sources.length > 1) throw new UserError(`${sources.join(' and ')} are ${sources.length} sources of rows; give one of them.`);
    if (lists.length > 0 && options.data_dir === null)
      throw new UserError(`${sources[0] ?? ''} needs --data_dir, the folder that holds Datasets/.`);
    if (options.samples.length === 0 && options.base_model_hf === null)
      throw new UserError(
        'No model: give --base_model_hf a Hugging Face model folder (base or merged), and --lora_checkpoint_dir an adapter for it.',
      );
    if (options.prepared_ds_dir !== null && options.eval_split === 'test')
      throw new UserError(
        '--prepared_ds_dir holds training and validation rows: say --eval_split validation (or train). Test cases are read with task ' +
          'lists.',
      );
    readIndices(options.sample_indices);
    checkScale(options, lists.length > 0);
    const notes: string[] = [];
    if (options.samples.length > 0 && options.lora_checkpoint_dir !== null) notes.push('--lora_checkpoint_dir: no effect with --samples.');
    if (given.has('quantization_skip_modules') && options.quantization !== 'nf4')
      notes.push('--quantization_skip_modules: no effect without --quantization nf4.');
    return notes;
  },
};

/** Both ends or none, and rows that can be worded with another pixel size. */
function checkScale({ scaled_ps_low: low, scaled_ps_high: high }: EvaluateOptions, hasLists: boolean): void {
  if (low === null && high === null) return;
  if (low === null || high === null || low > high)
    throw new UserError(
      `--scaled_ps_low and --scaled_ps_high go together, low first; found ${low ?? 'nothing'} and ${high ?? 'nothing'}. ` +
        `medvision_bm takes 0.5 and 3.`,
    );
  if (!hasLists) throw new UserError('--scaled_ps_low and --scaled_ps_high change questions of task lists; other rows are worded already.');
}

/** The places that `--sample_indices` names; undefined for all. @throws UserError */
export function readIndices(items: readonly string[]): ReadonlySet<number> | undefined {
  if (items.length === 0) return undefined;
  const places = new Set<number>();
  for (const item of items) {
    const [, from = '', to = from] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(item) ?? [];
    if (from === '' || Number(to) < Number(from) || Number(to) - Number(from) > 1_000_000)
      throw new UserError(`--sample_indices takes places from 0 and ranges, as 0,5,10-19; found "${item}".`);
    for (let place = Number(from); place <= Number(to); place++) places.add(place);
  }
  return places;
}
