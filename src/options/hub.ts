/**
 * Options of what goes to the Hugging Face hub. Which hub, whose token and where the cache is say HF_ENDPOINT, HF_TOKEN and HF_HOME, as for
 * Python.
 */
import type { Definition } from './definition.ts';

export const hubOptions = {
  offline: {
    group: 'Model', type: 'boolean', default: false,
    help: 'Connect to nothing: models, adapters and data come from folders or the cache, as with HF_HUB_OFFLINE=1, and W&B keeps its ' +
      'files here, as with WANDB_MODE=offline.',
  },
  push_LoRA: {
    group: 'Merging and sharing', type: 'boolean', default: false,
    help: 'Push the adapter to the hub after each save and at the end, in the background; while one push is under way only the newest ' +
      'save waits. Needs HF_TOKEN or `hf auth login`.',
  },
  lora_hub_repo: {
    group: 'Merging and sharing', type: 'string', default: null, aliases: ['hub_model_id'],
    help: 'Hub repository of the adapter, NAME or OWNER/NAME; {run_name} is filled in. Where it is not given: the name of the folder of ' +
      '--output_dir.',
  },
  push_merged_model: {
    group: 'Merging and sharing', type: 'boolean', default: false,
    help: 'Merge the adapter into the base after training, as --merge_model does, and push the whole model to --merged_model_hf.',
  },
  merged_model_hf: {
    group: 'Merging and sharing', type: 'string', default: null,
    help: 'Hub repository of the merged model, NAME or OWNER/NAME. Where it is not given: the name of the merged folder.',
  },
  hub_private_repo: {
    group: 'Merging and sharing', type: 'boolean', default: true,
    help: 'Repositories that a push makes are private; those that exist stay as they are.',
  },
} as const satisfies Record<string, Definition>;
