/**
 * Options of Weights & Biases; without them its environment variables hold (WANDB_PROJECT, WANDB_MODE, …), and its key is never an option.
 */
import type { Definition } from './definition.ts';

export const trackingOptions = {
  wandb_project: {
    group: 'Output',
    type: 'string',
    default: null,
    help: 'Weights & Biases project; without it WANDB_PROJECT, else vernier.',
  },
  wandb_entity: {
    group: 'Output',
    type: 'string',
    default: null,
    help: 'User or team that the project belongs to; without it WANDB_ENTITY, else the owner of the key.',
  },
  wandb_run_name: {
    group: 'Output',
    type: 'string',
    default: null,
    help: 'Name of the run there; without it WANDB_NAME, else --run_name.',
  },
  wandb_run_id: {
    group: 'Output',
    type: 'string',
    default: null,
    help: "Id of the run there, to go on with one; without it WANDB_RUN_ID, else a checkpoint's, else a new one.",
  },
  wandb_dir: {
    group: 'Output',
    type: 'string',
    default: null,
    place: 'path',
    help: 'Folder that gets the folder wandb with local files; without it WANDB_DIR, else the output folder.',
  },
  wandb_resume: {
    group: 'Output',
    type: 'enum',
    default: null,
    choices: ['allow', 'must', 'never', 'auto'],
    help:
      'What to do with a run of that id that is there: go on with it (allow), demand it (must), refuse it (never); auto takes the ' +
      'last id of the folder. Without it WANDB_RESUME, else allow.',
  },
  wandb_mode: {
    group: 'Output',
    type: 'enum',
    default: null,
    choices: ['online', 'offline', 'disabled'],
    help: 'offline writes the files that `wandb sync` sends. Without it WANDB_MODE, else online.',
  },
  track_pictures: {
    group: 'Output',
    type: 'boolean',
    default: false,
    help:
      'Give pictures of predictions to W&B and TensorBoard (--eval_generate): they show the images of the held-out rows. false: they ' +
      'are not made.',
  },
  wandb_tags: { group: 'Output', type: 'list', default: [], help: 'Tags of the run; without them WANDB_TAGS.' },
} as const satisfies Record<string, Definition>;
