/** The byte scanner against JSON.parse, on a plan that tries to mislead it. */
import { expect, test } from 'vitest';
import type { Wanted } from '../../src/data/medvision/planScanner.ts';
import { scanPlan } from '../../src/data/medvision/planScanner.ts';

async function scan(text: string, wanted: Wanted, size: number): Promise<unknown[]> {
  const bytes = new TextEncoder().encode(text);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
  }
  const found: unknown[] = [];
  for await (const { bytes } of scanPlan(chunks(), wanted, 'plan')) found.push(JSON.parse(new TextDecoder().decode(bytes)));
  return found;
}

test('scanned in pieces of any size, whatever the layout', async () => {
  const tricky = { '"tasks"': '[{"train_cases":[{}]}]', nested: [{ train_cases: [{ a: '\\"}]' }] }] };
  const cases = [{ case_ID: 'ä"}', list: [1, { b: [] }] }, {}, { case_ID: '\\' }];
  const plan = {
    dataset_info: tricky,
    tasks: [
      { train_cases: cases, extra: tricky, test_cases: [] },
      { test_cases: cases, labels_map: { 1: 'x' }, train_cases: [] },
    ],
    end: 1,
  };
  const frame = {
    dataset_info: tricky,
    tasks: [
      { train_cases: [], extra: tricky, test_cases: [] },
      { test_cases: [], labels_map: { 1: 'x' }, train_cases: [] },
    ],
    end: 1,
  };
  for (const text of [JSON.stringify(plan), JSON.stringify(plan, null, 4)]) {
    for (const size of [1, 2, 3, 7, 64, 10_000]) {
      expect(await scan(text, { part: 'frame' }, size)).toEqual([frame]);
      expect(await scan(text, { part: 'cases', lists: [{ task: 0, key: 'train_cases' }] }, size)).toEqual(cases);
      expect(await scan(text, { part: 'cases', lists: [{ task: 0, key: 'test_cases' }] }, size)).toEqual([]);
      expect(await scan(text, { part: 'cases', lists: [{ task: 1, key: 'test_cases' }] }, size)).toEqual(cases);
      expect(await scan(text, { part: 'cases', lists: [{ task: 1, key: 'train_cases' }] }, size)).toEqual([]);
    }
  }
});
