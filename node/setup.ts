/** `node dist/setup.js`: flags are those of training, the work in src/run/setup/setup.ts. Exit status 0: ready; 1: something is missing. */
import process from 'node:process';
import type { Parsed } from '../src/options/program.ts';
import { setupProgram } from '../src/options/setup.ts';
import type { SetupOptions } from '../src/options/setup.ts';
import type { Finding } from '../src/run/setup/finding.ts';
import { printPlans } from '../src/run/setup/plans.ts';
import { runSetup } from '../src/run/setup/setup.ts';
import type { Terminal } from '../src/track/console.ts';
import { EXIT, main } from '../src/run/main.ts';
import { processSurroundings } from './cli.ts';
import { nodePlatform } from './platform.ts';

function runtime(): Finding {
  const { node, bun } = process.versions;
  const name = 'Deno' in globalThis ? `Deno, as Node ${node}` : bun === undefined ? `Node ${node}` : `Bun ${bun}`;
  const [major = 0, minor = 0] = node.split('.').map(Number);
  const isOld = major < 20 || (major === 20 && minor < 19);
  return {
    state: isOld ? 'missing' : 'good',
    about: 'Runtime',
    text: `${name} on ${process.platform}-${process.arch}`,
    ...(isOld && { fix: 'Node 20.19 or newer is needed.' }),
  };
}

let isReady = true;

async function run({ options }: Parsed<SetupOptions>, stop: AbortSignal, terminal: Terminal): Promise<void> {
  if (options.plans) await printPlans(nodePlatform, terminal);
  else isReady = await runSetup({ platform: nodePlatform, options, runtime: runtime(), stop, terminal });
}

const code = await main(setupProgram, run, processSurroundings(nodePlatform));
process.exit(code === EXIT.done && !isReady ? EXIT.failed : code);
