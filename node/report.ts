/** `node dist/report.js`: flags are in src/options/report.ts, the work in src/run/report/report.ts. */
import process from 'node:process';
import { reportProgram } from '../src/options/report.ts';
import type { ParsedReportOptions } from '../src/options/report.ts';
import { runReport } from '../src/run/report/report.ts';
import type { Terminal } from '../src/track/console.ts';
import { main } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { nodePlatform } from './platform.ts';

async function run({ options }: ParsedReportOptions, stop: AbortSignal, terminal: Terminal): Promise<void> {
  await runReport({ platform: nodePlatform, options, stop, terminal });
}

process.exit(await main(reportProgram, run, processSurroundings(nodePlatform)));
