/** Encoding and decoding against the goldens' strings, and how tokenizer.json and tokenizer_config.json are merged. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { Tokenizer } from '../../src/data/tokenizer.ts';
import { UserError } from '../../src/platform.ts';
import { goldenNames, goldenPath } from '../io/goldenFolder.ts';
import { memoryPlatform } from '../io/memoryPlatform.ts';

interface Case {
  text: string;
  ids: number[];
  ids_with_special: number[];
  decoded: string;
  decoded_skip_special: string;
}

const folders = [...goldenNames('models'), 'smolvlm-tiny', 'smolvlm-tiny-bf16'].flatMap((name) => {
  const cases = goldenPath('golden', name.replace(/-(bf16|bnb-4bit)$/, ''), 'tokenizer_cases.json');
  return existsSync(cases) && existsSync(goldenPath('models', name, 'tokenizer.json')) ? [[name, cases] as const] : [];
});

describe.skipIf(folders.length === 0)('golden strings', () => {
  test.each(folders)('%s', async (folder, file) => {
    const tokenizer = await Tokenizer.load(nodePlatform, goldenPath('models', folder));
    const cases = JSON.parse(readFileSync(file, 'utf8')) as Case[];
    expect(cases.length).toBeGreaterThan(20);
    for (const c of cases) {
      expect(tokenizer.encode(c.text), c.text).toEqual(c.ids);
      expect(tokenizer.encode(c.text, { addSpecialTokens: true }), c.text).toEqual(c.ids_with_special);
      expect(tokenizer.decode(c.ids), c.text).toBe(c.decoded);
      expect(tokenizer.decode(c.ids, { skipSpecialTokens: true }), c.text).toBe(c.decoded_skip_special);
    }
  });
});

/** A byte-level BPE of a few letters, in the shape of Qwen's file. */
const model = {
  version: '1.0',
  added_tokens: [{ id: 10, content: '<|end|>', single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }],
  normalizer: { type: 'NFC' },
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  model: { type: 'BPE', vocab: { a: 0, b: 1, c: 2, ab: 3, Ġ: 4, x: 5, '<s>': 6 }, merges: ['a b'], unk_token: null },
};

describe('merging the two files', () => {
  test('ordinary text, an added token, ids outside the vocabulary', () => {
    const tokenizer = new Tokenizer(model, {}, 'tokenizer.json');
    expect(tokenizer.encode('abc ab<|end|>c')).toEqual([3, 2, 4, 3, 10, 2]);
    expect(tokenizer.decode([3, 10, 999, 2])).toBe('ab<|end|>c');
    expect(tokenizer.decode([3, 10, 999, 2], { skipSpecialTokens: true })).toBe('abc');
    expect(tokenizer.decode([])).toBe('');
  });

  test('added_tokens_decoder adds what tokenizer.json lacks; eos_token makes a token special', () => {
    const config = {
      added_tokens_decoder: { 10: { content: '<|end|>', special: true }, 11: { content: '<|more|>', special: false } },
      eos_token: { content: '<|more|>' },
    };
    const tokenizer = new Tokenizer(model, config, 'tokenizer.json');
    expect(tokenizer.encode('a<|more|>b')).toEqual([0, 11, 1]);
    expect(tokenizer.roleId('eos_token')).toBe(11);
    expect(tokenizer.specialTokens).toEqual(new Set(['<|end|>', '<|more|>']));
    expect(tokenizer.decode([0, 11, 1], { skipSpecialTokens: true })).toBe('ab');
  });

  test('extra_special_tokens, as a list or by name', () => {
    const added = { added_tokens_decoder: { 11: { content: '<img>' } } };
    expect(new Tokenizer(model, { ...added, extra_special_tokens: ['<img>'] }, 't').specialTokens.has('<img>')).toBe(true);
    expect(new Tokenizer(model, { ...added, extra_special_tokens: { image_token: '<img>' } }, 't').specialTokens.has('<img>')).toBe(true);
    expect(new Tokenizer(model, added, 't').specialTokens.has('<img>')).toBe(false);
  });

  test('add_bos_token and add_eos_token set the roles around a text', () => {
    const config = { bos_token: '<s>', eos_token: '<|end|>', add_bos_token: true, add_eos_token: true };
    const tokenizer = new Tokenizer(model, config, 'tokenizer.json');
    expect(tokenizer.encode('ab', { addSpecialTokens: true })).toEqual([6, 3, 10]);
    expect(tokenizer.leadingSpecialTokens).toBe(1);
    expect(tokenizer.encode('ab')).toEqual([3]);
    expect(new Tokenizer(model, { ...config, add_bos_token: false }, 't').encode('ab', { addSpecialTokens: true })).toEqual([3, 10]);
    expect(new Tokenizer(model, { add_bos_token: true, bos_token: null }, 't').encode('ab', { addSpecialTokens: true })).toEqual([3]);
  });
});

describe('bad folders', () => {
  test('a missing tokenizer.json', async () => {
    await expect(Tokenizer.load(memoryPlatform(), 'base')).rejects.toThrow(UserError);
    await expect(Tokenizer.load(memoryPlatform(), 'base')).rejects.toThrow('base/tokenizer.json: not found');
  });

  test.each([
    ['{', 'not valid JSON'],
    ['[]', 'a JSON object was expected'],
    ['{}', 'cannot be used as a tokenizer'],
    ['{"model": {"type": "BPE"}}', 'cannot be used as a tokenizer'],
    ['{"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": [{"id": "x"}]}', 'added token is {"id":"x"}'],
  ])('tokenizer.json is %s', async (text, message) => {
    const platform = memoryPlatform();
    platform.files.set('base/tokenizer.json', new TextEncoder().encode(text));
    await expect(Tokenizer.load(platform, 'base')).rejects.toThrow(UserError);
    await expect(Tokenizer.load(platform, 'base')).rejects.toThrow(message);
  });
});
