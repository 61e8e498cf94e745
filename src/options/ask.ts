/** The options of `node dist/ask.js`: those of evaluation that say which model and how it is asked, and its own. */
import { askedTask } from '../data/medvision/askedTask.ts';
import { checkPin } from '../data/medvision/planVersion.ts';
import { UserError } from '../platform.ts';
import { dataOptions } from './data.ts';
import type { Definition } from './definition.ts';
import { definitions as evaluateDefinitions } from './evaluate.ts';
import { hubOptions } from './hub.ts';
import { modelOptions } from './model.ts';
import type { OptionsOf, Parsed, Program } from './program.ts';
import { trainingOptions } from './training.ts';
import { gpu_adapter } from './world.ts';

const { config, base_model_hf, compute_dtype, image_attention, quantization, quantization_skip_modules, quantize_embedding } = modelOptions;
const { submit_ms } = trainingOptions;
const { min_pixels, max_pixels, do_image_splitting, longest_edge, sixteen_bit, data_dir, planner_version, ack_release } = dataOptions;
const { prompt_style, answer_template, intensity, disable_sample_filtering, new_shape_hw, pad_to_shape } = dataOptions;

/** What is only of use where the samples of a plan are asked about. */
const OF_PLANS = ['disable_sample_filtering', 'new_shape_hw', 'pad_to_shape'] as const;
/** In the help of these. */
const OF_PLANS_WORDS = ' Only with the full name of a task.';
const { lora_checkpoint_dir, offload, feature_cache, parser, max_new_tokens } = evaluateDefinitions;

