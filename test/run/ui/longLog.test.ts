/** A log of many lines: it is read in little more time than its lines take to be parsed, and its rows are thinned with the last among them. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RunLog } from '../../../src/run/ui/runLog.ts';
import { openScene, row, START } from './outputs.ts';
import type { Scene } from './outputs.ts';

let scene: Scene;
beforeEach(async () => {
  scene = await openScene();
});
afterEach(() => scene.close());

const LINES = 40_000;

it('reading a log and its rows takes little more than parsing its lines twice', async () => {
  const lines = Array.from({ length: LINES }, (_, i) => row(i + 1));
  scene.put('first/trainer_log.jsonl', START + lines.join(''));
  const shares: number[] = [];
  // The least busy moment counts.
  for (let round = 0; round < 5; round++) {
    const log = new RunLog(scene.runs.folder, 'first');
    const began = performance.now();
    await log.refresh();
    const { rows, place } = await log.rows();
    const read = performance.now() - began;
    expect(rows.length).toBeGreaterThan(1500);
    expect([rows[0]?.['step'], rows.at(-1)?.['step'], log.training?.['step']]).toEqual([1, LINES, LINES]);
    expect(place.offset).toBe((START + lines.join('')).length);
    const parsing = performance.now();
    for (const line of [...lines, ...lines]) JSON.parse(line);
    shares.push(read / (performance.now() - parsing));
  }
  console.log(`a log of ${LINES} lines: ${Math.min(...shares).toFixed(2)} times as long as parsing it`);
  expect(Math.min(...shares)).toBeLessThan(2.5);
});
