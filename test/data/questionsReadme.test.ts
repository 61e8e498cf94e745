/** The questions and answers of src/data/medvision/README.md, as the embedded sample's volumes give them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { readCutoffs } from '../../src/data/medvision/cutoffs.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';

const readme = readFileSync(join(import.meta.dirname, '../../src/data/medvision/README.md'), 'utf8');
const sample = fileURLToPath(new URL('../../node/sample', import.meta.url));

/** Lines that begin with two blanks go on with the one before. */
const block = /```\n(Colin27Mini_[^`]*)```/.exec(readme)?.[1]?.replace(/\n {2}/g, ' ') ?? '';
const examples = block.split('\n\n').map((text) => {
  const [head = '', ...lines] = text.trim().split('\n');
  const [, task = '', row = '', kind = ''] = /^(\w+), row (\d+): (\w+)$/.exec(head) ?? [];
  const marked = (mark: string): string => lines.flatMap((line) => (line.startsWith(`${mark} `) ? [line.slice(2)] : [])).join('\n');
  return { task, row: Number(row), kind, question: marked('?'), answer: marked('='), reference: marked('~') };
});

describe('the examples of questions', () => {
  it('are one of each kind', () =>
    expect(examples.map(({ kind }) => kind)).toEqual(['box', 'ellipse', 'distance', 'angle']));

  it.each(examples)('$kind', async ({ task, row, kind, question, answer, reference }) => {
    const found: string[][] = [];
    for (const promptStyle of ['corrected', 'reference'] as const) {
      // MedGemma's size.
      const settings = { promptStyle, resizedSize: () => ({ height: 896, width: 896 }) };
      for await (const one of medvisionSamples(nodePlatform, sample, [parseTaskName(task, 'README')], settings))
        if (one.loaderIndex === row) found.push([one.annotation.kind, one.prompt, one.target]);
    }
    expect(found[0]).toEqual([kind, question, answer]);
    expect(found[1]?.[2]).toBe(reference);
  });
});

it('the example of cut-offs is a table of them', async () => {
  const text = /`(\[\{"name": "RECIST target".*?\}\])`/.exec(readme)?.[1] ?? '';
  const platform = { ...nodePlatform, readFile: () => Promise.resolve(new TextEncoder().encode(text)) };
  expect(await readCutoffs(platform, 'table.json')).toEqual([expect.objectContaining({ name: 'RECIST target', task: 'TL', at: [10] })]);
});
