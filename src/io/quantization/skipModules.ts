/**
 * Which modules `--quantization_skip_modules` leaves as they are: bitsandbytes' `llm_int8_skip_modules`. A name is one or more whole parts
 * of a module's path, in any of the spellings that Hugging Face has given it: `lm_head`, `visual`, `vision_tower`, `layers.0`,
 * `model.language_model.layers.3.mlp.down_proj`. (transformers ≤ 4.5x looks anywhere in the path, later versions at its beginning and end;
 * this takes in both, but no halves of words.)
 */
import { UserError } from '../../platform.ts';
import { canonicalName } from '../names.ts';
import type { Naming } from '../names.ts';
import { nearestNames } from '../nearestNames.ts';
import { shownJson } from '../parseJson.ts';

/**
 * @param modules canonical names of all modules, containers included
 * @returns for a module: whether it is skipped
 * @throws UserError for a name that fits no module
 */
export function skipsModule(names: readonly string[], modules: readonly string[], naming: Naming): (module: string) => boolean {
  const wanted = names.map((name) => ({ name, parts: [name, canonicalName(naming, name)] }));
  const matches = (module: string, parts: readonly string[]): boolean => parts.some((part) => `.${module}.`.includes(`.${part}.`));
  for (const { name, parts } of wanted) {
    if (modules.some((module) => matches(module, parts))) continue;
    throw new UserError(
      `quantization_skip_modules: ${shownJson(name)} is no module of the base model; names are whole parts of a module's path, as ` +
        `lm_head or visual. ` +
        `Nearest: ${nearestNames(
          name,
          modules.map((module) => module.split('.').slice(-name.split('.').length).join('.')),
        ).join(', ')}`,
    );
  }
  return (module) => wanted.some(({ parts }) => matches(module, parts));
}
