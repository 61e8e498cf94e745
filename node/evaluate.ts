/**
 * `node dist/evaluate.js`: a base model, an adapter or a merged model answers the rows of task lists, of a prepared folder or of a file;
 * the answers are scored as the MedVision benchmark does. All flags are in src/options/evaluate.ts; `--help` lists them. The work is
 * src/run/evaluate/evaluate.ts.
 */
import process from 'node:process';
import { evaluateProgram } from '../src/options/evaluate.ts';
import type { ParsedEvaluateOptions } from '../src/options/evaluate.ts';
import { runEvaluation } from '../src/run/evaluate/evaluate.ts';
import type { Terminal } from '../src/track/console.ts';
import { main } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { nodePlatform } from './platform.ts';
import { startWorkers } from './workers/pool.ts';

async function run({ options }: ParsedEvaluateOptions, stop: AbortSignal, terminal: Terminal): Promise<void> {
  const say = (text: string): void => terminal.write(`${text}\n`);
  await runEvaluation({ platform: nodePlatform, options: { ...options, report_to: [] }, stop, terminal, say, startWorkers });
}

process.exit(await main(evaluateProgram, run, processSurroundings(nodePlatform)));