export const definitions = {
  config,
  offline: {
    ...hubOptions.offline,
    help: 'Connect to nothing: models, adapters and data come from folders or the cache, as with HF_HUB_OFFLINE=1.',
  },
  base_model_hf: { ...base_model_hf, help: 'The model: base or merged; a Hugging Face model folder, or a hub id.' },
  lora_checkpoint_dir, image_attention, compute_dtype, quantization, quantization_skip_modules, quantize_embedding,
  image: {
    group: 'Data', type: 'list', default: [], files: true, aliases: ['images'],
    help: 'Pictures that the question is about, all of them together: PNG, JPEG and what else training reads, and volumes ' +
      '(.nii, .nii.gz, .nrrd, .mha, a TIFF stack, DICOM of several slices), of which --slice says which slice. Commas or spaces between ' +
      'several.',
  },
  slice: {
    group: 'Data', type: 'list', default: [], repeats: true,
    help: 'Slice of each volume of --image, in their order, or one for all: sagittal:N, coronal:N or axial:N, from 0, along the axes as ' +
      'they are stored. With a task name: N alone, and its samples of that slice are asked about.',
  },
  series: {
    group: 'Data', type: 'string', default: null,
    help: 'Of a folder of DICOM in --image with several series: the one to read, by its number, SeriesInstanceUID or SeriesDescription.',
  },
  volume: {
    group: 'Data', type: 'integer', default: null, min: 1,
    help: 'Of DICOM in --image with several volumes (echoes, times, orientations): which, from 1; an error lists them.',
  },
  question: { group: 'Data', type: 'string', default: null, aliases: ['prompt'], help: 'What is asked, in your own words.' },
  task: {
    group: 'Data', type: 'string', default: null,
    help: "A MedVision question in place of --question. Detection, TL, Distance or Angle: about --image and what --of names. A task's " +
      'full name, as KiTS23_TumorLesionSize_Task01_Axial: its samples in --data_dir are asked about, and the right answers are told.',
  },
  of: {
    group: 'Data', type: 'string', default: null,
    help: 'What --task asks about: a structure ("left kidney"); of a Distance two landmarks, of an Angle the four that its two lines ' +
      'connect, with semicolons between, the name of the measure before them if it has one.',
  },
  image_description: {
    group: 'Data', type: 'string', default: null,
    help: 'With --task Detection, TL, Distance, Angle: what the picture is, as the plans say it ("A CT scan of the abdomen").',
  },
  modality: {
    group: 'Data', type: 'string', default: null,
    help: 'CT, MRI, …: with --intensity window, what kind of volume --image is.',
  },
  pixel_size: {
    group: 'Data', type: 'list', default: [], repeats: true,
    help: 'mm that a pixel of --image covers: one number, or width and height. Volumes and DICOM say it themselves. Questions for ' +
      'lengths and angles need it.',
  },
  min_pixels, max_pixels, do_image_splitting, longest_edge, sixteen_bit,
  data_dir: { ...data_dir, help: data_dir.help.replace('Required with task lists.', 'Required with the full name of a task.') },
  eval_split: {
    group: 'Task lists', type: 'enum', default: 'test', choices: ['test', 'train'],
    help: "Of a task's full name: the plan's test cases, or its training cases.",
  },
  case: {
    group: 'Task lists', type: 'string', default: null, aliases: ['case_id'],
    help: 'The case (case_ID) whose samples are asked about. Unset: any.',
  },
  limit: {
    group: 'Task lists', type: 'integer', default: 1, min: 1, all: true,
    help: 'Samples of the task that are asked about, the first ones; -1: all.',
  },
  planner_version, ack_release,
  disable_sample_filtering: { ...disable_sample_filtering, help: disable_sample_filtering.help + OF_PLANS_WORDS },
  prompt_style, answer_template, intensity,
  new_shape_hw: { ...new_shape_hw, help: new_shape_hw.help + OF_PLANS_WORDS },
  pad_to_shape, gpu_adapter, submit_ms,
  offload,
  feature_cache,
  max_new_tokens: {
    ...max_new_tokens, max: 65536, help: `${max_new_tokens.help} The most that a request to --serve gets.`,
  },
  parser,
  json: {
    group: 'Output', type: 'boolean', default: false, bare: true,
    help: 'Write the answer as JSON, a line for each, and nothing else.',
  },
  output_dir: {
    group: 'Output', type: 'string', default: null, place: 'path',
    help: 'Folder for answers.json and the pictures with what was answered drawn in (overlay_1.png, …). Unset: nothing is written.',
  },
  overwrite: { group: 'Output', type: 'boolean', default: false, help: 'Replace the answers that lie in --output_dir.' },
  serve: {
    group: 'Serving', type: 'boolean', default: false, bare: true,
    help: "Answer requests over HTTP, on this machine alone (127.0.0.1), as OpenAI's chat completions do. Ctrl-C ends it.",
  },
  port: { group: 'Serving', type: 'integer', default: 8383, min: 0, max: 65535, help: 'Port of --serve; 0: any that is free.' },
  serve_key: {
    group: 'Serving', type: 'string', default: null, env: 'VERNIER_SERVE_KEY',
    help: 'The key that requests must bring (Authorization: Bearer KEY), at least 16 characters. Others on the machine can read command ' +
      'lines, so the variable is the better place. Unset: one is made at the start and printed.',
  },
  serve_queue: {
    group: 'Serving', type: 'integer', default: 32, min: 1, max: 4096,
    help: 'Requests that are taken in at a time. One is answered, the others wait; beyond that, clients are told to try again later (503).',
  },
  serve_body_mib: {
    group: 'Serving', type: 'integer', default: 32, min: 1, max: 1024,
    help: 'Largest request in MiB, its pictures in base64 among it; those that are held at a time have eight times as much together.',
  },
  serve_seconds: {
    group: 'Serving', type: 'integer', default: 600, min: 1, max: 86400,
    help: 'Seconds until a request is given up, its time in the queue among them.',
  },
} as const satisfies Record<string, Definition>;

export type AskOptions = OptionsOf<typeof definitions>;
export type ParsedAskOptions = Parsed<AskOptions>;

/** A slice as it is said: the plane, and its place from 0 along the axes as they are stored. */
export const SLICE = /^(sagittal|coronal|axial):\d{1,6}$/i;

/** What says what is asked, which requests do where there is a server. */
const QUESTION = [
  'image',
  'slice',
  'series',
  'volume',
  'question',
  'task',
  'of',
  'image_description',
  'modality',
  'pixel_size',
  'data_dir',
  'case',
  'limit',
  'eval_split',
  'json',
  'output_dir',
];
const SERVING = ['port', 'serve_key', 'serve_queue', 'serve_body_mib', 'serve_seconds'];

