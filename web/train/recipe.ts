/** The YAML that `vernier train --config` takes, read into a form. */
import { readRecipe } from '../../src/options/commandLine.ts';
import { optionOf, unknownOption } from '../../src/options/program.ts';
import type { Definitions } from '../../src/options/program.ts';
import { readValue } from '../../src/options/value.ts';
import type { Changed } from './values.ts';

export interface ReadRecipe {
  changed: Changed;
  /** Options of the recipe that the form has not, with the reason. */
  leftOut: { name: string; reason: string }[];
}

/**
 * @param name of the file, for messages
 * @param leftOut names of options that the form has not, and why
 * @throws UserError for what is no recipe, an unknown name, or a value that an option cannot have
 */
export function readForm(definitions: Definitions, leftOut: Readonly<Record<string, string>>, text: string, name: string): ReadRecipe {
  const found: ReadRecipe = { changed: {}, leftOut: [] };
  const changed: Record<string, unknown> = {};
  for (const [word, said] of Object.entries(readRecipe(text, name))) {
    const option = optionOf(definitions, word);
    if (option === undefined) throw unknownOption(definitions, word, ` in ${name}`);
    if (said === null || said === undefined) continue;
    const value = readValue(option.definition, said, `${word} in ${name}`);
    const reason = leftOut[option.name];
    if (reason !== undefined) found.leftOut.push({ name: option.name, reason });
    else if (JSON.stringify(value) !== JSON.stringify(option.definition.default)) changed[option.name] = value;
  }
  return { ...found, changed };
}
