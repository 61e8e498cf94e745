/** Small files that stand for something enormous: refused with their name, before anything is made of them. */
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readRecipe } from '../../src/options/commandLine.ts';
import { openRowFile } from '../../src/data/conversations/rowFile.ts';
import { crc32 } from '../../src/data/crc32.ts';
import { TemplateFailure } from '../../src/data/jinja/failures.ts';
import { JinjaTemplate } from '../../src/data/jinja/template.ts';
import { readJsonFile } from '../../src/data/jsonFile.ts';
import { PixelGate, rowPixels } from '../../src/data/pictures/pixelGate.ts';
import { rowFromColumns } from '../../src/data/prepared/row.ts';
import { duplicateKey, parseJson, shownJson } from '../../src/io/parseJson.ts';
import { parseLoraConfig } from '../../src/io/peftConfig.ts';
import { openSafetensors } from '../../src/io/safetensors.ts';
import { modelFamily } from '../../src/models/families.ts';
import { UserError } from '../../src/platform.ts';
import { memoryPlatform } from '../io/memoryPlatform.ts';

const encoder = new TextEncoder();
const deep = (depth: number, open = '[', close = ']'): string => open.repeat(depth) + close.repeat(depth);

async function refusal(work: () => unknown): Promise<string> {
  const startedAt = performance.now();
  let error: unknown;
  try {
    await work();
  } catch (cause) {
    error = cause;
  }
  expect(error).toBeInstanceOf(UserError);
  expect(performance.now() - startedAt).toBeLessThan(2000);
  return (error as UserError).message;
}

function memoryWith(path: string, content: string | Uint8Array): ReturnType<typeof memoryPlatform> {
  const platform = memoryPlatform();
  platform.files.set(path, typeof content === 'string' ? encoder.encode(content) : content);
  return platform;
}

