/**
 * The command line: argv and a YAML recipe into options. Its own short loop over argv, because every flag has exactly one value (but for
 * the few that ask for something else to be done), a repeated flag is a mistake, and a misspelt one gets the nearest name of the
 * definitions.
 */
import { shownJson } from '../io/parseJson.ts';
import { parsedYaml } from '../io/yamlText.ts';
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { optionOf, parseFor, unknownOption } from './program.ts';
import type { Definitions, Parsed, Program } from './program.ts';

/**
 * The flags in argv, without dashes, to their text. `--name value` and `--name=value`; a list takes several values, `--name a b`.
 * @param words the option that words without a flag belong to, one value each
 * @throws UserError on a stray word, a missing value, an unknown name (with the nearest one) or a repeated flag
 */
export function readFlags(argv: readonly string[], definitions: Definitions, words?: string): Record<string, string> {
  const flags: Record<string, string> = {};
  const said: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (words !== undefined && !word.startsWith('-')) {
      said.push(word);
      continue;
    }
    if (!word.startsWith('--') || word === '--')
      throw new UserError(`Unexpected "${word}". Options are written --name value or --name=value; --help lists them.`);
    const equals = word.indexOf('=');
    const name = word.slice(2, equals < 0 ? undefined : equals);
    const option = optionOf(definitions, name);
    if (!option) throw unknownOption(definitions, name, '');
    if (Object.hasOwn(flags, name)) throw new UserError(`--${name} is given twice; give it once.`);
    if (equals >= 0) {
      flags[name] = word.slice(equals + 1);
      continue;
    }
    const values: string[] = [];
    while (i + 1 < argv.length && !argv[i + 1]?.startsWith('--') && (values.length === 0 || option.definition.type === 'list'))
      values.push(argv[++i] ?? '');
    if (values.length === 0) {
      if (option.definition.type === 'boolean' && option.definition.bare) {
        flags[name] = 'true';
        continue;
      }
      const dashes = option.definition.type === 'string' ? `, or --${name}=VALUE where the value begins with --` : '';
      const fix = option.definition.type === 'boolean' ? `Write --${name} true or --${name} false.` : `Write --${name} VALUE${dashes}.`;
      throw new UserError(`--${name} needs a value. ${fix}`);
    }
    flags[name] = values.join(',');
  }
  if (words === undefined || said.length === 0) return flags;
  if (Object.hasOwn(flags, words)) throw new UserError(`"${said[0] ?? ''}" and --${words} are two ways to say the same; take one.`);
  return { ...flags, [words]: said.join(',') };
}

/** A recipe: YAML, option names to values. @throws UserError with file and line */
export function readRecipe(text: string, path: string): Record<string, unknown> {
  const { document, value } = parsedYaml(text, path);
  const [problem] = document.errors;
  if (problem) {
    const words = problem.message.split('\n')[0]?.replace(/ at line.*/, '') ?? '';
    throw new UserError(`${path}:${problem.linePos?.[0].line ?? 1}: not valid YAML: ${words}`);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    const found = Array.isArray(value) ? 'a list' : shownJson(value);
    throw new UserError(`${path}: a recipe is a map of option names to values, as "learning_rate: 2e-4"; found ${found}.`);
  }
  return Object.fromEntries(Object.entries(value));
}

/** Options from argv (without node and the script), the recipe that `--config` names, and the environment. */
export async function parseCommandLine<Options>(
  program: Program<Options>,
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  platform: Pick<Platform, 'exists' | 'readFile' | 'isDirectory'>,
): Promise<Parsed<Options>> {
  const flags = readFlags(argv, program.definitions, program.words);
  // `--recipe` is its other name, where a program takes one; the quick start's recipes are names and no files.
  const path = 'config' in program.definitions ? (flags.config ?? flags.recipe) : undefined;
  if (path === undefined) return parseFor(program, flags, {}, env);
  if (!(await platform.exists(path))) throw new UserError(`--config ${path}: there is no such file.`);
  if (await platform.isDirectory(path)) throw new UserError(`--config ${path} is a folder; name the YAML file in it.`);
  return parseFor(program, flags, readRecipe(new TextDecoder().decode(await platform.readFile(path)), path), env);
}
