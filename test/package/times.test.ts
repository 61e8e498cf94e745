/** The start of what the package exports, from dist/ as it is built: package.test.ts has the same files where they are installed. */
import { beforeAll, expect, test } from 'vitest';
import { ensureBuilt } from '../built.ts';
import { repository } from '../runtimes/runIn.ts';
import { startTimes } from './times.mjs';

beforeAll(() => {
  ensureBuilt('node');
}, 300_000);

test('imports and --help come at once', () => {
  const times = startTimes(repository, 5);
  console.log(`median ms beside node -e 0: ${JSON.stringify(times)}`);
  // Three times what is promised: a machine of two cores may have others to serve. `node test/package/times.mjs DIR` gives exact figures.
  expect(times.import).toBeLessThan(3 * 150);
  expect(times.help).toBeLessThan(3 * 250);
});
