/** Where the golden data lies: the whole set when VERNIER_GOLDEN_DIR names it, else the part in the repository. Tests enumerate what is there. */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const goldenDir = process.env['VERNIER_GOLDEN_DIR'] ?? fileURLToPath(new URL('../golden/data', import.meta.url));

export function goldenPath(...parts: string[]): string {
  return [goldenDir, ...parts].join('/');
}

/** Names in a folder of the golden data; none where the folder is not in this copy. */
export function goldenNames(...parts: string[]): string[] {
  const folder = goldenPath(...parts);
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

export interface GoldenAdapter {
  model: string;
  variant: string;
  dir: string;
}

/** Every adapter folder under golden/<model>/lora/<variant>. */
export function goldenAdapters(): GoldenAdapter[] {
  return goldenNames('golden').flatMap((model) =>
    goldenNames('golden', model, 'lora')
      .filter((variant) => existsSync(goldenPath('golden', model, 'lora', variant, 'adapter_model.safetensors')))
      .map((variant) => ({ model, variant, dir: goldenPath('golden', model, 'lora', variant) })),
  );
}
