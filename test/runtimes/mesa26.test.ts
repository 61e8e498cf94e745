/**
 * The tests of tensor cores on a software GPU that has them: they skip themselves where the GPU at hand has none, so here they run again in a root with
 * Mesa 26 (mesa26.mjs), where this machine can make one. CI can; elsewhere the test says what is missing.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { matrixUnitsOf } from '../../src/tune/subgroupMatrix.ts';
import { testDevice } from '../gpu/testDevice.ts';

const script = fileURLToPath(new URL('./mesa26.mjs', import.meta.url));
const FILES = ['test/ops/matmulHalf.test.ts', 'test/ops/attentionHalf.test.ts', 'test/train/halfRuns.test.ts', 'test/train/memoryPlanHalf.test.ts'];
const NOT_POSSIBLE = 77;

/** What vitest reports as JSON, as far as it is looked at. */
interface Report {
  numPassedTests: number;
  testResults: { message: string; assertionResults: { failureMessages: string[] }[] }[];
}

/** Not waited for in one piece: vitest takes a worker that says nothing for a minute for lost. */
function ended(args: readonly string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, args, { env: { ...process.env, VITEST: undefined }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) child[stream].on('data', (text: Buffer) => (said[stream] += text.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      resolve({ status, ...said });
    });
  });
}

test('tensor cores, on the software GPU of Mesa 26', { timeout: 1_800_000 }, async ({ skip }) => {
  const { capabilities } = await testDevice();
  if (matrixUnitsOf(capabilities) !== undefined) skip('the GPU here has subgroup matrices: these tests run by themselves');
  const run = await ended([script, 'vitest', 'run', ...FILES, '--reporter=json']);
  if (run.status === NOT_POSSIBLE) skip(run.stderr.trim());
  const report = JSON.parse(run.stdout.slice(run.stdout.indexOf('{'), run.stdout.lastIndexOf('}') + 1)) as Report;
  const said = report.testResults.flatMap(({ message, assertionResults }) => [message, ...assertionResults.flatMap((one) => one.failureMessages)]);
  const failures = said.filter((text) => text !== '');
  expect(failures.join('\n\n') + (run.status === 0 ? '' : run.stderr)).toBe('');
  // They may not have skipped themselves there as well.
  expect(report.numPassedTests).toBeGreaterThan(10);
});
