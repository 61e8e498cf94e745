/** The recipes of `npm start -- --recipe NAME`: a tiny base beside this program, and the settings that suit it. */
import { UserError } from '../../platform.ts';
import { DEFAULTS } from './run.ts';
import type { QuickstartSettings } from './run.ts';

/** `base` is a folder's name in node/. */
export type Recipe = Omit<QuickstartSettings, 'sample' | 'out'>;

export const DEFAULT_RECIPE = 'qwen-tiny';

const RECIPES: Readonly<Record<string, Recipe>> = {
  'qwen-tiny': { ...DEFAULTS, architecture: 'Qwen2.5-VL', base: 'base' },
  // MedGemma is a Gemma 3 by its architecture.
  'medgemma-tiny': { ...DEFAULTS, steps: 150, architecture: 'Gemma 3', base: 'base-medgemma' },
};

export const RECIPE_NAMES: readonly string[] = Object.keys(RECIPES);

export function recipe(name: string): Recipe {
  const found = Object.hasOwn(RECIPES, name) ? RECIPES[name] : undefined;
  if (!found)
    throw new UserError(
      `--recipe: "${name}" is not known. The recipes are ${RECIPE_NAMES.join(' and ')}; leave --recipe out for ${DEFAULT_RECIPE}.`,
    );
  return found;
}
