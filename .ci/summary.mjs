/**
 * Closing line of .ci/run: `N passed, M failed`, from vitest's JSON report. Counted beside the tests: `npm run check` as one, a test file
 * that could not be loaded as one failure, and a vitest that failed without naming a test (an unhandled rejection, a crash) as one failure.
 *
 * Run: node .ci/summary.mjs <report> <exit status of check> <exit status of the tests>
 */
import { readFileSync } from 'node:fs';

const [path, checkStatus, testStatus] = process.argv.slice(2);
let passed = 0;
let failed = 0;
try {
  const report = JSON.parse(readFileSync(path, 'utf8'));
  passed = report.numPassedTests;
  failed =
    report.numFailedTests + report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length;
  const skipped = report.numPendingTests + (report.numTodoTests ?? 0);
  if (skipped > 0) console.log(`${skipped} skipped`);
} catch (error) {
  console.log(`no test report: ${error.message}`);
}
if (passed + failed === 0) console.log('not one test ran');
if (failed === 0 && (testStatus !== '0' || passed === 0)) failed = 1;
if (checkStatus === '0') passed++;
else {
  console.log('npm run check failed');
  failed++;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
