/**
 * Options of the data: conversation files, MedVision task lists with their sample limits, images; and the flags of medvision_bm that only make
 * Python faster, which its scripts pass and which are accepted here without effect.
 */
import type { Definition } from './definition.ts';

const PREPARED_LATER = 'Prepared data sets are not built yet: leave it out, training formats the rows itself as it reads them.';

export const dataOptions = {
  train_file: {
    group: 'Data', type: 'string', default: null,
    help: 'JSONL of conversations, {"messages":[…],"images":[…]} a line; image paths are absolute or relative to the file.',
  },
  val_file: {
    group: 'Data', type: 'string', default: null,
    note: 'its rows are read and checked, but evaluation during training is not built yet.', help: 'The same for validation; goes with --train_file.',
  },
  mask: {
    group: 'Data', type: 'enum', default: 'completion', choices: ['completion', 'reference'],
    help: 'What is learnt. completion: what the assistant says. reference: everything but padding and image tokens, prompts as well, ' +
      "as medvision_bm's collate leaves it.",
  },
  shuffle: { group: 'Data', type: 'boolean', default: true, help: 'Draw the rows in a new order every epoch; false: in the order of the file.' },
  min_pixels: {
    group: 'Data', type: 'integer', default: null, min: 1,
    help: "Images with fewer pixels are enlarged. Unset: as the model's preprocessor_config.json says.",
  },
  max_pixels: {
    group: 'Data', type: 'integer', default: null, min: 1,
    help: 'Images with more pixels are reduced; the main lever on memory and time. Unset: as the model says.',
  },

  data_dir: {
    group: 'Task lists', type: 'string', default: null, env: 'MedVision_DATA_DIR',
    help: 'MedVision data folder, the one with Datasets/ in it. Required with task lists.',
  },
  tasks_list_json_path_AD: {
    group: 'Task lists', type: 'string', default: null,
    help: 'Task list of angles and distances: JSON, task names as keys.',
  },
  tasks_list_json_path_detect: { group: 'Task lists', type: 'string', default: null, help: 'Task list of detection.' },
  tasks_list_json_path_TL: { group: 'Task lists', type: 'string', default: null, help: 'Task list of tumour and lesion sizes.' },
  planner_version: {
    group: 'Task lists', type: 'string', default: null, env: 'MedVision_PLANNER_VERSION',
    help: 'Version of the benchmark plans, as 1.0.0. Unset: the newest plan of each dataset.',
  },
  prompt_style: {
    group: 'Task lists', type: 'enum', default: 'corrected', choices: ['corrected', 'reference'],
    help: "corrected: box edges with the last pixel, stated image size, one word a unit. reference: medvision_bm's prompts and targets to the character.",
  },
  intensity: {
    group: 'Task lists', type: 'enum', default: 'minmax', choices: ['minmax', 'window', 'percentile'],
    help: 'Grey levels of a slice. minmax: from its least to its greatest value. percentile: from the 0.5th to the 99.5th. ' +
      'window: for CT a window in Hounsfield units by the structure, percentile for the rest.',
  },
  image_size: {
    group: 'Task lists', type: 'integer', default: null, min: 1, max: 65536,
    help: "Only with --process_dataset_only true: rows for a model with this fixed image size instead of the processor's own.",
  },
  split: {
    group: 'Task lists', type: 'enum', default: 'volume', choices: ['volume', 'slice'],
    help: 'What is held out for validation. volume: whole volumes, of every task. slice: single slices, as medvision_bm draws them.',
  },
  mixing: {
    group: 'Task lists', type: 'enum', default: 'concatenate', choices: ['concatenate', 'balanced', 'temperature'],
    help: 'How often tasks are seen. concatenate: every row once. balanced: all tasks alike. temperature: in proportion to size^(1/T). The number of rows stays.',
  },
  mixing_temperature: { group: 'Task lists', type: 'number', default: 5, above: 0, help: 'T of --mixing temperature; 1: by size, large: all tasks alike.' },
  train_sample_limit: { group: 'Task lists', type: 'integer', default: -1, min: 1, all: true, help: 'Training rows in all; -1: all of them.' },
  val_sample_limit: {
    group: 'Task lists', type: 'integer', default: 100, min: 0, all: true,
    help: 'Validation rows in all; -1: as many as the limits per task give; 0: no validation set.',
  },
  train_sample_limit_per_task: {
    group: 'Task lists', type: 'integer', default: -1, min: 1, all: true,
    help: 'Training rows of one kind of task; -1: all.',
  },
  val_sample_limit_per_task: {
    group: 'Task lists', type: 'integer', default: 100, min: 1, all: true,
    help: 'Validation rows of one kind of task; -1: a tenth of its rows, to the end of the volume.',
  },
  train_sample_limit_task_AD: {
    group: 'Task lists', type: 'integer', default: -1, min: 1, all: true,
    help: 'The same for angles and distances alone; -1: the limit per task holds.',
  },
  train_sample_limit_task_Detection: { group: 'Task lists', type: 'integer', default: -1, min: 1, all: true, help: 'For detection alone.' },
  train_sample_limit_task_TL: { group: 'Task lists', type: 'integer', default: -1, min: 1, all: true, help: 'For tumour and lesion sizes alone.' },
  val_sample_limit_task_AD: {
    group: 'Task lists', type: 'integer', default: -1, min: 1, all: true,
    help: 'Validation rows of angles and distances alone.',
  },
  val_sample_limit_task_Detection: { group: 'Task lists', type: 'integer', default: -1, min: 1, all: true, help: 'Of detection alone.' },
  val_sample_limit_task_TL: { group: 'Task lists', type: 'integer', default: -1, min: 1, all: true, help: 'Of tumour and lesion sizes alone.' },
  process_dataset_only: { group: 'Task lists', type: 'boolean', default: false, refusal: PREPARED_LATER, help: 'Prepare the data and do not train.' },
  skip_process_dataset: { group: 'Task lists', type: 'boolean', default: false, refusal: PREPARED_LATER, help: 'Train on data prepared before.' },
  prepared_ds_dir: { group: 'Task lists', type: 'string', default: null, refusal: PREPARED_LATER, help: 'Folder of the prepared data.' },

  eval_steps: {
    group: 'Evaluation', type: 'integer', default: 50, min: 1,
    refusal: 'Evaluation during training is not built yet: leave it out; the checkpoints of --save_steps can be evaluated afterwards.',
    help: 'Steps from one evaluation to the next.',
  },
  per_device_eval_batch_size: {
    group: 'Evaluation', type: 'integer', default: 20, min: 1, note: 'evaluation during training is not built yet.', help: 'Rows in a micro-batch of evaluation.',
  },

  process_img: noEffect('boolean', false, 'images are always resized by the processor of the model as they are read.'),
  save_processed_img_to_disk: noEffect('boolean', false, 'slices are read from the volumes; no image files are left on disk.'),
  use_flash_attention_2: noEffect('boolean', true, "attention is always a flash-style kernel, and it keeps Gemma3's image mask."),
  num_workers_concat_datasets: noEffect('integer', 4, 'there are no worker processes to count.'),
  num_workers_format_dataset: noEffect('integer', 32, 'there are no worker processes to count.'),
  dataloader_num_workers: noEffect('integer', 8, 'there are no worker processes to count.'),
  dataloader_pin_memory: noEffect('boolean', true, 'WebGPU has no pinned memory to choose.'),
} as const satisfies Record<string, Definition>;

function noEffect<T extends 'boolean' | 'integer', D extends boolean | number>(type: T, value: D, why: string) {
  return { group: 'Accepted, without effect', type, default: value, min: 0, note: `it has no effect here: ${why}`, help: `No effect: ${why}` } as const;
}
