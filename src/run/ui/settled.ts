/** Options of training that nobody gives here: a run is written below the shown folder, under its name, and what it does is a button. */
export const SETTLED = [
  'config',
  'output_dir',
  'run_name',
  'resume_from_checkpoint',
  'process_dataset_only',
  'merge_only',
  'dry_run',
  'export_jsonl',
  'export_verl',
  'merged_model_dir',
  'wandb_dir',
] as const;
