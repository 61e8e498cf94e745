/**
 * Options of the optimizer, batches and what a run leaves behind. Names are medvision_bm's where it has one, Hugging Face's where it has
 * not; the hyperparameters' defaults are the ones that medvision_bm fixes in code, and each exception says why.
 */
import type { Definition } from './definition.ts';

export const trainingOptions = {
  epoch: {
    group: 'Optimisation',
    type: 'number',
    default: 1,
    above: 0,
    aliases: ['num_train_epochs'],
    help: 'Passes over the training rows; may be a fraction.',
  },
  max_steps: {
    group: 'Optimisation',
    type: 'integer',
    default: -1,
    min: 1,
    all: true,
    help: 'Number of optimizer steps in place of --epoch; -1: by --epoch.',
  },
  learning_rate: { group: 'Optimisation', type: 'number', default: 2e-4, min: 0, help: 'Highest learning rate of the schedule.' },
  lr_scheduler_type: {
    group: 'Optimisation',
    type: 'enum',
    default: 'linear',
    choices: ['linear', 'cosine', 'constant', 'constant_with_warmup'],
    help: 'Schedule after the warm-up: to 0 along a line or half a cosine, or constant. As in Hugging Face, constant has no warm-up.',
  },
  warmup_ratio: {
    group: 'Optimisation',
    type: 'number',
    default: 0.03,
    min: 0,
    max: 1,
    help: 'Share of the steps, rounded up, over which the learning rate rises from 0.',
  },
  warmup_steps: {
    group: 'Optimisation',
    type: 'integer',
    default: 0,
    min: 0,
    help: 'Warm-up in steps; when above 0 it takes the place of --warmup_ratio.',
  },
  max_grad_norm: {
    group: 'Optimisation',
    type: 'number',
    default: 0.3,
    min: 0,
    help: 'Gradients are clipped to this global norm; 0: no clipping.',
  },
  weight_decay: { group: 'Optimisation', type: 'number', default: 0, min: 0, help: "AdamW's decoupled weight decay." },
  adam_beta1: { group: 'Optimisation', type: 'number', default: 0.9, min: 0, below: 1, help: "AdamW's decay of the first moment." },
  adam_beta2: { group: 'Optimisation', type: 'number', default: 0.999, min: 0, below: 1, help: "AdamW's decay of the second moment." },
  adam_epsilon: { group: 'Optimisation', type: 'number', default: 1e-8, above: 0, help: "AdamW's epsilon." },
  loss_reduction: {
    group: 'Optimisation',
    type: 'enum',
    default: 'token',
    choices: ['token', 'microbatch'],
    help:
      'token: mean over all labelled tokens of the accumulated batch. microbatch: mean of the means of the micro-batches, as ' +
      'medvision_bm has it for Qwen2.5-VL.',
  },
  seed: {
    group: 'Optimisation',
    type: 'integer',
    default: 1024,
    min: 0,
    max: 4294967295,
    help: 'Seed of the LoRA start, dropout, shuffling and the split.',
  },

  per_device_train_batch_size: { group: 'Batches and memory', type: 'integer', default: 20, min: 1, help: 'Rows in a micro-batch.' },
  gradient_accumulation_steps: {
    group: 'Batches and memory',
    type: 'integer',
    default: 2,
    min: 1,
    help: 'Micro-batches to one optimizer step.',
  },
  gradient_checkpointing: {
    group: 'Batches and memory',
    type: 'boolean',
    default: true,
    help:
      'Keep only the input of each block and run the block again in the backward pass, the normal way here; false keeps more and ' +
      'computes less. (medvision_bm: false.)',
  },
  submit_ms: {
    group: 'Batches and memory',
    type: 'number',
    default: null,
    min: 0,
    help:
      'Milliseconds that the GPU may be at one piece of work before others, such as the screen, get their turn; results are the ' +
      'same. Lower it where the desktop stutters or the GPU is taken away for taking too long. 0: no limit. Unset: 100 on Windows and ' +
      'macOS, 500 elsewhere.',
  },

  offload: {
    group: 'Batches and memory',
    type: 'enum',
    default: 'none',
    choices: ['none', 'weights', 'optimizer', 'all'],
    help:
      "For models larger than the GPU, with the same results: weights: the frozen weights stay in their files (or in the machine's " +
      "memory) and pass through the GPU block by block, for every micro-batch twice; optimizer: AdamW's moments stay in the machine's " +
      'memory and pass through at every step.',
  },
  feature_cache: {
    group: 'Batches and memory',
    type: 'number',
    default: 2,
    min: 0,
    help:
      "GiB of the machine's memory, at each rank, for what the vision tower has made of pictures, where neither it nor its projector " +
      'trains (as with --target_modules of the language model): those that fit go through it once a run, with the same losses. 2 are ' +
      '800 pictures of MedGemma. 0: each is computed whenever it is seen.',
  },
  gpu_memory_limit: {
    group: 'Batches and memory',
    type: 'number',
    default: null,
    above: 0,
    help:
      'GiB of GPU memory that the run may take. Blocks are kept instead of being run again as far as they fit; a run that cannot fit ' +
      'is refused before anything is loaded. Unset: WebGPU does not tell how much there is, and nothing is kept; with a software GPU ' +
      'half of the free memory is used.',
  },
  dry_run: {
    group: 'Batches and memory',
    type: 'boolean',
    default: false,
    help:
      'Tell how much memory the run takes, by label, and end: nothing is loaded, computed or written (but what --base_model_hf, ' +
      '--init_adapter or --data_dir fetch from the hub, into its cache), and no GPU is needed.',
  },
  tune: {
    group: 'Measuring',
    type: 'enum',
    default: 'auto',
    choices: ['auto', 'off', 'full'],
    help:
      'Which kernel computes a product or attention: auto measures a few for each shape before the first step (on a GPU, at most 10 ' +
      's; what an earlier start has measured is known), full measures everything anew, off leaves it to a rule. A run that is resumed ' +
      'keeps its kernels. `node dist/setup.js --plans` shows what is known.',
  },

  saved_inputs: {
    group: 'Batches and memory',
    type: 'enum',
    default: 'f32',
    choices: ['f32', 'bf16'],
    help:
      'How the inputs of blocks that are run again in the backward pass are kept. bf16: half the memory; what is run again starts ' +
      'from values rounded to 8 bits.',
  },

  output_dir: {
    group: 'Output',
    type: 'string',
    default: 'outputs/{run_name}',
    place: 'path',
    aliases: ['lora_checkpoint_dir'],
    help: 'Folder for the adapter, its checkpoint-N folders, and the log; {run_name} is filled in.',
  },
  overwrite: {
    group: 'Output',
    type: 'boolean',
    default: false,
    aliases: ['overwrite_output_dir'],
    help: 'Replace what an earlier run, or somebody else, left in that folder, and files that --export_jsonl and --export_verl would lose.',
  },
  save_steps: {
    group: 'Output',
    type: 'integer',
    default: 1000,
    min: 1,
    all: true,
    help:
      'Steps from one checkpoint to the next; -1: only at the end. A save that fails is tried again at the next; two in a row end ' +
      'the run.',
  },
  save_total_limit: {
    group: 'Output',
    type: 'integer',
    default: 10,
    min: 1,
    all: true,
    help: 'Checkpoints kept, the oldest go first, but never the best one or the last; -1: all.',
  },
  archive_every_n_steps: {
    group: 'Output',
    type: 'integer',
    default: -1,
    min: 1,
    all: true,
    help:
      'Steps from one checkpoint that stays to the next: archive/checkpoint-N, hard links where the disk has them, which ' +
      '--save_total_limit and --resume_from_checkpoint leave alone; -1: none.',
  },
  logging_steps: { group: 'Output', type: 'integer', default: 50, min: 1, help: 'Steps from one row of figures to the next.' },
  report_to: {
    group: 'Output',
    type: 'list',
    default: ['console', 'jsonl'],
    choices: ['console', 'jsonl', 'none', 'wandb', 'tensorboard', 'all'],
    refusedChoices: {
      all: 'Name the trackers one by one: --report_to console,jsonl.',
    },
    help:
      'Where figures go: console, jsonl (trainer_log.jsonl in the output folder), tensorboard (event files in its folder runs), ' +
      'wandb, none.',
  },
  resume_from_checkpoint: {
    group: 'Output',
    type: 'string',
    default: 'false',
    place: 'path',
    orBoolean: true,
    help:
      'true: go on from the newest whole checkpoint in the output folder (from the start where there is none yet), to the bit as if ' +
      'there had been no break. Or a checkpoint folder to go on from. The same base, adapter, rows, seed and rows a step are needed.',
  },

  eval_strategy: {
    group: 'Evaluation',
    type: 'enum',
    default: 'steps',
    choices: ['steps', 'epoch', 'no'],
    help: 'When held-out rows, where there are some, are evaluated: every --eval_steps, after each epoch, or never.',
  },
  eval_on_start: {
    group: 'Evaluation',
    type: 'boolean',
    default: true,
    help: 'Evaluate before the first step too, so that a run says what it bought.',
  },
  load_best_model_at_end: {
    group: 'Evaluation',
    type: 'boolean',
    default: false,
    help: 'The result is the best checkpoint by --metric_for_best_model, not the last; every evaluation that is the best so far is saved.',
  },
  metric_for_best_model: {
    group: 'Evaluation',
    type: 'string',
    default: null,
    help: 'Figure of the evaluation that says which checkpoint is the best, with or without eval_. Unset: loss.',
  },
  greater_is_better: {
    group: 'Evaluation',
    type: 'boolean',
    default: null,
    help: 'Whether more of that figure is better. Unset: false for losses, MAE, MRE and errors, true for all else.',
  },
  early_stopping_patience: {
    group: 'Evaluation',
    type: 'integer',
    default: 0,
    min: 0,
    help: 'End the run after this many evaluations in a row without an improvement; 0: never.',
  },
  early_stopping_threshold: { group: 'Evaluation', type: 'number', default: 0, min: 0, help: 'What an improvement must exceed to count.' },
  loss_watchdog_threshold: {
    group: 'Evaluation',
    type: 'number',
    default: null,
    above: 0,
    help: 'End the run with an error when the training loss stays above this. (A jump of the loss and skipped steps are always told.)',
  },
  loss_watchdog_patience: { group: 'Evaluation', type: 'integer', default: 3, min: 1, help: 'For so many log rows in a row.' },

  merge_model: {
    group: 'Merging and sharing',
    type: 'boolean',
    default: false,
    help: 'After training, merge the final adapter into the base model: a folder that transformers loads without PEFT.',
  },
  merge_only: {
    group: 'Merging and sharing',
    type: 'boolean',
    default: false,
    help:
      'Do not train: merge the adapter in --output_dir (its last checkpoint, where a run has not ended), or that of --init_adapter. ' +
      'Needs no GPU.',
  },
  merged_model_dir: {
    group: 'Merging and sharing',
    type: 'string',
    default: null,
    place: 'path',
    help: 'Folder of the merged model; {run_name} is filled in. Where it is not given: that of --output_dir with _merged behind it.',
  },
  merge_base: {
    group: 'Merging and sharing',
    type: 'enum',
    default: 'original',
    choices: ['original', 'dequantised'],
    help:
      'What the adapter of a run with --quantization nf4 is merged into. original: the full-precision weights, as is usual; the ' +
      'merged model answers a little otherwise than the one that was trained, whose adapter learnt beside rounded weights. dequantised: ' +
      'the values of the 4-bit weights, which is exactly the model that was trained, and no longer the original where nothing was ' +
      'learnt. A folder that is quantised has no others.',
  },
  merged_dtype: {
    group: 'Merging and sharing',
    type: 'enum',
    default: 'f32',
    choices: ['f32', 'base'],
    help:
      'Precision of the merged files: f32 answers as base and adapter do; base rounds every tensor once to the precision it has in ' +
      'the base (bf16: half the size).',
  },
} as const satisfies Record<string, Definition>;
