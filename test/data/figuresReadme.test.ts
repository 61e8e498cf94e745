/** The figures of the examples in src/data/medvision/README.md, as summary.json has them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scoreRow } from '../../src/data/medvision/answerRows.ts';
import { summaryFiles } from '../../src/data/medvision/summaries.ts';
import type { TaskType } from '../../src/data/medvision/tasks.ts';

const text = readFileSync(join(import.meta.dirname, '../../src/data/medvision/README.md'), 'utf8');
const examples = text.split('\n').filter((line) => /^(TL|AD|Detection) \|/.test(line));
const TYPES: Readonly<Record<string, TaskType>> = { TL: 'TumorLesionSize', AD: 'BiometricsFromLandmarks', Detection: 'BoxSize' };

it('has examples', () => {
  expect(examples.length).toBe(5);
});

it.each(examples)('%s', (line) => {
  const [tag = '', pairs = '', figures = ''] = line.split(' | ');
  const rows = pairs.split(/; (?=[\d.])/).map((pair, id) => {
    const [truth = '', response = ''] = pair.split(' → ');
    const asked = { task: tag, taskType: TYPES[tag] ?? 'BoxSize', group: 'g', values: truth.split(', ').map(Number) };
    return scoreRow({ id, asked, prompt: '', target: truth, response, doc: {}, facts: {} }, 'robust');
  });
  const summary = summaryFiles(rows, { model: 'm', parser: 'robust', minGroupSize: 1 }).find(({ name }) => name === 'summary.json')?.text ?? '';
  const { kinds, left_out: leftOut } = JSON.parse(summary) as { kinds: Record<string, Record<string, number>>; left_out?: { count: number } };
  for (const figure of figures.split(', ')) {
    const [name = '', value = ''] = figure.split(' ');
    expect(kinds[tag]?.[name], name).toBeCloseTo(Number(value), 5);
  }
  expect(leftOut?.count).toBe(tag === 'AD' ? 1 : undefined);
});
