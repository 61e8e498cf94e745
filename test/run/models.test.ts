/** `vernier models`: every family is listed, in words and as JSON. */
import { expect, it } from 'vitest';
import { modelFamilies } from '../../src/models/families.ts';
import { runModels } from '../../src/run/models/models.ts';
import type { ListedFamily } from '../../src/run/models/models.ts';

function written(json: boolean): string {
  let text = '';
  runModels({ json }, { write: (piece) => void (text += piece) });
  return text;
}

it('names every family, and models of it', () => {
  const text = written(false);
  for (const [type, { title, examples }] of modelFamilies()) {
    expect(examples.length).toBeGreaterThan(0);
    for (const part of [type, title, ...examples]) expect(text).toContain(part);
  }
  expect(text).toMatch(/transformers 5\.18 and PEFT 0\.21/);
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(140);
});

it('says the same as JSON', () => {
  const families = JSON.parse(written(true)) as ListedFamily[];
  expect(families.map(({ model_type: type }) => type)).toEqual(modelFamilies().map(([type]) => type));
  expect(families.find(({ model_type: type }) => type === 'gemma3')).toMatchObject({ reads: 'text and pictures', checked_with: { transformers: '5.18' } });
  expect(families.find(({ model_type: type }) => type === 'qwen2')!.reads).toBe('text');
});
