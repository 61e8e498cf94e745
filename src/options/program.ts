/**
 * The options of one command line, and the way from what somebody said to typed, checked values. Each program has a table of definitions of
 * its own; what two programs share is one record in both tables.
 */
import { UserError } from '../platform.ts';
import type { Definition, Value, ValueOf } from './definition.ts';
import { nearestName } from './nearest.ts';
import { readValue } from './value.ts';

export type Definitions = Readonly<Record<string, Definition>>;
export type OptionsOf<D extends Definitions> = { -readonly [Name in keyof D]: ValueOf<D[Name]> };

export interface Parsed<Options> {
  options: Options;
  /** Sentences to show once: what was given but has no effect, and which of two options holds. */
  notes: string[];
}

export interface Program<Options> {
  /** What it does and how it is called: the first lines of --help. */
  readonly intro: readonly string[];
  readonly definitions: Definitions;
  /** The list option that words without a flag belong to; absent where there are none. */
  readonly words?: string;
  /** What no option can check alone; may fill in what one option takes from another. Returns notes. @throws UserError on a contradiction */
  readonly check: (options: Options, given: ReadonlySet<string>) => string[];
}

/** The option a name or an alias stands for. */
export function optionOf(definitions: Definitions, name: string): { name: string; definition: Definition } | undefined {
  for (const [own, definition] of Object.entries(definitions)) {
    if (own === name || definition.aliases?.includes(name)) return { name: own, definition };
  }
  return undefined;
}

/** @throws UserError with the nearest name there is */
export function unknownOption(definitions: Definitions, name: string, where: string): UserError {
  const near = nearestName(
    name,
    Object.entries(definitions).flatMap(([own, { aliases = [] }]) => [own, ...aliases]),
  );
  const dashes = where === '' ? '--' : '';
  return new UserError(
    `Unknown option ${dashes}${name}${where}.${near ? ` Did you mean ${dashes}${near}?` : ''} --help lists all options.`,
  );
}

/**
 * @param flags from the command line, name (or alias) to text, without the dashes; or from a program's own code, to values
 * @param recipe from `--config`, name to YAML value; flags override it, and a null says nothing
 * @param env variables that stand in for options (MedVision_DATA_DIR for data_dir) where both are silent
 * @throws UserError on an unknown name, a value of the wrong type or out of range, options that contradict each other, and what is not
 * built yet
 */
export function parseFor<Options>(
  program: Program<Options>,
  flags: Readonly<Record<string, unknown>>,
  recipe: Readonly<Record<string, unknown>> = {},
  env: Readonly<Record<string, string | undefined>> = {},
): Parsed<Options> {
  const { definitions } = program;
  const said = new Map<string, Value>();
  const fromEnv = Object.entries(definitions).flatMap(([name, { env: variable }]) => {
    const value = variable === undefined ? undefined : env[variable];
    return value ? [[name, value] as const] : [];
  });
  read(definitions, Object.fromEntries(fromEnv), (name) => ` (environment variable ${definitions[name]?.env ?? name})`, said);
  const config = flags['config'] ?? flags['recipe'];
  read(definitions, recipe, () => ` in ${typeof config === 'string' ? config : 'the recipe'}`, said);
  read(definitions, flags, () => '', said);

  const values = Object.fromEntries(
    Object.entries(definitions).map(([name, definition]) => [name, said.get(name) ?? copy(definition.default)]),
  );
  const options = values as Options; // readValue has returned what each definition's type promises
  const notes = [...said.keys()].flatMap((name) => {
    const note = definitions[name]?.note;
    return note === undefined ? [] : [`--${name}: ${note}`];
  });
  return { options, notes: [...notes, ...program.check(options, new Set(said.keys()))] };
}

function read(
  definitions: Definitions,
  source: Readonly<Record<string, unknown>>,
  where: (name: string) => string,
  said: Map<string, Value>,
): void {
  const spelt = new Map<string, string>();
  for (const [word, value] of Object.entries(source)) {
    const place = where(word);
    const option = optionOf(definitions, word);
    if (!option) throw unknownOption(definitions, word, place);
    const { name, definition } = option;
    const before = spelt.get(name);
    if (before !== undefined) throw new UserError(`--${before} and --${word} are two names of one option${place}; give one of them.`);
    spelt.set(name, word);
    if (value === null || value === undefined) continue;
    if (name === 'config' && place !== '') throw new UserError(`${word}${place}: a recipe cannot name another recipe. Copy its lines.`);
    const label = place === '' ? `--${word}` : `${word}${place}`;
    const found = readValue(definition, value, label);
    said.set(name, found);
  }
}

function copy(value: Definition['default']): Value {
  return Array.isArray(value) ? value.slice() : (value as Value);
}
