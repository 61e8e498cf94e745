/**
 * The command line: argv and a YAML recipe into options, and the frame around a run: help, messages, exit codes, Ctrl-C. Its own short loop over
 * argv, because every flag has exactly one value (but for the few that ask for something else to be done), a repeated flag is a mistake, and a misspelt one gets the nearest name of the definitions.
 */
import { shownJson } from '../src/io/parseJson.ts';
import { helpOf } from '../src/options/help.ts';
import { optionOf, parseFor, unknownOption } from '../src/options/program.ts';
import type { Definitions, Parsed, Program } from '../src/options/program.ts';
import { UserError } from '../src/platform.ts';
import type { Platform } from '../src/platform.ts';
import type { Terminal } from '../src/track/console.ts';
import { printable, printableWrite } from '../src/track/printable.ts';
import { keepSecretsOf, redact } from '../src/track/secrets.ts';
import { lastingOutput } from './lastingOutput.ts';
import { permissionFault, requirePermissions } from './denoPermissions.ts';
import { goOffline } from './offline.ts';
import { parsedYaml } from './recipeYaml.ts';
import { endBySignal, onStopSignal } from './signals.ts';
import type { StopSignal } from './signals.ts';

/** 0 done · 1 failed · 2 the command line or recipe is wrong · 130 stopped by Ctrl-C, SIGTERM or SIGHUP, everything saved. A second signal ends the process by itself. */
export const EXIT = { done: 0, failed: 1, usage: 2, stopped: 130 } as const;

/**
 * The flags in argv, without dashes, to their text. `--name value` and `--name=value`; a list takes several values, `--name a b`.
 * @throws UserError on a stray word, a missing value, an unknown name (with the nearest one) or a repeated flag
 */
export function readFlags(argv: readonly string[], definitions: Definitions): Record<string, string> {
  const flags: Record<string, string> = {};
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
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
    while (i + 1 < argv.length && !argv[i + 1]?.startsWith('--') && (values.length === 0 || option.definition.type === 'list')) values.push(argv[++i] ?? '');
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
  return flags;
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
  const flags = readFlags(argv, program.definitions);
  const path = flags.config ?? flags.recipe;
  if (path === undefined) return parseFor(program, flags, {}, env);
  if (!(await platform.exists(path))) throw new UserError(`--config ${path}: there is no such file.`);
  if (await platform.isDirectory(path)) throw new UserError(`--config ${path} is a folder; name the YAML file in it.`);
  return parseFor(program, flags, readRecipe(new TextDecoder().decode(await platform.readFile(path)), path), env);
}

/** What `main` needs of the process; tests put their own in its place. */
export interface Surroundings {
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  platform: Platform;
  stdout: Terminal;
  writeError(text: string): void;
  /** Calls back when the process is asked to end; returns the undoing. */
  onInterrupt(act: (signal: StopSignal) => void): () => void;
  /** `--offline true`. */
  goOffline(): void;
  /** Ends the process at once, whatever its threads are doing. */
  endBy(signal: StopSignal): void;
}

/** This Node (or Bun, or Deno's Node layer) process. */
export function processSurroundings(platform: Platform): Surroundings {
  requirePermissions();
  keepSecretsOf(process.env);
  const out = lastingOutput(process.stdout);
  const err = lastingOutput(process.stderr);
  const writeError = (text: string): void => err(printable(redact(text)));
  // The runtime itself would print the error as it is, with whatever a server put into it.
  process.on('uncaughtException', (error: unknown) => process.exit(tell(error, EXIT.failed, writeError)));
  return {
    argv: process.argv.slice(2),
    env: process.env,
    platform,
    stdout: {
      write: (text) => out(printableWrite(redact(text))),
      isTty: process.stdout.isTTY === true,
      get columns() {
        return process.stdout.columns || 100;
      },
    },
    writeError,
    onInterrupt: onStopSignal,
    goOffline,
    endBy: endBySignal,
  };
}

/**
 * Parses, runs, and turns what happens into messages and the exit code it returns. The first Ctrl-C aborts `stop`: the run saves what is done and returns.
 * The second leaves at once. A UserError is told without a stack; anything else is a defect of ours and comes with one.
 */
export async function main<Options>(
  program: Program<Options>,
  run: (command: Parsed<Options>, stop: AbortSignal, terminal: Terminal) => Promise<void>,
  around: Surroundings,
): Promise<number> {
  const { argv, stdout, writeError } = around;
  if (argv.includes('--help') || argv.includes('-h')) {
    stdout.write(helpOf(program));
    return EXIT.done;
  }
  let command: Parsed<Options>;
  try {
    command = await parseCommandLine(program, argv, around.env, around.platform);
  } catch (error) {
    return tell(error, EXIT.usage, writeError);
  }
  if (isOffline(command.options)) around.goOffline();
  for (const note of command.notes) writeError(`Note: ${note}\n`);

  const stop = new AbortController();
  const release = around.onInterrupt((signal) => {
    if (stop.signal.aborted) {
      writeError('\nStopped at once; the last checkpoint stands.\n');
      around.endBy(signal);
      return;
    }
    writeError('\nStopping, and saving what is done. Press Ctrl-C again to leave at once, without saving.\n');
    stop.abort();
  });
  try {
    await run(command, stop.signal, stdout);
    return stop.signal.aborted ? EXIT.stopped : EXIT.done;
  } catch (error) {
    if (!isCausedBy(error, stop.signal)) return tell(error, EXIT.failed, writeError);
    stdout.write(error instanceof UserError ? `${error.message}\n` : 'Stopped before the work itself had begun; nothing is lost.\n');
    return EXIT.stopped;
  } finally {
    release();
  }
}

/** Whether an error is how the work ended when it was asked to. */
function isCausedBy(error: unknown, stop: AbortSignal): boolean {
  if (!stop.aborted) return false;
  let cause = error;
  while (cause !== stop.reason && cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  return cause === stop.reason;
}

function isOffline(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'offline' in options && options.offline === true;
}

/** A message that quotes a file with lines of megabytes must not push everything else off the screen. */
function shortened(text: string): string {
  return text.length <= MAX_MESSAGE ? text : `${redact(text).slice(0, MAX_MESSAGE)}… (${text.length} characters)`;
}

const MAX_MESSAGE = 20_000;

function tell(error: unknown, code: number, writeError: (text: string) => void): number {
  if (error instanceof UserError) {
    writeError(redact(`Error: ${shortened(error.message)}\n`));
    return code;
  }
  const permission = permissionFault(error);
  if (permission !== undefined) {
    writeError(redact(`Error: ${permission}\n`));
    return EXIT.failed;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  writeError(`${redact(stack)}\n\nThis is a defect of Vernier, not of your data. Please report it with the lines above and the command you ran.\n`);
  return EXIT.failed;
}
