/** What a file of rows may be: lines, arrays, gzip, several objects on a line; what it may not be; and any row of it at any time. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { openRowFile } from '../../../src/data/conversations/rowFile.ts';
import type { RowFile } from '../../../src/data/conversations/rowFile.ts';
import { RowSplitter } from '../../../src/data/conversations/rowSplitter.ts';
import { conversationRows } from '../../../src/train/sources.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-row-files-'));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function write(content: string | Uint8Array, name = `rows_${count++}.txt`): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const row = (words: string): object => ({ messages: [{ role: 'user', content: `${words}?` }, { role: 'assistant', content: words }] });
const objects = ['one', 'two " \\ [', '{three}\n', 'vier é 漢 🙂'].map(row);
const lines = objects.map((one) => JSON.stringify(one)).join('\n');

async function answers(path: string): Promise<unknown[]> {
  const file = await openRowFile(nodePlatform, path);
  const found: unknown[] = [];
  for await (const { row: one, problem } of file.scan()) found.push(problem?.message ?? one?.conversation.messages[1]?.content);
  await file.close();
  return found;
}

describe('one content, however it is written', () => {
  const expected = ['one', 'two " \\ [', '{three}\n', 'vier é 漢 🙂'];
  it.each<[string, string | Uint8Array]>([
    ['lines', lines],
    ['lines with CRLF and blanks', `\uFEFF${lines.replaceAll('\n', '\r\n\r\n  ')}\r\n`],
    ['lines, gzip', gzipSync(`${lines}\n`)],
    ['several members of gzip', Buffer.concat([gzipSync(lines.slice(0, 100)), gzipSync(lines.slice(100))])],
    ['all on one line', objects.map((one) => JSON.stringify(one)).join('')],
    ['all on one line, apart', objects.map((one) => JSON.stringify(one)).join(' \t')],
    ['an array', JSON.stringify(objects)],
    ['an array over many lines', JSON.stringify(objects, null, 2)],
    ['an array with a byte order mark and blanks', `\uFEFF\r\n ${JSON.stringify(objects, null, '\t').replaceAll('\n', '\r\n')}\r\n`],
    ['an array, gzip', gzipSync(JSON.stringify(objects, null, 1))],
  ])('%s', async (_, content) => {
    expect(await answers(write(content))).toEqual(expected);
  });
});

it('rows are told apart wherever the pieces of the file are cut', () => {
  const value = fc.anything({ values: [fc.string({ unit: 'grapheme' }), fc.integer(), fc.boolean(), fc.constantFrom('"', '\\', '\\"', '{', ']', '\n', ',')] }).map((one) => JSON.parse(JSON.stringify({ one })) as unknown);
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 6 }), fc.boolean(), fc.constantFrom(undefined, 2), fc.integer({ min: 1, max: 40 }), (values, isArray, indent, step) => {
      const text = isArray ? JSON.stringify(values, null, indent) : values.map((one) => JSON.stringify(one)).join('\r\n');
      const bytes = new TextEncoder().encode(text);
      const splitter = new RowSplitter('rows', isArray ? 'array' : 'lines');
      for (let at = 0; at < bytes.length; at += step) splitter.push(bytes.subarray(at, at + step));
      const index = splitter.finish();
      const found = Array.from({ length: index.length }, (_, i) => {
        const { start, end } = index.at(i);
        return JSON.parse(new TextDecoder().decode(bytes.subarray(start, end))) as unknown;
      });
      expect(found).toEqual(values);
    }),
  );
});

it('any row at any time, each with its place', async () => {
  const many = Array.from({ length: 3000 }, (_, i) => row(`row ${i} ${'x'.repeat(i % 700)}`));
  const ofLines = await openRowFile(nodePlatform, write(many.map((one) => JSON.stringify(one)).join('\n\n')));
  const ofArray = await openRowFile(nodePlatform, write(JSON.stringify(many, null, 1)));
  for (const file of [ofLines, ofArray]) {
    expect(file.length).toBe(3000);
    const order = [2999, 0, 1, 2, 1500, 1501, 1502, 3, ...Array.from({ length: 60 }, (_, i) => (i * 1237) % 3000)];
    for (const index of order) expect((await file.row(index)).conversation.messages[1]?.content).toMatch(new RegExp(`^row ${index} x*$`));
  }
  expect(ofLines.where(10)).toBe(`${ofLines.path}:21`);
  expect(ofArray.where(1)).toBe(`${ofArray.path}:14: row 2`);
  const oneLine = await openRowFile(nodePlatform, write(`${JSON.stringify(row('a'))}\n${JSON.stringify(row('b'))}${JSON.stringify(row('c'))}`));
  expect([0, 1, 2].map((index) => oneLine.where(index))).toEqual(['1', '2: row 1 of the line', '2: row 2 of the line'].map((place) => `${oneLine.path}:${place}`));
  for (const file of [ofLines, ofArray, oneLine]) await file.close();
});

it('more rows than one block of the index, with and without gaps between their lines', () => {
  for (const gapAt of [-1, 70_000]) {
    const splitter = new RowSplitter('rows', 'lines');
    splitter.push(new TextEncoder().encode(Array.from({ length: 140_000 }, (_, i) => `${i === gapAt ? '\n\n' : ''}[${i}]`).join('\n')));
    const index = splitter.finish();
    expect(index.length).toBe(140_000);
    for (const row of [0, 65_535, 65_536, 69_999, 70_000, 70_001, 131_071, 131_072, 139_999]) {
      const { start, end, line } = index.at(row);
      expect([end - start, line]).toEqual([String(row).length + 2, row + 1 + (gapAt >= 0 && row >= gapAt ? 2 : 0)]);
    }
    expect(index.line(140_000)).toBe(0);
  }
});

it('a bad row takes no other with it', async () => {
  const path = write(`${JSON.stringify(row('a'))}\n{"messages": "\n${JSON.stringify(row('b'))}\n{"x": [{]}\n}\n${JSON.stringify(row('c'))},\n`);
  const found = await answers(path);
  expect(found.filter((one) => ['a', 'b', 'c'].includes(String(one)))).toEqual(['a', 'b', 'c']);
  expect(found[1]).toContain(`${path}:2: not valid JSON`);
  expect(found.at(-1)).toContain(`${path}:6: row 2 of the line: not valid JSON`);
  expect(found.at(-1)).toContain('Lines have no commas between them');
});

it.each<[string, string | Uint8Array, RegExp]>([
  ['an array that is cut off', JSON.stringify(objects).slice(0, -20), /:1: the JSON array is not closed/],
  ['an array with a comma too much', '[\n{},\n]', /:3: not a JSON array of rows: a comma with no row behind it/],
  ['two arrays', '[{"a": 1}]\n[{"a": 1}]', /:2: .*more after the end of the JSON array/],
  ['an empty array', '[]', /has no rows/],
  ['CSV', 'question,answer\n"a","b"\n', /:1: it looks like a table \(CSV or TSV\)/],
  ['quoted TSV', '"question"\t"answer"\n', /:1: it looks like a table/],
  ['Arrow', 'ARROW1\0\0', /Arrow file.*to_parquet/],
  ['an Arrow stream', Uint8Array.of(255, 255, 255, 255, 16, 1), /Arrow file/],
  ['Feather 1', 'FEA1', /Feather/],
  ['Excel', 'PK\x03\x04[Content_Types].xml', /Excel workbook/],
  ['a zip', 'PK\x03\x04rows.jsonl', /zip archive/],
  ['a pickle', Uint8Array.of(0x80, 4, 0x95), /pickle/],
  ['zstd', Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd), /zstd/],
  ['a picture', Uint8Array.of(0x89, 0x50, 0x4e, 0x47), /a picture/],
  ['a page of a failed download', '<!DOCTYPE html><html>', /HTML/],
  ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\n', /git lfs pull/],
  ['UTF-16', Buffer.from('\uFEFF{"a": 1}', 'utf16le'), /UTF-8/],
])('%s is refused in words', async (_, content, message) => {
  const path = write(content);
  await expect(openRowFile(nodePlatform, path)).rejects.toThrow(expect.objectContaining({ name: 'UserError' }));
  await expect(openRowFile(nodePlatform, path)).rejects.toThrow(message);
});

it.each([
  ['{\n "messages": []\n}', /rows_\d+\.txt:1: not valid JSON .*write each on one line, or all in one array/],
  ['{"loss": NaN}', /JSON has no NaN/],
  ["{'messages': []}", /JSON has double quotes/],
])('%j has a hint', async (content, message) => {
  expect(String((await answers(write(content)))[0])).toMatch(message);
});

describe('the fingerprint', () => {
  const opened: RowFile[] = [];
  const open = async (path: string): Promise<RowFile> => {
    const file = await openRowFile(nodePlatform, path);
    opened.push(file);
    return file;
  };
  afterEach(() => Promise.all(opened.splice(0).map((file) => file.close())));

  it('of rows of the old form is what it was, so that old checkpoints resume', async () => {
    const some = (n: number): string => Array.from({ length: n }, (_, i) => JSON.stringify({ ...row(`r${i}`), images: [] })).join('\n');
    // Values of the commit before this reader.
    expect(await conversationRows(await open(write(some(3)))).fingerprint?.()).toBe('e1a1352fa51a497728f5cb299b7b08ae96aea1425d828f55529736fd66e594d8');
    expect(await conversationRows(await open(write(some(1030)))).fingerprint?.()).toBe('71e28093225fa57880b5ce372e280a13897ecc9374765e1cc20b0e0486768466');
  });

  it('is the same of lines and of an array, known after a scan or not, and another one of other rows', async () => {
    const [a, b, c] = await Promise.all([write(lines), write(JSON.stringify(objects)), write(`${lines}\n${lines}`)].map(open));
    for await (const { problem } of b!.scan()) expect(problem).toBeUndefined();
    const first = (await a!.figures()).fingerprint;
    expect((await b!.figures()).fingerprint).toBe(first);
    expect((await c!.figures()).fingerprint).not.toBe(first);
    expect((await c!.figures(Uint32Array.of(4, 5, 6, 7))).fingerprint).toBe(first);
    expect((await a!.figures()).lengths).toHaveLength(4);
  });
});
