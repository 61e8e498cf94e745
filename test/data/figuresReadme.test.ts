/** The figures of the examples in src/data/medvision/README.md, as summary.json has them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scoreRow } from '../../src/data/medvision/answerRows.ts';
import type { ScoredRow } from '../../src/data/medvision/answerRows.ts';
import { decisionsOf } from '../../src/data/medvision/cutoffs.ts';
import { spacingUse } from '../../src/data/medvision/spacingProbe.ts';
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

const more = text.split('\n').filter((line) => /^(sizes|decisions at \d+|pixel_size_use) \|/.test(line));

it('has examples of figures of tumours', () => {
  expect(more.length).toBe(4);
});

const near = (found: object, said: string): void => {
  for (const figure of said.split(', ')) {
    const [name = '', value = ''] = figure.split(' ');
    expect((found as Record<string, unknown>)[name], name).toBeCloseTo(Number(value), 5);
  }
};

it.each(more)('%s', (line) => {
  const [what = '', pairs = '', figures = ''] = line.split(' | ');
  const rows = pairs.split('; ').map((pair, id): ScoredRow => {
    const [, truth = '', response = '', factor] = /^(.*) → (.*?)(?: factor (.*))?$/.exec(pair) ?? [];
    const asked = { task: 'TL', taskType: 'TumorLesionSize', group: 'tumor', values: truth.split(', ').map(Number) } as const;
    const doc = factor === undefined ? {} : { pixel_size_factor: Number(factor) };
    return scoreRow({ id, asked, prompt: '', target: truth, response, doc, facts: {} }, 'robust');
  });
  const [kind, , at] = what.split(' ');
  if (kind === 'pixel_size_use') near(spacingUse(rows), figures);
  else if (kind === 'decisions') {
    const cutoff = { name: 'limit', task: 'TL', group: 'tumor', axis: 'major', at: [Number(at)] } as const;
    near(decisionsOf(rows, [cutoff], { draws: 10, seed: 0 })[0] ?? {}, figures);
  } else {
    const summary = summaryFiles(rows, { model: 'm', parser: 'robust', minGroupSize: 1 }).find(({ name }) => name === 'summary.json')?.text ?? '';
    const { sizes } = JSON.parse(summary) as { sizes: Record<string, Record<string, object>> };
    for (const group of figures.split('; ')) {
      const [name = '', said = ''] = group.split(': ');
      near(sizes['TL']?.[name] ?? {}, said);
    }
  }
});
