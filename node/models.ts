/** `node dist/models.js`: flags are in src/options/models.ts, the work in src/run/models/models.ts. */
import { modelsProgram } from '../src/options/models.ts';
import { runModels } from '../src/run/models/models.ts';
import { runProgram } from './cli.ts';

await runProgram(modelsProgram, ({ options }, _, terminal) => Promise.resolve(runModels(options, terminal)));
