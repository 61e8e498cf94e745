/**
 * `node dist/bench.js --gpu`: what this GPU does with Vernier, in one command that needs nothing but this program: every plan checked
 * against float64 and the losses of transformers, then products, attention and training steps at the shapes of Qwen2.5-VL-3B and
 * MedGemma-4B, beside PyTorch where there is one with a GPU. The developers' bench against other versions and jax-js is `npm run bench`.
 * Exit status 0: all plans are right; 1: something is not, or the bench was stopped.
 */
import { writeFile } from 'node:fs/promises';
import process from 'node:process';
import { Device } from '../src/gpu/device.ts';
import type { Definitions, OptionsOf, Parsed, Program } from '../src/options/program.ts';
import { UserError } from '../src/platform.ts';
import type { Terminal } from '../src/track/console.ts';
import { planKey } from '../src/tune/planKey.ts';
import { main, processSurroundings, EXIT } from './cli.ts';
import { benchParts } from '../src/run/bench/benchParts.ts';
import { runParts } from '../src/run/bench/parts.ts';
import { reportText } from '../src/run/bench/reportFile.ts';
import { summary } from '../src/run/bench/summary.ts';
import { pytorch } from './bench/pytorch.ts';
import { nodePlatform, releaseGpu } from './platform.ts';

const definitions = {
  gpu: { group: 'Measuring', type: 'boolean', default: false, bare: true, help: 'Measure the GPU that is there.' },
  minutes: { group: 'Measuring', type: 'number', default: 9, above: 0, max: 600, help: 'Time for all of it; what does not fit is named.' },
  size: {
    group: 'Measuring',
    type: 'enum',
    default: 'auto',
    choices: ['auto', 'true', 'blocks', 'tiny'],
    help:
      'true: the whole models; blocks: two layers of each stack, at the true widths; tiny: for a look at the bench itself. auto ' +
      'takes what the speed of products allows.',
  },
  pytorch: {
    group: 'Measuring',
    type: 'boolean',
    default: true,
    help: 'Measure PyTorch too, where VERNIER_PYTHON or python3 has it and it sees a GPU.',
  },
  json: { group: 'Output', type: 'string', default: null, place: 'path', help: 'File for all figures, as JSON.' },
} as const satisfies Definitions;
type BenchOptions = OptionsOf<typeof definitions>;

const program: Program<BenchOptions> = {
  intro: [
    'Checks and measures what this GPU does with Vernier. Nothing is read, fetched or trained for keeps.',
    '',
    'Usage: node dist/bench.js --gpu [--minutes 9] [--json bench.json]',
  ],
  definitions,
  check(options) {
    if (!options.gpu) throw new UserError('Nothing to measure: give --gpu, which measures the GPU that is there.');
    return [];
  },
};

let isGood = true;

async function run({ options }: Parsed<BenchOptions>, stop: AbortSignal, terminal: Terminal): Promise<void> {
  const say = (line: string): void => terminal.write(`${line}\n`);
  const gpu = await nodePlatform.gpu();
  const open = (): Promise<Device> => Device.create(gpu);
  const device = await open();
  const { capabilities } = device;
  const key = await planKey(device, nodePlatform);
  device.destroy();
  say(
    `${capabilities.description}${capabilities.kind === 'software' ? ' (software)' : ''} · ${key.adapter} · ${key.webgpu} · kernels ` +
      `${key.kernels}`,
  );
  try {
    const { parts, results } = benchParts({ open, capabilities, size: options.size, pytorch: options.pytorch ? pytorch : undefined, stop });
    const report = await runParts(parts, { seconds: options.minutes * 60, now: () => performance.now(), stop, say });
    say(`\n${summary(report, results)}`);
    if (options.json !== null) {
      const all = { format: 1, key, capabilities, size: results.scale, stopped: stop.aborted, ...report, pytorch: results.pytorch ?? null };
      await writeFile(options.json, await reportText(nodePlatform, all));
      say(`All figures: ${options.json}`);
    }
    isGood = report.failures.length === 0;
  } finally {
    releaseGpu();
  }
}

const code = await main(program, run, processSurroundings(nodePlatform));
// Dawn's threads would keep the process alive.
process.exit(code === EXIT.done && !isGood ? EXIT.failed : code);
