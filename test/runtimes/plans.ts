/** Run by plans.mjs: every plan of products and attention in each runtime, whose adapters and compilers are others. Prints a line for each; status 1 where one is wrong. */
import process from 'node:process';
import type { PlansResult } from './planChecks.ts';
import { RUNTIMES, runIn } from './runIn.ts';
import type { Runtime } from './runIn.ts';

const [seconds, ...named] = process.argv.slice(2);
const runtimes = named.length > 0 ? RUNTIMES.filter((runtime) => named.includes(runtime)) : RUNTIMES;
const limit = Number(seconds);

async function check(runtime: Runtime): Promise<boolean> {
  const startedAt = performance.now();
  const result = (await runIn(runtime, 'test/runtimes/plans.script.mjs', { seconds: limit }, (limit + 300) * 1000)) as PlansResult;
  const { adapter, subgroups, dtypes, checked, failures, leftOut } = result;
  const passed = `${checked - failures.length} of ${checked + leftOut} plans right`;
  const rest = `${leftOut > 0 ? `, ${leftOut} not begun in time` : ''}, subgroups ${subgroups ?? 'none'}, operands ${dtypes.join(' and ')}`;
  process.stdout.write(`${runtime}, ${adapter}: ${passed}${rest}, ${((performance.now() - startedAt) / 1000).toFixed(0)} s\n`);
  for (const failure of failures) process.stdout.write(`  ${failure}\n`);
  return failures.length === 0 && leftOut === 0;
}

let isRight = true;
for (const runtime of runtimes) {
  try {
    isRight = (await check(runtime)) && isRight;
  } catch (error) {
    isRight = false;
    process.stdout.write(`${runtime}: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}
process.exit(isRight ? 0 : 1);