export const askProgram: Program<AskOptions> = {
  intro: [
    'Asks a base model, an adapter or a merged model one question about one or several pictures; or does so for other programs, over HTTP.',
    '',
    'Usage: node dist/ask.js --base_model_hf DIR --lora_checkpoint_dir DIR --image knee.png --question "What is seen?"',
    '       node dist/ask.js --base_model_hf DIR --image head.nii.gz --slice axial:20 --task Detection ' +
      '--of "left thalamus" --output_dir answer',
    '       node dist/ask.js --base_model_hf DIR --data_dir DATA --task KiTS23_TumorLesionSize_Task01_Axial --limit 3 --json',
    '       node dist/ask.js --base_model_hf DIR --serve',
    'Flags are written --name value or --name=value; --config names a YAML file with the same names.',
  ],
  definitions,
  check(options, given) {
    if (options.base_model_hf === null)
      throw new UserError(
        'No model: give --base_model_hf a Hugging Face model folder (base or merged), and --lora_checkpoint_dir an adapter for it.',
      );
    checkPin(options);
    if (options.serve) return checkServing(options, given);
    checkQuestion(options);
    const idle = SERVING.filter((name) => given.has(name) && name !== 'serve_key');
    const isOfPlan = options.task !== null && askedTask(options.task, '--task').kind === 'plan';
    const idleOfPlans = isOfPlan ? [] : OF_PLANS.filter((name) => given.has(name));
    return [...withoutEffect(idle, '--serve'), ...withoutEffect(idleOfPlans, 'the full name of a task')];
  },
};

function withoutEffect(names: readonly string[], what: string): string[] {
  return names.length === 0 ? [] : [`${names.map((name) => `--${name}`).join(', ')}: no effect without ${what}.`];
}

function checkServing({ serve_key: key }: AskOptions, given: ReadonlySet<string>): string[] {
  // The data folder is also named by a variable, for the other programs.
  const refused = QUESTION.filter((name) => given.has(name) && name !== 'data_dir');
  if (refused.length > 0)
    throw new UserError(`--serve answers what requests ask: leave out ${refused.map((name) => `--${name}`).join(', ')}, or --serve.`);
  if (key !== null && !/^[\x21-\x7e]{16,512}$/.test(key))
    throw new UserError('--serve_key is 16 to 512 letters, digits and signs without spaces. Leave it out, and one is made.');
  return [];
}

function checkQuestion(options: AskOptions): void {
  const { image, slice, question, task, of, data_dir: dataDir } = options;
  if (question !== null && task !== null) throw new UserError('--question and --task both say what is asked; give one of them.');
  for (const text of options.pixel_size) {
    if (!(Number(text) > 0 && Number(text) < 1e6)) throw new UserError(`--pixel_size takes mm above 0, found "${text}".`);
  }
  if (options.pixel_size.length > 2)
    throw new UserError(`--pixel_size takes one number, or width and height; found ${options.pixel_size.length}.`);
  if (options.overwrite && options.output_dir === null)
    throw new UserError('--overwrite true needs --output_dir, the folder whose answers it may replace.');
  const asked = task === null ? undefined : askedTask(task, '--task');
  if (asked === undefined) {
    if (question === null) throw new UserError('Nothing is asked: give --question "…", or --task; or --serve, to answer requests.');
    if (of !== null) throw new UserError('--of goes with --task Detection, TL, Distance or Angle; with --question, name it there.');
  } else if (asked.kind === 'plan') {
    if (image.length > 0)
      throw new UserError(
        `--task ${task ?? ''} takes its pictures from --data_dir. Leave --image out, or say --task Detection, TL, Distance or Angle.`,
      );
    if (of !== null) throw new UserError(`--task ${task ?? ''} says itself what it is of; leave --of out.`);
    if (dataDir === null) throw new UserError(`--task ${task ?? ''} needs --data_dir, the folder that holds Datasets/.`);
    const wrong = slice.find((text) => !/^\d{1,6}$/.test(text));
    if (wrong !== undefined || slice.length > 1)
      throw new UserError(`--slice is one number with --task ${task ?? ''}, whose plane is known; found "${slice.join(',')}".`);
    return;
  } else {
    if (image.length !== 1)
      throw new UserError(
        `--task ${asked.kind} is asked about one picture; --image names ${image.length === 0 ? 'none' : image.length}.`,
      );
    asked.check(of, '--of');
  }
  const wrong = slice.find((text) => !SLICE.test(text));
  if (wrong !== undefined) throw new UserError(`--slice is sagittal:N, coronal:N or axial:N, N from 0; found "${wrong}".`);
}
