/** Options as a script gives them: the records of the command lines (src/options), by their names, checked in the same way. */
import { shown } from '../data/conversations/shown.ts';
import type { Definition, ValueOf } from '../options/definition.ts';
import { parseFor } from '../options/program.ts';
import type { Definitions, Parsed, Program } from '../options/program.ts';
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';

/** What a caller may give for an option; undefined and null leave its default. */
type GivenValue<D> =
  | (ValueOf<D> extends (infer Item)[] ? readonly Item[] | string : ValueOf<D>)
  | (D extends { orBoolean: true } ? boolean : never)
  | null
  | undefined;

/** The options of a table but some, each optional, under the names of the command line. */
export type Given<D extends Record<string, Definition>, Without extends keyof D = never> = {
  readonly [Name in Exclude<keyof D, Without>]?: GivenValue<D[Name]>;
};

/**
 * @param own what the function itself says, beside what its caller gives
 * @param refused options that the command line has and the function has not, with what there is instead
 * @throws UserError in the words of the command line: an unknown name with the nearest one, a value of the wrong type or out of range, a
 * contradiction
 */
export function parsedGiven<Options>(
  program: Program<Options>,
  given: Readonly<Record<string, unknown>>,
  own: Readonly<Record<string, unknown>>,
  refused: Readonly<Record<string, string>>,
  platform: Pick<Platform, 'env'>,
): Parsed<Options> {
  for (const [name, instead] of Object.entries(refused)) {
    if (given[name] !== undefined && given[name] !== null) throw new UserError(`${name} is no option of this function: ${instead}`);
  }
  return parseFor(program, { ...given, ...own }, {}, environment(program.definitions, platform));
}

/** @throws UserError where what a function cannot do without is missing or no text */
export function checkText(name: string, value: unknown, expected: string): void {
  if (typeof value === 'string' && value.trim() !== '') return;
  throw new UserError(`${name} should be ${expected}; ${shown(value)} found.`);
}

function environment(definitions: Definitions, { env }: Pick<Platform, 'env'>): Record<string, string | undefined> {
  const names = Object.values(definitions).flatMap(({ env: variable }) => variable ?? []);
  return Object.fromEntries(names.map((name) => [name, env(name)]));
}
