/** The recipes of `npm start -- --recipe NAME`: a tiny base that comes along, and the settings that suit it. */
import { quickstartProgram } from '../../options/quickstart.ts';
import type { QuickstartOptions, RecipeName } from '../../options/quickstart.ts';
import { DEFAULTS } from './run.ts';
import type { QuickstartSettings } from './run.ts';

/** `base` is a folder's name in node/. */
export const RECIPES: Readonly<Record<RecipeName, Omit<QuickstartSettings, 'sample' | 'out'>>> = {
  'qwen-tiny': { ...DEFAULTS, architecture: 'Qwen2.5-VL', base: 'base' },
  // MedGemma is a Gemma 3 by its architecture.
  'medgemma-tiny': { ...DEFAULTS, steps: 150, architecture: 'Gemma 3', base: 'base-medgemma' },
  'smolvlm-tiny': { ...DEFAULTS, steps: 150, architecture: 'SmolVLM', base: 'base-smolvlm' },
};

/** @param besideUs the place of a folder of node/ */
export function quickstartSettings(options: QuickstartOptions, besideUs: (folder: string) => string): QuickstartSettings {
  const { recipe: name, steps, batch, seed, quantization, submit_ms, gpu_adapter, output_dir } = options;
  const chosen = RECIPES[name];
  const out = name === quickstartProgram.definitions['recipe']?.default ? 'outputs/quickstart' : `outputs/quickstart-${name}`;
  return {
    ...chosen,
    base: besideUs(chosen.base),
    sample: besideUs('sample'),
    out: output_dir ?? out,
    steps: steps ?? chosen.steps,
    batchSize: batch ?? chosen.batchSize,
    seed,
    quantization,
    ...(submit_ms !== null && { submitMs: submit_ms }),
    ...(gpu_adapter !== null && { gpuAdapter: gpu_adapter }),
  };
}
