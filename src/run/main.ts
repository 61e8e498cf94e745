/** The frame around a program's run: help, messages, exit codes, Ctrl-C. */
import { isCausedBy } from '../io/causedBy.ts';
import { parseCommandLine } from '../options/commandLine.ts';
import { helpOf } from '../options/help.ts';
import type { Parsed, Program } from '../options/program.ts';
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import type { Terminal } from '../track/console.ts';
import { redact } from '../track/secrets.ts';

/**
 * 0 done · 1 failed · 2 the command line or recipe is wrong · 130 stopped by Ctrl-C, SIGTERM or SIGHUP, everything saved. A second signal
 * ends the process by itself.
 */
export const EXIT = { done: 0, failed: 1, usage: 2, stopped: 130 } as const;

/** How a process is asked to end: Ctrl-C, a scheduler's request, a terminal that is gone. */
export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** What `main` needs of the process; tests put their own in its place. */
export interface Surroundings {
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  platform: Platform;
  stdout: Terminal;
  writeError(text: string): void;
  /** A text that names programs as `node dist/train.js`, with the names by which they are called here. */
  withCalledNames(text: string): string;
  /** Calls back when the process is asked to end; returns the undoing. */
  onInterrupt(act: (signal: StopSignal) => void): () => void;
  /** `--offline true`. */
  goOffline(): void;
  /** Words for an error of the runtime's own that the user can put right, where there are such. */
  faultInWords(error: unknown): string | undefined;
  /** Ends the process at once, whatever its threads are doing. */
  endBy(signal: StopSignal): void;
}

/**
 * Parses, runs, and turns what happens into messages and the exit code it returns. The first Ctrl-C aborts `stop`: the run saves what is
 * done and returns. The second leaves at once. A UserError is told without a stack; anything else is a defect of ours and comes with one.
 */
export async function main<Options>(
  program: Program<Options>,
  run: (command: Parsed<Options>, stop: AbortSignal, terminal: Terminal) => Promise<void>,
  around: Surroundings,
): Promise<number> {
  const { argv, stdout, writeError } = around;
  if (argv.includes('--help') || argv.includes('-h')) {
    stdout.write(around.withCalledNames(helpOf(program)));
    return EXIT.done;
  }
  let command: Parsed<Options>;
  try {
    command = await parseCommandLine(program, argv, around.env, around.platform);
  } catch (error) {
    return tell(error, EXIT.usage, around);
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
    if (!isCausedBy(error, stop.signal)) return tell(error, EXIT.failed, around);
    stdout.write(error instanceof UserError ? `${error.message}\n` : 'Stopped before the work itself had begun; nothing is lost.\n');
    return EXIT.stopped;
  } finally {
    release();
  }
}

function isOffline(options: unknown): boolean {
  return typeof options === 'object' && options !== null && 'offline' in options && options.offline === true;
}

/** A message that quotes a file with lines of megabytes must not push everything else off the screen. */
function shortened(text: string): string {
  return text.length <= MAX_MESSAGE ? text : `${redact(text).slice(0, MAX_MESSAGE)}… (${text.length} characters)`;
}

const MAX_MESSAGE = 20_000;

/** Says what has ended the program. @returns the exit code: `code`, but for what is not the command line's fault */
export function tell(
  error: unknown,
  code: number,
  { writeError, faultInWords }: Pick<Surroundings, 'writeError' | 'faultInWords'>,
): number {
  if (error instanceof UserError) {
    writeError(redact(`Error: ${shortened(error.message)}\n`));
    return code;
  }
  const fault = faultInWords(error);
  if (fault !== undefined) {
    writeError(redact(`Error: ${fault}\n`));
    return EXIT.failed;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  writeError(
    `${redact(stack)}\n\nThis is a defect of Vernier, not of your data. Please report it with the lines above and the command you ran.\n`,
  );
  return EXIT.failed;
}
