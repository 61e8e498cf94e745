/** The options of `npm start` (dist/quickstart.js). */
import type { Definitions, OptionsOf, Program } from './program.ts';
import { trainingOptions } from './training.ts';
import { worldOptions } from './world.ts';

const definitions = {
  recipe: {
    group: 'Model',
    type: 'enum',
    default: 'qwen-tiny',
    choices: ['qwen-tiny', 'medgemma-tiny', 'smolvlm-tiny'],
    help: 'What is trained: a tiny Qwen2.5-VL, a tiny Gemma 3, which MedGemma is by its architecture, or a tiny SmolVLM.',
  },
  quantization: {
    group: 'Model',
    type: 'enum',
    default: 'none',
    choices: ['none', 'nf4'],
    help: 'How the frozen weights are held on the GPU.',
  },
  seed: {
    group: 'Optimisation',
    type: 'integer',
    default: 1,
    min: 0,
    help: 'Of the adapter, the order of the rows and the choice of questions.',
  },
  steps: { group: 'Batches and memory', type: 'integer', default: null, min: 1, help: "Training steps. Unset: the recipe's." },
  batch: { group: 'Batches and memory', type: 'integer', default: null, min: 1, help: "Rows in a step. Unset: the recipe's." },
  gpu_adapter: worldOptions.gpu_adapter,
  submit_ms: trainingOptions.submit_ms,
  output_dir: {
    group: 'Output',
    type: 'string',
    default: null,
    place: 'path',
    aliases: ['out'],
    help: 'Folder for the adapter, the log and report.html. Unset: outputs/quickstart; outputs/quickstart-NAME with --recipe NAME.',
  },
} as const satisfies Definitions;
export type QuickstartOptions = OptionsOf<typeof definitions>;
export type RecipeName = QuickstartOptions['recipe'];

export const quickstartProgram: Program<QuickstartOptions> = {
  intro: [
    'Fine-tunes a tiny vision-language model with LoRA on three small MRI volumes, and compares its answers before and after.',
    '',
    'Usage: npm start [-- --recipe medgemma-tiny|smolvlm-tiny]',
  ],
  definitions,
  check: () => [],
};
