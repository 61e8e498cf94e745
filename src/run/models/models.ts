/** `vernier models`: the families of src/models/families.ts, what is trained of them, and what their numbers were compared with. */
import { modelFamilies } from '../../models/families.ts';
import type { ModelsOptions } from '../../options/models.ts';
import type { Terminal } from '../../track/console.ts';

/** Every family's goldens were made with these. */
const CHECKED_WITH = { transformers: '5.18', peft: '0.21' } as const;

/** Of every family alike: what trains is a matter of `Modules`, not of the model. */
const TRAINED = ['LoRA', 'rsLoRA', 'DoRA', 'modules_to_save', 'full'] as const;
const HELD_AS = ['f32', 'f16', 'bf16', 'nf4'] as const;

export interface ListedFamily {
  model_type: string;
  title: string;
  reads: 'text' | 'text and pictures';
  /** Repositories of the hub that are of the family. */
  examples: readonly string[];
  trained: readonly string[];
  /** Precisions in which frozen weights are held. */
  weights: readonly string[];
  checked_with: { transformers: string; peft: string };
}

function listedFamilies(): ListedFamily[] {
  return modelFamilies().map(([model_type, { title, examples, isTextOnly }]) => ({
    model_type,
    title,
    reads: isTextOnly ? 'text' : 'text and pictures',
    examples,
    trained: TRAINED,
    weights: HELD_AS,
    checked_with: CHECKED_WITH,
  }));
}

export function runModels({ json }: ModelsOptions, terminal: Pick<Terminal, 'write'>): void {
  const families = listedFamilies();
  terminal.write(json ? `${JSON.stringify(families, null, 2)}\n` : textOf(families));
}

function textOf(families: readonly ListedFamily[]): string {
  const width = Math.max(...families.map(({ model_type: type }) => type.length)) + 2;
  const lines = families.flatMap(({ model_type: type, title, reads, examples }) => [
    `${type.padEnd(width)}${title}; reads ${reads}`,
    ...examples.map((example) => `${' '.repeat(width)}  ${example}`),
  ]);
  const { transformers, peft } = CHECKED_WITH;
  return [
    'Families by the model_type of config.json, with models of the hub that are of them (--base_model_hf ID, or a folder):',
    '',
    ...lines,
    '',
    `Trained: ${TRAINED.join(', ')}. Frozen weights are held in ${HELD_AS.join(', ')} (--quantization).`,
    `Every module's output, losses, gradients and training runs are compared with transformers ${transformers} and PEFT ${peft}.`,
    '',
  ].join('\n');
}
