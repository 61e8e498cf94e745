/** `node dist/ask.js`: flags are in src/options/ask.ts, the work in src/run/ask. */
import process from 'node:process';
import { askProgram } from '../src/options/ask.ts';
import { runAsk } from '../src/run/ask/ask.ts';
import { printable } from '../src/track/printable.ts';
import { redact } from '../src/track/secrets.ts';
import { serve } from './ask/server.ts';
import { runProgram } from './cli.ts';
import { lastingOutput } from './lastingOutput.ts';
import { nodePlatform } from './platform.ts';

/** Beside --json, what is no answer. */
const aside = lastingOutput(process.stderr);

await runProgram(askProgram, async ({ options }, stop, terminal) => {
  const say = options.json
    ? (text: string): void => aside(printable(redact(`${text}\n`)))
    : (text: string): void => terminal.write(`${text}\n`);
  await runAsk({
    platform: nodePlatform,
    options: { ...options, report_to: [] },
    stop,
    terminal,
    say,
    sayKey: lastingOutput(process.stdout),
    serve,
  });
});
