/** `node dist/report.js`: flags are in src/options/report.ts, the work in src/run/report/report.ts. */
import { reportProgram } from '../src/options/report.ts';
import { runReport } from '../src/run/report/report.ts';
import { runProgram } from './cli.ts';
import { nodePlatform as platform } from './platform.ts';

await runProgram(reportProgram, async ({ options }, stop, terminal) => void (await runReport({ platform, options, stop, terminal })));