describe('JSON', () => {
  test('nested 256 deep is read, deeper is not, wherever brackets are no part of a text', () => {
    expect(() => parseJson(deep(256))).not.toThrow();
    expect(() => parseJson(deep(257))).toThrow(/nested more than 256 deep at character 256/);
    expect(parseJson(JSON.stringify({ a: `\\"${deep(9999)}\\`, b: '\\', c: '"[' }))).toEqual({ a: `\\"${deep(9999)}\\`, b: '\\', c: '"[' });
    expect(() => parseJson(`"${'['.repeat(500)}`)).toThrow(SyntaxError);
  });

  test.each([['lists', deep(100_000)], ['objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`]])('%s a hundred thousand deep', async (_, text) => {
    const [row] = [`{"messages": ${text}}`];
    expect(await refusal(() => readJsonFile(memoryWith('c.json', `{"x": ${text}}`), 'c.json'))).toMatch(/^c\.json: it is not valid JSON \(lists and objects are nested/);
    expect(await refusal(async () => (await openRowFile(memoryWith('r.jsonl', row), 'r.jsonl')).row(0))).toMatch(/^r\.jsonl:1: not valid JSON \(lists and objects are nested/);
    const header = encoder.encode(`{"a": ${text}}`);
    const file = new Uint8Array(8 + header.length);
    new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
    file.set(header, 8);
    expect(await refusal(() => openSafetensors(memoryWith('m.safetensors', file), 'm.safetensors'))).toMatch(/^m\.safetensors is not a valid safetensors file/);
  });

  test('a name of forty megabytes, and one that stands twice', () => {
    expect(duplicateKey(`{"${'x'.repeat(40e6)}": 1}`)).toBeUndefined();
    expect(duplicateKey(`{"${'\\n'.repeat(10e6)}": 1}`)).toBeUndefined();
    expect(duplicateKey('{"a": {"b": 1, "b": 2}, "c\\u0061" : "b", "ca"\n\t: 2}')).toBe('ca');
  });
});

test('what JSON has no words for is shown in a message all the same', async () => {
  expect(shownJson({ big: 2n ** 63n, list: [1n] })).toBe('{"big":"9223372036854775808","list":["1"]}');
  expect(shownJson([].values)).toBe('a function');
  // As a Parquet file has it whose numbers have 64 bits.
  const columns = { values: [1], task_type: 't', task: 't', plan_split: 's', dataset: 'D', case_id: 'c', image_file: 'i', slice_dim: 2n };
  expect(await refusal(() => rowFromColumns(columns, 'a.parquet, row 3'))).toMatch(/^a\.parquet, row 3: column slice_dim: a whole number expected, "2" found/);
});

describe('recipes', () => {
  const laughs = ['a: &a [x, x, x, x, x, x, x, x, x]', ...[...'bcdefghi'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`).join(', ')}]`)].join('\n');
  const NESTED = /^r\.yaml(:1)?: not usable YAML: lists and maps are nested more than 64 deep\.$/;
  test('nested sixty deep is read', () => {
    const text = `a: ${deep(60)}`;
    expect(JSON.stringify(readRecipe(text, 'r.yaml'))).toBe(`{"a":${deep(60)}}`);
  });

  test.each([
    ['a billion laughs', laughs, /^r\.yaml: not usable YAML: Excessive alias count/],
    ['lists ten thousand deep', `a: ${deep(10_000)}`, NESTED],
    ['lists that never end', `a: ${'['.repeat(50_000)}`, NESTED],
    ['maps ten thousand deep', `a: ${'{b: '.repeat(10_000)}`, NESTED],
    ['lists of dashes', `${'- '.repeat(30_000)}a`, NESTED],
    ['keys of keys', `${'? '.repeat(30_000)}a`, NESTED],
    ['maps by indentation', Array.from({ length: 300 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'), /^r\.yaml:6\d: not usable YAML: lists and maps are nested more than 64 deep\.$/],
    ['a chain of aliases', ['a0: &a0 [x]', ...Array.from({ length: 3 }, (_, i) => `a${i + 1}: &a${i + 1} ${'['.repeat(50)}*a${i}${']'.repeat(50)}`)].join('\n'), NESTED],
    ['a chain of thousands', ['a0: &a0 [x]', ...Array.from({ length: 2000 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}]`)].join('\n'), /^r\.yaml: not usable YAML: /],
    ['a megabyte', `a: "${'x'.repeat(2 ** 20)}"`, /^r\.yaml: 1048581 characters; a few thousand were expected/],
    ['an unknown tag', 'a: !!python/object:os.system x', /.*/],
  ])('%s', async (name, text, words) => {
    if (name === 'an unknown tag') expect(readRecipe(text, 'r.yaml')).toEqual({ a: 'x' });
    else expect(await refusal(() => readRecipe(text, 'r.yaml'))).toMatch(words);
  });
});

test('a Parquet file whose own description is nested a hundred thousand deep', async () => {
  const depth = 100_000;
  const file = new Uint8Array(4 + depth + 8).fill(0x1c); // Thrift's first field, a structure
  for (const at of [0, 4 + depth + 4]) file.set(encoder.encode('PAR1'), at);
  new DataView(file.buffer).setUint32(4 + depth, depth, true);
  expect(await refusal(() => openRowFile(memoryWith('r.parquet', file), 'r.parquet'))).toBe(
    'r.parquet: it cannot be read as Parquet (its values are nested too deep). Write or fetch the file again.',
  );
});

test.each([
  ['attributes', '.a'], ['calls', '()'], ['places', '[0]'], ['filters', '|e'], ['sums', ' + 1'], ['terms', ' and 1'],
])('a chat template of twenty thousand %s in a row', (_, piece) => {
  const text = `{{ a${piece.repeat(20_000)} }}`;
  expect(() => new JinjaTemplate(text).render({ a: 1 })).toThrow(new TemplateFailure('it is nested too deep'));
});

describe('configurations', () => {
  test.each(['qwen2', 'gemma3_text'])('%s of a billion layers', async (model_type) => {
    expect(await refusal(() => modelFamily(model_type, 'c.json').describe({ model_type, num_hidden_layers: 1e9 }, 'c.json'))).toMatch(
      /^c\.json: num_hidden_layers is 1000000000; expected at most 2048 layers/,
    );
  });
  test.each(['constructor', '__proto__', 'toString'])('the model_type %s', async (model_type) => {
    expect(await refusal(() => modelFamily(model_type, 'c.json'))).toMatch(/is not known/);
  });
  test('ranks', async () => {
    const config = { peft_type: 'LORA', target_modules: ['q_proj'] };
    expect(await refusal(() => parseLoraConfig({ ...config, r: 1e9 }, 'a.json'))).toMatch(/^a\.json: r is 1000000000; a whole number from 1 to 65536/);
    expect(await refusal(() => parseLoraConfig({ ...config, rank_pattern: { q_proj: 1e9 } }, 'a.json'))).toMatch(/rank_pattern\["q_proj"\]/);
  });
});

describe('pictures', () => {
  /** A PNG of a few bytes that says it is so large. */
  const png = (width: number, height: number): Uint8Array => {
    const chunk = (type: string, data: Uint8Array): Buffer => {
      const body = Buffer.concat([Buffer.from(type), data]);
      const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
      length.writeUInt32BE(data.length);
      sum.writeUInt32BE(crc32(body) >>> 0);
      return Buffer.concat([length, body, sum]);
    };
    const header = Buffer.alloc(13);
    header.writeUInt32BE(width, 0);
    header.writeUInt32BE(height, 4);
    header.set([8, 2, 0, 0, 0], 8);
    return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), chunk('IDAT', deflateSync(Buffer.alloc(9))), chunk('IEND', Buffer.alloc(0))]);
  };

  test('a row of many large ones', async () => {
    const platform = memoryWith('a.png', png(10_000, 10_000));
    expect(await rowPixels(platform, ['a.png', { name: 'b', bytes: png(10, 20) }, { name: 'c', bytes: encoder.encode('no picture') }])).toBe(100_000_200);
    expect(await refusal(() => rowPixels(platform, Array<string>(4).fill('a.png')))).toMatch(/^its 4 pictures have 400000000 pixels together, more than the 357913940/);
  });

  test('so many pixels at once, in the order of asking, whatever fails', async () => {
    const gate = new PixelGate();
    let [held, most] = [0, 0];
    const order: number[] = [];
    const one = (pixels: number, i: number): Promise<void> =>
      gate.run(pixels, async () => {
        order.push(i);
        held += pixels;
        most = Math.max(most, held);
        await new Promise((resolve) => setTimeout(resolve, i % 3));
        held -= pixels;
        if (i % 5 === 0) throw new UserError('broken');
      });
    const sizes = Array.from({ length: 60 }, (_, i) => [1e6, 9e7, 1.7e8, 0, 4e8][i % 5]!);
    const results = await Promise.allSettled(sizes.map(one));
    expect(results.filter(({ status }) => status === 'rejected').length).toBe(12);
    expect(order).toEqual(sizes.map((_, i) => i));
    expect(most).toBe(4e8); // the one that is too large for others beside it
    expect(held).toBe(0);
  });
});
