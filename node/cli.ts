/** This process as the frame around a program's run (src/run/main.ts) has it. */
import process from 'node:process';
import type { Parsed, Program } from '../src/options/program.ts';
import type { Platform } from '../src/platform.ts';
import { EXIT, main, tell } from '../src/run/main.ts';
import type { Surroundings } from '../src/run/main.ts';
import type { Terminal } from '../src/track/console.ts';
import { printable, printableWrite } from '../src/track/printable.ts';
import { keepSecretsOf, redact } from '../src/track/secrets.ts';
import { withCalledNames } from './calledAs.ts';
import { permissionFault, requirePermissions } from './denoPermissions.ts';
import { lastingOutput } from './lastingOutput.ts';
import { goOffline } from './offline.ts';
import { nodePlatform } from './platform.ts';
import { endBySignal, onStopSignal } from './signals.ts';

/** A whole program, which ends this process: threads of Dawn's would keep it alive. @param run false: failed, though nothing was thrown */
export async function runProgram<Options>(
  program: Program<Options>,
  run: (command: Parsed<Options>, stop: AbortSignal, terminal: Terminal) => Promise<boolean | void>,
): Promise<never> {
  let isGood = true;
  const noted = async (...given: Parameters<typeof run>): Promise<void> => void (isGood = (await run(...given)) !== false);
  const code = await main(program, noted, processSurroundings(nodePlatform));
  process.exit(code === EXIT.done && !isGood ? EXIT.failed : code);
}

/** This Node (or Bun, or Deno's Node layer) process. */
export function processSurroundings(platform: Platform): Surroundings {
  requirePermissions();
  keepSecretsOf(process.env);
  const out = lastingOutput(process.stdout);
  const err = lastingOutput(process.stderr);
  const writeError = (text: string): void => err(printable(redact(withCalledNames(text))));
  // The runtime itself would print the error as it is, with whatever a server put into it.
  const telling = { writeError, faultInWords: permissionFault };
  process.on('uncaughtException', (error: unknown) => process.exit(tell(error, EXIT.failed, telling)));
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
    withCalledNames,
    onInterrupt: onStopSignal,
    goOffline,
    faultInWords: permissionFault,
    endBy: endBySignal,
  };
}
