/**
 * Parquet as Python's datasets, pandas and pyarrow write it (test/golden/rows/make.py): every codec and page version, null-filled structs,
 * random access.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { openRowFile } from '../../../src/data/conversations/rowFile.ts';
import type { ConversationRow } from '../../../src/data/conversations/row.ts';
import { decodeSource } from '../../../src/data/exampleMaker.ts';
import type { Conversation } from '../../../src/data/example.ts';

const folder = fileURLToPath(new URL('../../golden/rows', import.meta.url));

async function all(name: string): Promise<ConversationRow[]> {
  const file = await openRowFile(nodePlatform, join(folder, name));
  const rows = await Promise.all(Array.from({ length: file.length }, (_, i) => file.row(i)));
  await file.close();
  return rows;
}

const textOf = ({ content }: Conversation['messages'][number]): string =>
  typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '#')).join('');

async function said({ conversation }: ConversationRow): Promise<unknown> {
  const images = conversation.images.map(async (image) => {
    const { width, height, data } = await decodeSource(nodePlatform, image);
    return [width, height, ...data.subarray(0, 3)];
  });
  return { id: conversation.id, messages: conversation.messages.map((message) => [message.role, textOf(message)]), images: await Promise.all(images) };
}

it.each(['parts', 'parts_zstd', 'parts_gzip', 'parts_brotli', 'parts_lz4', 'parts_none', 'parts_v1', 'parts_v2'])('%s.parquet is what datasets reads', async (name) => {
  const rows = await all(`${name}.parquet`);
  expect(await Promise.all(rows.map(said))).toEqual(JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')));
  expect(rows[2]?.where).toBe(`${join(folder, name)}.parquet: row 3`);
  // What a worker is sent is the picture and not the page that it lay in.
  for (const { conversation } of rows) for (const image of conversation.images) if (typeof image !== 'string') expect(image.bytes.buffer.byteLength).toBe(image.bytes.length);
});

describe('other tables', () => {
  it('ShareGPT with nulls where a row has no picture and no system', async () => {
    const [first, second] = await all('sharegpt.parquet');
    expect(first?.conversation.messages[0]).toEqual({ role: 'system', content: 'Short.' });
    expect(first?.conversation.images).toHaveLength(1);
    expect(second?.conversation).toEqual({ messages: [{ role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Yo.' }], images: [] });
  });

  it('paths without bytes, relative to the file', async () => {
    expect((await all('path.parquet'))[0]?.conversation.images).toEqual([join(folder, 'red.png')]);
  });

  it('Json columns: texts beside lists of parts, keys of some turns', async () => {
    const [first, second] = await all('mixed.parquet');
    expect(first?.conversation.messages.map(({ isLearnt }) => isLearnt)).toEqual([undefined, false, undefined, undefined]);
    expect(second?.conversation.messages[0]?.content).toEqual([{ type: 'text', text: 'x' }]);
  });

  it('categories and a dict of lists', async () => {
    expect((await all('pandas.parquet')).map(({ conversation }) => conversation.messages[1]?.content)).toEqual(['y0', 'y1', 'y2', 'y3', 'y4']);
    expect((await all('sequence.parquet'))[0]?.conversation.messages).toEqual([{ role: 'user', content: 'x' }, { role: 'assistant', content: 'y' }]);
  });
});

it('any row at any time, in order and not', async () => {
  const file = await openRowFile(nodePlatform, join(folder, 'many.parquet'));
  expect(file.length).toBe(700);
  const order = [699, 0, 127, 128, 129, 300, 301, 2, 640, 699, ...Array.from({ length: 700 }, (_, i) => i), ...Array.from({ length: 40 }, (_, i) => (i * 397) % 700)];
  for (const index of order) expect((await file.row(index)).conversation.messages[1]?.content).toBe(`answer ${index}`);
  await file.close();
});

it('a damaged file is named', async () => {
  const bytes = readFileSync(join(folder, 'parts.parquet'));
  const damaged = { ...nodePlatform, exists: () => Promise.resolve(true), isDirectory: () => Promise.resolve(false) };
  const open = (content: Uint8Array): ReturnType<typeof openRowFile> =>
    openRowFile(
      {
        ...damaged,
        openFile: (path) =>
          Promise.resolve({ path, size: content.length, read: (at, length) => Promise.resolve(Uint8Array.from(content.subarray(at, at + length))), close: () => Promise.resolve() }),
      },
      'rows.bin',
    );
  await expect(open(bytes.subarray(0, 900))).rejects.toThrow(/rows\.bin: it cannot be read as Parquet/);
  const broken = Uint8Array.from(bytes).fill(7, 4, 400);
  await expect((await open(broken)).row(0)).rejects.toThrow(/rows\.bin: it cannot be read as Parquet/);
});
