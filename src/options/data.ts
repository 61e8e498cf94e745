/**
 * Options of the data: conversation files, MedVision task lists, images, evaluation; and the flags of medvision_bm that only make Python
 * faster, which its scripts pass and which are accepted here without effect.
 */
import type { Definition } from './definition.ts';
import { taskListOptions } from './taskLists.ts';

export const dataOptions = {
  train_file: {
    group: 'Data',
    type: 'string',
    default: null,
    place: 'path',
    help:
      'Conversations: JSON lines, a JSON array (both may be gzip) or Parquet, with rows as TRL, ShareGPT, LLaMA-Factory or ms-swift ' +
      'write them, {"messages":[…],"images":[…]} for one; image paths are absolute or relative to the file.',
  },
  val_file: {
    group: 'Data',
    type: 'string',
    default: null,
    place: 'path',
    help: 'The same for validation, every --eval_steps; goes with --train_file.',
  },
  mask: {
    group: 'Data',
    type: 'enum',
    default: 'completion',
    choices: ['completion', 'answer', 'reference'],
    help:
      'What is learnt. completion: what the assistant says. answer: of that, where there is an <answer> block, what begins with it; ' +
      'steps before it are read but not learnt. reference: everything but padding and image tokens, prompts as well, ' +
      'as medvision_bm\'s collate leaves it. Answers that a row takes out ("train": false) are never learnt.',
  },
  reasoning_weight: {
    group: 'Data',
    type: 'number',
    default: 1,
    above: 0,
    max: 1,
    help:
      'What stands before <answer> in what the assistant says counts so much in the loss, the answer 1; the mean is over the weights. ' +
      '--mask answer leaves it out.',
  },
  check_data: {
    group: 'Data',
    type: 'enum',
    default: null,
    choices: ['headers', 'full', 'none'],
    help:
      'What is known of the rows of --train_file and --val_file before the first step. headers: form, labels, length, and of each ' +
      'picture that it is there, its format and size. full: each picture is decoded as well. none: form alone. Unset: full for up to 512 ' +
      'pictures, else headers. Pictures that have not changed since are not looked at again (their list is in the cache folder, ' +
      '~/.cache/vernier/checked).',
  },
  on_bad_row: {
    group: 'Data',
    type: 'enum',
    default: 'stop',
    choices: ['stop', 'skip'],
    help:
      'Rows that cannot be used (no known form, no picture, longer than the model’s max_position_embeddings, nothing to learn), ' +
      'found before the first step. stop: they are listed and nothing is trained. skip: they are listed and left out. A picture that ' +
      'breaks later ends the run either way, after it is saved.',
  },
  shuffle: {
    group: 'Data',
    type: 'boolean',
    default: true,
    help: 'Draw the rows in a new order every epoch; false: in the order of the file.',
  },
  group_by_length: {
    group: 'Data',
    type: 'boolean',
    default: false,
    help: 'Rows of about the same length share a micro-batch (the order still follows from the seed); the longest comes first.',
  },
  dataloader_num_workers: {
    group: 'Data',
    type: 'integer',
    default: 8,
    min: 0,
    help: 'Threads that read rows for training (volumes, pictures, tokens), at most one a core; 0: the training thread does it.',
  },
  min_pixels: {
    group: 'Data',
    type: 'integer',
    default: null,
    min: 1,
    help: "Images with fewer pixels are enlarged. Unset: as the model's preprocessor_config.json says.",
  },
  max_pixels: {
    group: 'Data',
    type: 'integer',
    default: null,
    min: 1,
    help: 'Images with more pixels are reduced; the main lever on memory and time. Unset: as the model says.',
  },
  do_image_splitting: {
    group: 'Data',
    type: 'boolean',
    default: null,
    help:
      'SmolVLM, Idefics3: images are cut into tiles, which the model sees one by one, and then whole (true), or seen whole alone, which ' +
      'takes a fraction of the tokens. Unset: as the model says.',
  },
  longest_edge: {
    group: 'Data',
    type: 'integer',
    default: null,
    min: 1,
    help:
      'SmolVLM, Idefics3: longer side, in pixels, that images are brought to before they are cut into tiles: less makes fewer tiles. ' +
      'Unset: as size.longest_edge of the model says.',
  },
  sixteen_bit: {
    group: 'Data',
    type: 'enum',
    default: 'clip',
    choices: ['clip', 'scale', 'window'],
    help:
      'Grey picture files of more than 8 bits, as X-rays are. clip: cut off at 255, as Pillow and so transformers does, with a ' +
      'warning. scale: 0 to 65535 (-32768 to 32767 where signed) become 0 to 255; 32-bit and floating-point ones from their least to ' +
      'their greatest value. window: from the 0.5th to the 99.5th percentile of the picture. Colour keeps its high byte.',
  },
  ...taskListOptions,

  eval_steps: {
    group: 'Evaluation',
    type: 'integer',
    default: 50,
    min: 1,
    help:
      'Steps from one evaluation of the held-out rows (--val_file, --val_sample_limit) to the next: eval_loss and ' +
      'eval_mean_token_accuracy, and of task lists also of each task, as eval_AD_loss, eval_Detection_loss, eval_TL_loss.',
  },
  per_device_eval_batch_size: {
    group: 'Evaluation',
    type: 'integer',
    default: 20,
    min: 1,
    help: 'Rows in a micro-batch of evaluation, and answers that are written at a time.',
  },
  eval_generate: {
    group: 'Evaluation',
    type: 'integer',
    default: 0,
    min: 0,
    help:
      'Held-out rows of each task, always the same, that the model also answers at every evaluation. The answers are scored as ' +
      "MedVision's benchmark does: eval_AD_mae, _mre, _nmae, _mre<0.1, _success_rate (TL alike), of AD also _mae_mm (distances) and " +
      '_mae_deg (angles), eval_Detection_iou, _f1, _precision, _recall, _iou>0.5, _iou_.50:.95, _mae, _success_rate. 0: none. For task ' +
      'lists, and rows of --val_file that name a "task" (AD, Detection, TL). W&B and ' +
      'TensorBoard get pictures of up to four a task, the answer and the truth drawn in or below; four rows of no task are answered for ' +
      'such pictures too.',
  },
  eval_max_new_tokens: {
    group: 'Evaluation',
    type: 'integer',
    default: 128,
    min: 1,
    help: 'Length at which such an answer is cut off; a right one has about 30 tokens.',
  },

  use_flash_attention_2: noEffect(
    'boolean',
    true,
    "attention is always a flash-style kernel, and it keeps Gemma3's image mask (--image_attention causal drops it).",
  ),
  num_workers_concat_datasets: noEffect('integer', 4, 'plans are streamed one after the other, each once for all of its tasks.'),
  dataloader_pin_memory: noEffect('boolean', true, 'WebGPU has no pinned memory to choose.'),
} as const satisfies Record<string, Definition>;

function noEffect<T extends 'boolean' | 'integer', D extends boolean | number>(type: T, value: D, why: string) {
  const [note, help] = [`it has no effect here: ${why}`, `No effect: ${why}`];
  return { group: 'Accepted, without effect', type, default: value, min: 0, note, help } as const;
}
