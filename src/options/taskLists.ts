/** Options of MedVision task lists: which annotations, how they are asked and shown, the split, limits, mixing, and prepared rows. */
import { INTENSITY_MODES } from '../data/medvision/intensity.ts';
import type { Definition } from './definition.ts';

export const taskListOptions = {
  data_dir: {
    group: 'Task lists',
    type: 'string',
    default: null,
    place: 'path or hub id',
    env: 'MedVision_DATA_DIR',
    help:
      'MedVision data folder, the one with Datasets/ in it; or the hub data set ORG/NAME[@REVISION], of which what the tasks need is ' +
      'fetched. Required with task lists.',
  },
  tasks_list_json_path_AD: {
    group: 'Task lists',
    type: 'string',
    default: null,
    place: 'path',
    help: 'Task list of angles and distances: JSON, task names as keys.',
  },
  tasks_list_json_path_detect: { group: 'Task lists', type: 'string', default: null, place: 'path', help: 'Task list of detection.' },
  tasks_list_json_path_TL: {
    group: 'Task lists',
    type: 'string',
    default: null,
    place: 'path',
    help: 'Task list of tumour and lesion sizes.',
  },
  planner_version: {
    group: 'Task lists',
    type: 'string',
    default: null,
    env: 'MedVision_PLANNER_VERSION',
    help:
      'Version of the annotations, as 1.4.0: of each dataset the newest plan that was published at or before it. Below 1.4.0 it needs ' +
      '--ack_release. Unset: the newest plan there is.',
  },
  ack_release: {
    group: 'Task lists',
    type: 'string',
    default: null,
    env: 'MedVision_ACK_RELEASE',
    help: "The newest release of the annotations, 1.4.0, said by whoever pins an older one: its figures are not comparable with today's.",
  },
  disable_sample_filtering: {
    group: 'Task lists',
    type: 'boolean',
    default: false,
    env: 'MedVision_DISABLE_SAMPLE_FILTERING',
    help:
      "Also the rows that MedVision's loader leaves out: several boxes of a label on a slice, several ellipses, boxes with a side " +
      'below 10 pixels. An answer then has the numbers of all of them, the largest first.',
  },
  prompt_style: {
    group: 'Task lists',
    type: 'enum',
    default: 'corrected',
    choices: ['corrected', 'reference'],
    help:
      "corrected: box edges with the last pixel, stated image size, one word a unit. reference: medvision_bm's prompts and targets " +
      'to the character.',
  },
  answer_template: {
    group: 'Task lists',
    type: 'string',
    default: null,
    place: 'path',
    help:
      'Words prompts and answers: a YAML file with Jinja texts for box, ellipse, distance and angle (src/data/medvision/README.md), or ' +
      'the word steps, whose answers show how they come about. The numbers stay those of the plan.',
  },
  export_jsonl: {
    group: 'Task lists',
    type: 'string',
    default: null,
    place: 'path',
    help: 'Also write the rows to this file as JSON lines: task, split, image file and slice, prompt, target, SHA-256 of the picture.',
  },
  export_verl: {
    group: 'Task lists',
    type: 'string',
    default: null,
    place: 'path',
    help:
      "Also write the rows, with their pictures, into this folder as Parquet with verl's columns for reinforcement learning: prompt, " +
      'images, ground_truth, data_source, ability, reward_model, extra_info.',
  },
  intensity: {
    group: 'Task lists',
    type: 'enum',
    default: 'minmax',
    choices: INTENSITY_MODES,
    help:
      'Grey levels of a slice. minmax: from its least to its greatest value. percentile: from the 0.5th to the 99.5th. ' +
      'window: for CT a window in Hounsfield units by the structure, percentile for the rest. ct_rgb: for CT three windows as red, green ' +
      'and blue, as MedGemma is given them (-1024 to 1024, -135 to 215, 0 to 80), percentile for the rest.',
  },
  new_shape_hw: {
    group: 'Task lists',
    type: 'list',
    default: [],
    repeats: true,
    aliases: ['reshape_image_hw'],
    help:
      'Height and width that slices are brought to before the model resizes them, as 512 512; grey levels follow afterwards. Pixel sizes ' +
      'in questions follow.',
  },
  pad_to_shape: {
    group: 'Task lists',
    type: 'boolean',
    default: false,
    help: 'With --new_shape_hw: the slice keeps its aspect, and the rest of the picture is black; mm are those of the slice alone.',
  },
  image_size: {
    group: 'Task lists',
    type: 'integer',
    default: null,
    min: 1,
    max: 65536,
    help: "Only with --process_dataset_only true: rows for a model with this fixed image size instead of the processor's own.",
  },
  split: {
    group: 'Task lists',
    type: 'enum',
    default: 'volume',
    choices: ['volume', 'slice'],
    help: 'What is held out for validation. volume: whole volumes, of every task. slice: single slices, as medvision_bm draws them.',
  },
  mixing: {
    group: 'Task lists',
    type: 'enum',
    default: 'concatenate',
    choices: ['concatenate', 'balanced', 'temperature'],
    help:
      'How often tasks are seen. concatenate: every row once. balanced: all tasks alike. temperature: in proportion to size^(1/T). ' +
      'The number of rows stays.',
  },
  mixing_temperature: {
    group: 'Task lists',
    type: 'number',
    default: 5,
    above: 0,
    help: 'T of --mixing temperature; 1: by size, large: all tasks alike.',
  },
  enable_temperature_sampler: {
    group: 'Task lists',
    type: 'boolean',
    default: false,
    help: "medvision_bm's name for --mixing temperature.",
  },
  temperature_sampler_T: {
    group: 'Task lists',
    type: 'number',
    default: 3,
    above: 0,
    help: 'Its --mixing_temperature, with its own default.',
  },
  temperature_sampler_num_samples: {
    group: 'Task lists',
    type: 'integer',
    default: -1,
    min: 1,
    all: true,
    help: 'Rows that it draws, of small tasks again and again where there are not so many; -1: as many as there are.',
  },
  train_sample_limit: {
    group: 'Task lists',
    type: 'integer',
    default: -1,
    min: 1,
    all: true,
    help: 'Training rows in all; -1: all of them.',
  },
  val_sample_limit: {
    group: 'Task lists',
    type: 'integer',
    default: 100,
    min: 0,
    all: true,
    help: 'Validation rows in all; -1: as many as the limits per task give; 0: no validation set.',
  },
  train_sample_limit_per_task: {
    group: 'Task lists',
    type: 'integer',
    default: -1,
    min: 1,
    all: true,
    help: 'Training rows of one kind of task; -1: all.',
  },
  val_sample_limit_per_task: {
    group: 'Task lists',
    type: 'integer',
    default: 100,
    min: 1,
    all: true,
    help: 'Validation rows of one kind of task; -1: a tenth of its rows, to the end of the volume.',
  },
  train_sample_limit_task_AD: {
    group: 'Task lists',
    type: 'integer',
    default: -1,
    min: 1,
    all: true,
    help: 'The same for angles and distances alone; -1: the limit per task holds.',
  },
  train_sample_limit_task_Detection: { group: 'Task lists', type: 'integer', default: -1, min: 1, all: true, help: 'For detection alone.' },
  train_sample_limit_task_TL: {
    group: 'Task lists',
    type: 'integer',
    default: -1,
    min: 1,
    all: true,
    help: 'For tumour and lesion sizes alone.',
  },
  val_sample_limit_task_AD: {
    group: 'Task lists',
    type: 'integer',
    default: -1,
    min: 1,
    all: true,
    help: 'Validation rows of angles and distances alone.',
  },
  val_sample_limit_task_Detection: { group: 'Task lists', type: 'integer', default: -1, min: 1, all: true, help: 'Of detection alone.' },
  val_sample_limit_task_TL: {
    group: 'Task lists',
    type: 'integer',
    default: -1,
    min: 1,
    all: true,
    help: 'Of tumour and lesion sizes alone.',
  },
  process_dataset_only: {
    group: 'Task lists',
    type: 'boolean',
    default: false,
    help:
      'Prepare the rows of the task lists in a folder and end. Needs no GPU, and of the base model only its configuration, tokenizer ' +
      'and processor.',
  },
  skip_process_dataset: {
    group: 'Task lists',
    type: 'boolean',
    default: false,
    help:
      'Train on the folder that was prepared with these settings; an error names each setting in which it differs. Volumes and plans ' +
      'need not be there.',
  },
  prepared_ds_dir: {
    group: 'Task lists',
    type: 'string',
    default: null,
    place: 'path',
    help:
      'Folder of the prepared rows (Parquet, manifest.json). Given without --skip_process_dataset, it is made or completed first. ' +
      'Unset: DATA_DIR/SFT_datasets/<model_type>/<name of the settings>.',
  },
  process_img: {
    group: 'Task lists',
    type: 'boolean',
    default: false,
    help:
      'Prepare the pictures as well: each slice as PNG inside the Parquet files. false: annotations only, slices are cut from the ' +
      'volumes during training.',
  },
  save_processed_img_to_disk: {
    group: 'Task lists',
    type: 'boolean',
    default: false,
    help: 'As --process_img, and each slice also as a PNG file in png/ of the folder.',
  },
  num_workers_format_dataset: {
    group: 'Task lists',
    type: 'integer',
    default: 32,
    min: 0,
    help: 'Threads that prepare rows, at most one a core; 0: none beside the main one. The result is the same to the byte.',
  },
} as const satisfies Record<string, Definition>;
