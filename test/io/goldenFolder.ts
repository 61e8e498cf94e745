/**
 * Where the golden data lies: of the first two families the whole set when VERNIER_GOLDEN_DIR names it, else the part in the repository; a later family has a
 * folder of its own beside that. Tests enumerate what is there: of the first families all, of a later one what is below its name.
 */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const goldenDir = process.env['VERNIER_GOLDEN_DIR'] ?? fileURLToPath(new URL('../golden/data', import.meta.url));

/** Beginnings of the names of later families' models, which are their folders too. */
const LATER_FAMILIES = ['qwen3_vl', 'smolvlm'];

/** @param parts `golden` or `models`, a model's name, and what is below it */
export function goldenPath(...parts: string[]): string {
  const family = LATER_FAMILIES.find((name) => parts[1]?.startsWith(name));
  return [family === undefined ? goldenDir : fileURLToPath(new URL(`../golden/${family}`, import.meta.url)), ...parts].join('/');
}

/** Names in a folder of the golden data; none where the folder is not in this copy. */
export function goldenNames(...parts: string[]): string[] {
  const folder = goldenPath(...parts);
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** The model_type of a golden model: its name begins with it. */
export function goldenType(model: string): string {
  return model.split('-')[0]!;
}

export interface GoldenAdapter {
  model: string;
  variant: string;
  dir: string;
}

/** Every adapter folder under golden/<model>/lora/<variant>. @param models by default the first families' */
export function goldenAdapters(models = goldenNames('golden')): GoldenAdapter[] {
  return models.flatMap((model) =>
    goldenNames('golden', model, 'lora')
      .filter((variant) => existsSync(goldenPath('golden', model, 'lora', variant, 'adapter_model.safetensors')))
      .map((variant) => ({ model, variant, dir: goldenPath('golden', model, 'lora', variant) })),
  );
}
