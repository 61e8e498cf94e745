/** `node dist/setup.js`: flags are those of training, the work in src/run/setup/setup.ts. Exit status 0: ready; 1: something is missing. */
import process from 'node:process';
import { setupProgram } from '../src/options/setup.ts';
import type { Finding } from '../src/run/setup/finding.ts';
import { printPlans } from '../src/run/setup/plans.ts';
import { runSetup } from '../src/run/setup/setup.ts';
import { runProgram } from './cli.ts';
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

await runProgram(setupProgram, ({ options }, stop, terminal) =>
  options.plans ? printPlans(nodePlatform, terminal) : runSetup({ platform: nodePlatform, options, runtime: runtime(), stop, terminal }),
);
