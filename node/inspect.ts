/** `node dist/inspect.js`: arguments are in src/run/inspect/arguments.ts, the work in src/run/inspect/inspect.ts. */
import process from 'node:process';
import { UserError } from '../src/platform.ts';
import { HELP, readArguments } from '../src/run/inspect/arguments.ts';
import type { InspectRequest } from '../src/run/inspect/arguments.ts';
import { inspect } from '../src/run/inspect/inspect.ts';
import { EXIT } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { ownFile } from './ownFile.ts';
import { nodePlatform } from './platform.ts';

const around = processSurroundings(nodePlatform);
const terminal = around.stdout;
const say = (text: string): void => terminal.write(`${text}\n`);
const warn = (text: string): void => around.writeError(`Warning: ${text}\n`);

/** 0 done, 1 failed, 2 the command line is wrong. */
async function main(): Promise<number> {
  const tell = (error: unknown, code: number): number => {
    if (!(error instanceof UserError)) throw error;
    around.writeError(`Error: ${error.message}\n`);
    return code;
  };
  let request: InspectRequest | undefined;
  try {
    request = await readArguments(around.argv, around.env, nodePlatform, ownFile('node/base') ?? 'node/base');
  } catch (error) {
    return tell(error, EXIT.usage);
  }
  if (request === undefined) {
    around.stdout.write(around.withCalledNames(HELP));
    return EXIT.done;
  }
  if (request.command.options.offline) around.goOffline();
  for (const note of request.command.notes) around.writeError(`Note: ${note}\n`);
  try {
    await inspect(request, { platform: nodePlatform, stop: new AbortController().signal, terminal, say, warn });
    return EXIT.done;
  } catch (error) {
    return tell(error, EXIT.failed);
  }
}

process.exit(await main());
