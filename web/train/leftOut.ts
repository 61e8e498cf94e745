/** Options of training that the Studio's form has not, each with the reason. */
import type { OptionName } from '../../src/options.ts';
import { definitions } from '../../src/options.ts';
import { trackingOptions } from '../../src/options/tracking.ts';
import { texts } from '../texts.ts';

const { reasons } = texts.form;

const byReason: readonly (readonly [reason: string, names: readonly OptionName[]])[] = [
  [reasons.recipe, ['config']],
  [reasons.model, ['base_model_hf', 'init_adapter', 'offline']],
  [reasons.data, ['train_file', 'val_file', 'check_data', 'on_bad_row']],
  [reasons.threads, ['dataloader_num_workers']],
  [reasons.run, ['run_name', 'output_dir', 'overwrite', 'resume_from_checkpoint', 'report_to', 'dry_run']],
  [reasons.offload, ['offload']],
  [reasons.trackers, Object.keys(trackingOptions) as (keyof typeof trackingOptions)[]],
  [
    reasons.use,
    ['merge_model', 'merge_only', 'merged_model_dir', 'merge_base', 'merged_dtype', 'push_LoRA', 'lora_hub_repo', 'push_merged_model'],
  ],
  [reasons.use, ['merged_model_hf', 'hub_private_repo']],
];

const ofGroup = (group: string, reason: string): [string, string][] =>
  Object.entries(definitions).flatMap(([name, definition]) => (definition.group === group ? [[name, reason]] : []));

export const leftOut: Readonly<Record<string, string>> = Object.fromEntries([
  ...byReason.flatMap(([reason, names]) => names.map((name) => [name, reason] as const)),
  ...ofGroup('Task lists', reasons.taskLists),
  ...ofGroup('Several GPUs', reasons.ranks),
  ...ofGroup('Accepted, without effect', reasons.noEffect),
]);

/** What most runs differ in, first in the form. */
export const BASIC = [
  'epoch',
  'max_steps',
  'learning_rate',
  'lora_r',
  'lora_alpha',
  'per_device_train_batch_size',
  'gradient_accumulation_steps',
  'max_pixels',
  'seed',
  'save_steps',
  'logging_steps',
  'eval_steps',
] as const satisfies readonly OptionName[];
