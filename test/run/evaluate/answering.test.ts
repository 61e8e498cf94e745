/** Parts of an evaluation without a model: which rows, where an answer ends, and answers that are known. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import type { Example } from '../../../src/data/example.ts';
import { evaluateProgram, readIndices } from '../../../src/options/evaluate.ts';
import { parseFor } from '../../../src/options/program.ts';
import { AnswerCache, CACHE_FILE } from '../../../src/run/evaluate/answerCache.ts';
import { RowChoice } from '../../../src/run/evaluate/rows.ts';
import { endsAt, upToStop } from '../../../src/run/evaluate/stopStrings.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-answering-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('rows', () => {
  const chosen = (limit: number, indices: string[], count = 8): string[] => {
    const choice = new RowChoice({ limit, sample_indices: indices });
    return Array.from({ length: count }, () => choice.next('a'));
  };
  it('are the first ones, or those at the places that are named, of each task', () => {
    expect(chosen(2, [], 3)).toEqual(['take', 'take', 'enough']);
    expect(chosen(-1, ['1', '3-4'], 6)).toEqual(['skip', 'take', 'skip', 'take', 'take', 'enough']);
    expect(chosen(1, ['1', '3-4'], 3)).toEqual(['skip', 'take', 'enough']);
    const choice = new RowChoice({ limit: 1, sample_indices: [] });
    expect([choice.next('a'), choice.next('b'), choice.next('a')]).toEqual(['take', 'take', 'enough']);
  });

  it('places behind the last row are told, unless a limit ended the task before', () => {
    const notesAfter = (rows: number, limit: number): string[] => {
      const choice = new RowChoice({ limit, sample_indices: ['1', '3-4'] });
      for (let i = 0; i < rows; i++) choice.next('a');
      return choice.notes();
    };
    expect(notesAfter(4, -1)).toEqual(['a has 4 rows, so 1 of the places in --sample_indices (up to 4) is none']);
    expect(notesAfter(1, -1)).toEqual(['a has 1 row, so 3 of the places in --sample_indices (up to 4) are none']);
    expect(notesAfter(5, -1)).toEqual([]);
    expect(notesAfter(2, 1)).toEqual([]);
    expect(new RowChoice({ limit: -1, sample_indices: [] }).notes()).toEqual([]);
  });

  it.each(['-1', '3-1', 'x', '1.5', '1-2-3'])('a place is no %s', (item) => {
    expect(() => readIndices([item])).toThrow(/--sample_indices takes places from 0 and ranges/);
  });

  it('options that belong together', () => {
    const lists = { base_model_hf: 'b', data_dir: 'd', tasks_list_json_path_TL: 't' };
    expect(() => parseFor(evaluateProgram, { ...lists, scaled_ps_low: '0.5' })).toThrow(/go together/);
    expect(() => parseFor(evaluateProgram, { ...lists, scaled_ps_low: '3', scaled_ps_high: '0.5' })).toThrow(/low first/);
    expect(() => parseFor(evaluateProgram, { base_model_hf: 'b', eval_file: 'e', scaled_ps_low: '0.5', scaled_ps_high: '3' })).toThrow(/task lists/);
    const { options } = parseFor(evaluateProgram, { ...lists, sample_limit: '5', stop_strings: '</answer>, The End', sample_indices: '0,4-6' });
    expect([options.limit, options.stop_strings, options.sample_indices]).toEqual([5, ['</answer>', 'The End'], ['0', '4-6']]);
  });
});

describe('stop strings', () => {
  const processor = { decode: (ids: ArrayLike<number>): string => String.fromCharCode(...Array.from(ids)) };
  it('end an answer as soon as one is written', () => {
    const isEnded = endsAt(processor, ['</answer>', '\n\n']);
    const ids = Array.from('<answer>4, 5</answer> more', (letter) => letter.charCodeAt(0));
    const ends = ids.map((_, i) => isEnded?.(ids.slice(0, i + 1)));
    expect(ends.indexOf(true)).toBe('<answer>4, 5</answer>'.length - 1);
    expect(endsAt(processor, [])).toBeUndefined();
  });
  it('cut off what the last token has behind it', () => {
    expect(upToStop('<answer>4</answer>\nAnd', ['</answer>'])).toBe('<answer>4</answer>');
    expect(upToStop('a; b. c', ['.', ';'])).toBe('a;');
    expect(upToStop('nothing', ['.'])).toBe('nothing');
  });
});

describe('the cache of answers', () => {
  const example = (pixel: number, ids = [1, 2, 3]): Example => ({
    inputIds: Int32Array.from(ids), labels: new Int32Array(ids.length), positionIds: Int32Array.from(ids), pixelValues: Float32Array.of(0, pixel), imageGrids: [[1, 1, 1]],
  });
  const answer = { response: '12, 8', finish: 'end', answer_tokens: 4 };

  it('knows an answer by model, options, tokens and pixels, and by all of them', async () => {
    const dir = join(folder, 'keys');
    const cache = await AnswerCache.open(nodePlatform, dir, 'model A');
    const key = await cache.keyOf(example(1));
    await cache.add([[key, answer]]);
    const again = await AnswerCache.open(nodePlatform, dir, 'model A');
    expect(again.get(await again.keyOf(example(1)))).toEqual(answer);
    for (const other of [example(2), example(1, [1, 2, 4]), example(1, [1, 2]), { ...example(1), imageGrids: [[1, 2, 1]] as [number, number, number][] }])
      expect(again.get(await again.keyOf(other))).toBeUndefined();
    const model = await AnswerCache.open(nodePlatform, dir, 'model B');
    expect(model.get(await model.keyOf(example(1)))).toBeUndefined();
  });

  it('loses nothing but the line that a kill has torn, and goes on after it', async () => {
    const dir = join(folder, 'torn');
    const cache = await AnswerCache.open(nodePlatform, dir, 'm');
    const [one, two, three] = [await cache.keyOf(example(1)), await cache.keyOf(example(2)), await cache.keyOf(example(3))];
    await cache.add([[one, answer], [one, { ...answer, response: 'later' }]]);
    appendFileSync(join(dir, CACHE_FILE), JSON.stringify({ key: two, ...answer }).slice(0, -9));
    const after = await AnswerCache.open(nodePlatform, dir, 'm');
    expect([after.get(one), after.get(two)]).toEqual([expect.objectContaining({ finish: 'end' }), undefined]);
    await after.add([[three, answer]]);
    const last = await AnswerCache.open(nodePlatform, dir, 'm');
    expect([last.get(two), last.get(three)]).toEqual([undefined, answer]);
    expect(readFileSync(join(dir, CACHE_FILE), 'utf8').trim().split('\n')).toHaveLength(4);
  });

  it('is a folder', async () => {
    writeFileSync(join(folder, 'file'), '');
    await expect(AnswerCache.open(nodePlatform, join(folder, 'file'), 'm')).rejects.toThrow(/--answer_cache .* is a file/);
  });
});
