/** Token ids beside Python's, for both families: random added tokens of all flags in random texts, and plain texts of many scripts. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { Tokenizer } from '../../src/data/tokenizer.ts';

interface Entry {
  base: string;
  /** What tokenizer.json lists; null for what the base lists. */
  added: Record<string, unknown>[] | null;
  texts: [string, number[]][];
}

const read = (base: string, name: string): Record<string, unknown> =>
  JSON.parse(readFileSync(new URL(`../../node/${base}/${name}`, import.meta.url), 'utf8')) as Record<string, unknown>;

/** @returns how many texts were compared */
function compare(entries: readonly Entry[]): number {
  for (const { base, added, texts } of entries) {
    const model = read(base, 'tokenizer.json');
    const tokenizer = new Tokenizer(
      added === null ? model : { ...model, added_tokens: added },
      read(base, 'tokenizer_config.json'),
      `${base}/tokenizer.json`,
    );
    for (const [text, ids] of texts) {
      const flags = JSON.stringify(added?.filter(({ content }) => text.includes(String(content))));
      expect(tokenizer.encode(text), `${base} ${JSON.stringify(text)} ${flags}`).toEqual(ids);
    }
  }
  return entries.flatMap(({ texts }) => texts).length;
}

test('the golden file', () => {
  const entries = JSON.parse(
    gunzipSync(readFileSync(new URL('../golden/added_tokens.json.gz', import.meta.url))).toString('utf8'),
  ) as Entry[];
  expect(compare(entries)).toBeGreaterThan(600);
});

const python = process.env['VERNIER_PYTHON'];
test.skipIf(python === undefined)(
  'a new seed, beside Python',
  () => {
    const script = new URL('../golden/added_tokens.py', import.meta.url).pathname;
    const out = execFileSync(python ?? 'python', [script, String(Date.now() % 1_000_000), '100'], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    });
    expect(compare(JSON.parse(out) as Entry[])).toBeGreaterThan(2000);
  },
  300_000,
);

test('a token of white space is not counted again where the one before has taken it with it', () => {
  const model = read('base', 'tokenizer.json');
  const listed = model['added_tokens'] as { id: number }[];
  const id = Math.max(...listed.map((token) => token.id)) + 1;
  const count = (flags: { lstrip: boolean; rstrip: boolean }, text: string): number => {
    const line = { id, content: '\n', single_word: false, normalized: true, special: false, ...flags };
    const tokenizer = new Tokenizer({ ...model, added_tokens: [...listed, line] }, read('base', 'tokenizer_config.json'), 'tokenizer.json');
    return tokenizer.encode(text).filter((found) => found === id).length;
  };
  // As Python's tokenizers have it.
  expect(count({ lstrip: true, rstrip: true }, 'a\n\nb')).toBe(1);
  expect(count({ lstrip: false, rstrip: false }, 'a\n\nb')).toBe(2);
});

test('a token with single_word is not cut out of a longer word', () => {
  const model = read('base', 'tokenizer.json');
  const listed = model['added_tokens'] as { id: number }[];
  const id = Math.max(...listed.map((token) => token.id)) + 1;
  const word = { id, content: 'cm', single_word: true, lstrip: false, rstrip: false, normalized: false, special: false };
  const tokenizer = new Tokenizer({ ...model, added_tokens: [...listed, word] }, read('base', 'tokenizer_config.json'), 'tokenizer.json');
  const times = (text: string): number => tokenizer.encode(text).filter((found) => found === id).length;
  expect(times('5 cm, cmd acm cm.')).toBe(2);
  expect(times('cm')).toBe(1);
  expect(times('_cm cm_ 5cm cm5 écm cmé 日cm')).toBe(0);
  expect(times('😀cm-cm')).toBe(2);
  expect(tokenizer.decode([id])).toBe('cm');
});
