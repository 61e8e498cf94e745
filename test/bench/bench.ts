/**
 * The benchmark (dist/benchSpeed.js, run by `npm run bench`): speed of the kernels, of training steps, and the same work in jax-js in the same run.
 * Figures belong in test/bench/RESULTS.md; `--markdown` writes its tables.
 */
import { writeFile } from 'node:fs/promises';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { nodePlatform, releaseGpu } from '../../node/platform.ts';
import { Device } from '../../src/gpu/device.ts';
import { compareWithJax } from './comparison.ts';
import { extras } from './extras.ts';
import { attentions, fewRows, head, linears, matmuls, memoryPasses, optimizer } from './kernels.ts';
import type { Bench } from './kernels.ts';
import { allTrainingSteps } from './model.ts';
import { besidePyTorch } from './pytorch.ts';
import { comparisonLine, figureLine, markdown } from './report.ts';
import type { Comparison, Figure } from './report.ts';

/** As programs have it on Linux (src/run/device.ts). */
const SUBMIT_MS = 500;
const USAGE = `npm run bench -- [options]
  --size auto|small|large   shapes; auto takes small ones on a software GPU (default auto)
  --only NAMES              some of jax,matmul,linear,generation,attention,memory,head,step,extras,pytorch; separated by commas (pytorch only where it is named)
  --json FILE               the figures as JSON
  --markdown FILE           the figures as the tables of test/bench/RESULTS.md
  --power low-power|high-performance   which GPU to ask for (default high-performance)
`;

const GROUPS: Record<string, readonly ((b: Bench) => Promise<void>)[]> = {
  matmul: [matmuls],
  linear: [linears],
  generation: [fewRows],
  attention: [attentions],
  memory: [memoryPasses, optimizer],
  head: [head],
  step: [allTrainingSteps],
  extras: [extras],
  pytorch: [besidePyTorch],
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      size: { type: 'string', default: 'auto' },
      only: { type: 'string' },
      json: { type: 'string' },
      markdown: { type: 'string' },
      power: { type: 'string', default: 'high-performance' },
      help: { type: 'boolean', default: false },
    },
  });
  const names = ['jax', ...Object.keys(GROUPS)];
  const only = values.only?.split(',') ?? names.filter((name) => name !== 'pytorch');
  const wrong = only.find((name) => !names.includes(name));
  if (values.help || wrong !== undefined || !['auto', 'small', 'large'].includes(values.size)) {
    process.stdout.write(wrong === undefined ? USAGE : `--only ${wrong} is not known.\n${USAGE}`);
    return values.help ? 0 : 1;
  }
  const gpu = await nodePlatform.gpu();
  const device = await Device.create(gpu, { powerPreference: values.power === 'low-power' ? 'low-power' : 'high-performance', submitMs: SUBMIT_MS });
  const { description, kind } = device.capabilities;
  const isSoftware = kind === 'software';
  const isLarge = values.size === 'large' || (values.size === 'auto' && !isSoftware);
  const title = `${description}, Node ${process.versions.node}, ${process.platform}-${process.arch}, ${isLarge ? 'large' : 'small'} shapes`;
  process.stdout.write(`${title}\n`);

  const figures: Figure[] = [];
  const comparisons: Comparison[] = [];
  const failures: string[] = [];
  let lastGroup = '';
  const say = (group: string, line: string): void => {
    if (group !== lastGroup) process.stdout.write(`\n${group}\n`);
    lastGroup = group;
    process.stdout.write(`${line}\n`);
  };
  const write = async (): Promise<void> => {
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ device: device.capabilities, title, comparisons, figures, failures }, null, 1)}\n`);
    if (values.markdown !== undefined) await writeFile(values.markdown, markdown(title, figures, comparisons));
  };
  // A group that does not run here (no jax-js, not enough memory) must not cost the figures of the others.
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      say(name, `  failed: ${failures.at(-1)}`);
    }
    await write();
  };
  const patience = isSoftware ? { sampleMs: 250, samples: 5, repeats: 200 } : { sampleMs: 100, samples: 9, repeats: 500 };
  const bench: Bench = {
    device,
    patience,
    isLarge,
    report(figure) {
      figures.push(figure);
      say(figure.group, figureLine(figure));
    },
  };
  if (only.includes('jax')) {
    await attempt('compared with jax-js', () =>
      compareWithJax(gpu, device, { patience, isLarge }, (comparison) => {
        comparisons.push(comparison);
        say('compared with jax-js', comparisonLine(comparison));
      }),
    );
  }
  for (const name of Object.keys(GROUPS).filter((group) => only.includes(group))) {
    for (const work of GROUPS[name]!) await attempt(name, () => work(bench));
  }
  device.destroy();
  releaseGpu();
  return failures.length > 0 ? 1 : 0;
}

// Dawn's and jax-js's threads would keep the process alive.
process.exit(await main());
