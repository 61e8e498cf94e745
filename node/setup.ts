/**
 * `node dist/setup.js --data_dir ./Data`: step 2 of the tutorial. Looks at everything a training run needs (GPU, model, memory, disk, data,
 * hub, W&B) and says what is missing in the order of its importance. Takes the flags and recipes of training, so that it can be asked about
 * the very run that is planned. Writes nothing but what a hub model's configuration takes in the cache. Exit status 0: ready; 1: something
 * is missing, or not named yet.
 */
import process from 'node:process';
import type { HubSettings } from '../src/hub/settings.ts';
import { definitions } from '../src/options.ts';
import type { Definitions, OptionsOf, Parsed, Program } from '../src/options/program.ts';
import { UserError } from '../src/platform.ts';
import type { Terminal } from '../src/track/console.ts';
import { EXIT, main, processSurroundings } from './cli.ts';
import { nodePlatform, releaseGpu } from './platform.ts';
import {
  checkAdapter,
  checkData,
  checkDisk,
  checkGpu,
  checkHub,
  checkMemory,
  checkModel,
  checkRuntime,
  checkWandb,
} from './setup/checks.ts';
import type { Finding } from './setup/finding.ts';
import { report } from './setup/finding.ts';
import { printPlans } from './setup/plans.ts';
import { hubOf } from '../src/run/inputs/hubInputs.ts';

const setupDefinitions = {
  ...definitions,
  plans: {
    group: 'Measuring',
    type: 'boolean',
    default: false,
    bare: true,
    help: 'Print the kernels that were measured to be the fastest on this GPU, and nothing else.',
  },
} as const satisfies Definitions;
type SetupOptions = OptionsOf<typeof setupDefinitions>;

const setupProgram: Program<SetupOptions> = {
  intro: [
    'Checks what training needs and says what is missing, the most important first. Nothing is trained.',
    '',
    'Usage: node dist/setup.js --data_dir ./Data [--base_model_hf MODEL] [--name value …]',
    '       node dist/setup.js --config recipe.yaml',
    '       node dist/setup.js --plans',
    'The flags are those of node dist/train.js; give those of the run that is planned.',
  ],
  definitions: setupDefinitions,
  check(options) {
    options.output_dir = options.output_dir.replaceAll('{run_name}', options.run_name);
    return [];
  },
};

let isReady = true;

async function run({ options }: Parsed<SetupOptions>, stop: AbortSignal, terminal: Terminal): Promise<void> {
  if (options.plans) return printPlans(nodePlatform, terminal);
  let hub: HubSettings;
  try {
    const settings = await hubOf({ platform: nodePlatform, terminal });
    hub = { ...settings, times: { ...settings.times, stallMs: Math.min(settings.times.stallMs, 15_000), attempts: 3 } };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`The environment variables of the hub cannot be used. ${error.message}`, { cause: error });
  }
  const gpu = await checkGpu(nodePlatform);
  releaseGpu();
  const model = await checkModel(nodePlatform, hub, options, gpu.capabilities);
  const findings: Finding[] = [
    checkRuntime(),
    ...gpu.findings,
    ...model.findings,
    ...(await checkAdapter(nodePlatform, hub, options)),
    ...(await checkMemory(nodePlatform, model.plan, options, gpu.capabilities)),
    ...(await checkDisk(nodePlatform, hub, options, model)),
    ...(await checkData(nodePlatform, hub, options)),
    ...(await checkHub(nodePlatform, hub, options)),
    ...(await checkWandb(nodePlatform, options, terminal)),
  ];
  if (!stop.aborted) isReady = report(terminal, findings);
}

const code = await main(setupProgram, run, processSurroundings(nodePlatform));
process.exit(code === EXIT.done && !isReady ? EXIT.failed : code);
