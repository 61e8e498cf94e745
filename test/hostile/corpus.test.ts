/**
 * Hostile inputs of harmless size through every reader: each ends within two seconds, with a result or with a UserError, and memory stays
 * small. VERNIER_HOSTILE_CASES=100000 asks for more of them (a reader of rows then takes minutes, one of model folders an hour);
 * VERNIER_PROPERTY_SEED draws others.
 */
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../../src/platform.ts';
import { PARSERS } from './parsers.ts';

const CASES = Number(process.env['VERNIER_HOSTILE_CASES'] ?? 1000);
const MOST_MS = 2000;
const MOST_BYTES = 300 * 2 ** 20;
const counts: string[] = [];
afterAll(() => {
  if (process.env['VERNIER_HOSTILE_CASES'] !== undefined) console.log(counts.join('\n'));
});

test.each(PARSERS.map((parser) => ({ ...parser, toString: () => parser.name })))('$name', async ({ name, input, read, share = 1 }) => {
  const before = process.memoryUsage().rss;
  let [refused, slowest, most] = [0, 0, 0];
  const numRuns = Math.ceil(CASES * share);
  const property = fc.asyncProperty(input, async (value) => {
    const startedAt = performance.now();
    try {
      await read(value);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      expect(error.message.length).toBeLessThan(20_000);
      refused++;
    }
    const took = performance.now() - startedAt;
    slowest = Math.max(slowest, took);
    most = Math.max(most, process.memoryUsage().rss - before);
    expect(took).toBeLessThan(MOST_MS);
  });
  await fc.assert(property, { numRuns, endOnFailure: true });
  counts.push(`${name}: ${numRuns} cases, ${refused} refused, slowest ${Math.round(slowest)} ms, ${Math.round(most / 2 ** 20)} MB more at most`);
  expect(refused).toBeGreaterThan(0);
  expect(most).toBeLessThan(MOST_BYTES);
}, 3_600_000);
