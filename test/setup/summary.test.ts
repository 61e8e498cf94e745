/** The closing line of CI counts what happened: no report, no test or a failed check can never read as a pass. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../.ci/summary.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'vernier-summary-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ran = { status: 'passed', assertionResults: [{ status: 'passed' }] };
const broken = { status: 'failed', assertionResults: [] };
const report = (passed: number, failed: number, testResults: object[] = [ran]): string =>
  JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numPendingTests: 0, numTodoTests: 0, testResults });

test.each([
  ['all pass, and the check', report(12, 0), 0, 0, '13 passed, 0 failed', 0],
  ['one test fails', report(11, 1), 0, 1, '12 passed, 1 failed', 1],
  ['the check fails', report(12, 0), 2, 0, '12 passed, 1 failed', 1],
  ['a test file does not load', report(12, 0, [ran, broken]), 0, 1, '13 passed, 1 failed', 1],
  ['vitest fails beside its tests', report(12, 0), 0, 1, '13 passed, 1 failed', 1],
  ['no test ran', report(0, 0, []), 0, 0, '1 passed, 1 failed', 1],
  ['the report was cut short', '{"numPassedTests": 3', 0, 139, '1 passed, 1 failed', 1],
])('%s', (name, text, check, tests, line, status) => {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, text);
  const run = spawnSync(process.execPath, [script, path, String(check), String(tests)], { encoding: 'utf8' });
  expect(run.stdout.trim().split('\n').at(-1)).toBe(line);
  expect(run.status).toBe(status);
});
