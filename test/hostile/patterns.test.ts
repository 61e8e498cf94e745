/** Patterns that others wrote and that never come to an end: told with the file's or the option's name, in seconds. */
import { afterEach, describe, expect, test } from 'vitest';
import { limited } from '../../node/timeLimit.ts';
import { ChatTemplate } from '../../src/data/chat.ts';
import { conversationTokens } from '../../src/data/conversationTokens.ts';
import { Tokenizer } from '../../src/data/tokenizer.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { modulesFromParameters, resolveAdapter } from '../../src/io/peftTargets.ts';
import { KnownToEnd, mayExplode, provideTimeLimit, TookTooLong, withinTime } from '../../src/io/timeLimit.ts';
import { UserError } from '../../src/platform.ts';

/** A second in place of every limit. */
const short = <T>(_: number, work: () => T): T => limited(1000, work);
provideTimeLimit(short);
afterEach(() => provideTimeLimit(short));

const EXPLOSIVE = '(a|aa|b|[ab])+$';

test('work is interrupted in a loop and in a match, and its own errors and results come through', () => {
  expect(limited(1000, () => 5)).toBe(5);
  expect(() => limited(1000, () => { throw new RangeError('own'); })).toThrow(new RangeError('own')); // prettier-ignore
  expect(() => limited(50, () => { for (;;); })).toThrow(TookTooLong); // prettier-ignore
  expect(() => limited(50, () => new RegExp(`^${EXPLOSIVE}`).test(`${'ab'.repeat(200)}c`))).toThrow(TookTooLong);
  expect(limited(1000, () => withinTime(1, () => 6, () => new Error('inner')))).toBe(6);
});

test('an input that came to its end is run without a limit from then on; one that did not is limited again', () => {
  let limits = 0;
  provideTimeLimit((milliseconds, work) => {
    limits++;
    return limited(milliseconds, work);
  });
  const known = new KnownToEnd();
  const endless = (): never => { for (;;); }; // prettier-ignore
  const within = <T>(input: string, work: () => T): T => known.withinTime(input, 50, work, () => new Error(`${input} does not end`));
  for (let i = 0; i < 2; i++) expect(() => within('endless', endless)).toThrow('endless does not end');
  expect(limits).toBe(2);
  for (let i = 0; i < 3; i++) expect(within('short', () => withinTime(50, () => i, () => new Error('inner')))).toBe(i);
  expect(limits).toBe(4); // the first time, that within it too
  expect(() => within('short', () => { throw new RangeError('own'); })).toThrow(new RangeError('own')); // prettier-ignore
  expect(() => within('other', endless)).toThrow('other does not end'); // limits hold again after an error
});

describe('target_modules and its kin', () => {
  const long = 'ab'.repeat(60);
  const modules = modulesFromParameters([[`model.${long}c.weight`, [8, 8]], ['model.q_proj.weight', [8, 8]]]);
  test.each([
    { target_modules: `model\\.${EXPLOSIVE}` },
    { target_modules: ['q_proj'], exclude_modules: `model\\.${EXPLOSIVE}` },
    { target_modules: ['q_proj', `${long}c`], layers_to_transform: [1], layers_pattern: [`model.(a|aa|b|[ab])+`] },
    { target_modules: ['q_proj', `${long}c`], rank_pattern: { '(a|aa|b|[ab])+': 4 } },
    { target_modules: ['q_proj'], modules_to_save: ['(a|aa|b|[ab])+'] },
  ])('%j', (given) => {
    expect(() => resolveAdapter(loraConfig(given), modules)).toThrow(UserError);
    expect(() => resolveAdapter(loraConfig(given), modules)).toThrow(/The regular expressions that choose modules \(.*aa.*\) have not matched 3 names/);
  });

  test('a plain one is as before', () => {
    expect(resolveAdapter(loraConfig({ target_modules: '.*\\.q_proj' }), modules).lora.map(({ module }) => module)).toEqual(['model.q_proj']);
  });
});

const model = { type: 'BPE', vocab: { a: 0, b: 1, c: 2, '<s>': 3 }, merges: [], unk_token: null };
const words = { role: 'user', content: `${'ab'.repeat(200)}c` } as const;

test.each([
  ['pre_tokenizer', { type: 'Split', pattern: { Regex: `^${EXPLOSIVE}` }, behavior: 'Isolated', invert: false }],
  ['normalizer', { type: 'Replace', pattern: { Regex: `^${EXPLOSIVE}` }, content: 'a' }],
])('a tokenizer whose %s does not end', (part, value) => {
  const tokenizer = new Tokenizer({ model, [part]: value, added_tokens: [] }, {}, 'base/tokenizer.json');
  expect(tokenizer.encode('a')).toEqual([0]);
  expect(() => tokenizer.encode(words.content)).toThrow(UserError);
  expect(() => tokenizer.encode(words.content)).toThrow(/^base\/tokenizer\.json: a pattern in it has not come to an end in \d+ s/);
  const template = new ChatTemplate('{{ messages[0].content }}', {}, 'base/chat_template.jinja');
  const encode = (): unknown => conversationTokens({ tokenizer, template, padId: 0 }, { messages: [words], images: [], id: '7' }, { mask: 'completion' });
  expect(encode).toThrow(UserError);
  expect(encode).toThrow(/^Conversation 7: it has not become tokens in \d+ s: a pattern in base\/tokenizer\.json, or a loop in base\/chat_template\.jinja/);
});

test('a decoder that does not end', () => {
  const decoder = { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'Replace', pattern: { Regex: `^${EXPLOSIVE}` }, content: '' }] };
  const tokenizer = new Tokenizer({ model, decoder, added_tokens: [] }, {}, 'base/tokenizer.json');
  const ids = [...Array.from({ length: 400 }, (_, i) => i % 2), 2];
  expect(() => tokenizer.decode(ids)).toThrow(/^base\/tokenizer\.json: a pattern in it has not come to an end/);
});

test('which patterns are refused where nothing can be interrupted', () => {
  const harmless = [
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}]*[\\p{Ll}\\p{Lm}]+(?i:'s|'t)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s+",
    '.*\\.(?:q_proj|v_proj)', 'model\\.layers\\.\\d+\\.(self_attn|mlp)\\..*_proj', '[(+*]+', '\\(a+\\)+', '(ab){2}c+', '(?:ab){1,}c?',
  ];
  const explosive = ['(a+)+', '(a*)*b', '((a|b)*c)+', '(?:x+y*){2,}', '(.*,)*', EXPLOSIVE, '(a?a?)*b', '(a{1,3})+', '(?<x>a|aa)+', '(?P<x>a|aa)+', '([ab]+)\\1', '(a{2,})+'];
  expect(harmless.filter(mayExplode)).toEqual([]);
  expect(explosive.filter((pattern) => !mayExplode(pattern))).toEqual([]);
  provideTimeLimit(undefined as unknown as typeof short);
  expect(() => resolveAdapter(loraConfig({ target_modules: '(a+)+' }), modulesFromParameters([['a.weight', [2, 2]]]))).toThrow(/repeats a repetition/);
  const pattern = { type: 'Split', pattern: { Regex: '(a+)+b' }, behavior: 'Isolated', invert: false };
  expect(() => new Tokenizer({ model, pre_tokenizer: { type: 'Sequence', pretokenizers: [pattern] } }, {}, 't.json')).toThrow(/t\.json: its pattern "\(a\+\)\+b"/);
});
