import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { imageName } from '../../../src/data/conversations/images.ts';
import { readConversations } from '../../../src/data/conversations/read.ts';
import type { ConversationOptions } from '../../../src/data/conversations/row.ts';
import type { Conversation } from '../../../src/data/example.ts';
import { UserError } from '../../../src/platform.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-conversations-'));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'images'));
for (const name of ['a.png', 'b.png']) writeFileSync(join(folder, 'images', name), name);

const user = { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'Where?' }] };
const assistant = { role: 'assistant', content: 'Here.' };

let count = 0;
function write(text: string | Uint8Array): string {
  const path = join(folder, `rows_${count++}.jsonl`);
  writeFileSync(path, text);
  return path;
}
async function read(path: string, options?: ConversationOptions): Promise<Conversation[]> {
  const rows: Conversation[] = [];
  for await (const row of readConversations(nodePlatform, path, options)) rows.push(row);
  return rows;
}
const line = (row: unknown): string => JSON.stringify(row) + '\n';

describe('good rows', () => {
  test('paths relative to the file, absolute, and as file URLs', async () => {
    const absolute = join(folder, 'images/b.png');
    const path = write(
      ['images/a.png', absolute, `file://${absolute}`].map((image) => line({ messages: [user, assistant], images: [image] })).join(''),
    );
    expect((await read(path)).map((row) => row.images)).toEqual([[join(folder, 'images/a.png')], [absolute], [absolute]]);
    // A relative path to the file itself works as well.
    const rows = await read(relative(process.cwd(), path));
    expect(rows[0]?.images[0]).toBe(join(relative(process.cwd(), folder), 'images/a.png'));
  });

  test('content as text or parts, system turns, several images, ids, and nothing else kept', async () => {
    const messages = [
      { role: 'system', content: 'Measure.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'First' },
          { type: 'image', text: null },
          { type: 'text', text: 'second', image: null },
          { type: 'image' },
        ],
      },
      assistant,
    ];
    const [row] = await read(write(line({ id: 7, messages, images: ['images/a.png', 'images/b.png'], source: 'elsewhere' })));
    expect(row).toEqual({
      id: '7',
      messages: [
        { role: 'system', content: 'Measure.' },
        { role: 'user', content: [{ type: 'text', text: 'First' }, { type: 'image' }, { type: 'text', text: 'second' }, { type: 'image' }] },
        { role: 'assistant', content: 'Here.' },
      ],
      images: ['images/a.png', 'images/b.png'].map((name) => join(folder, name)),
    });
  });

  test('images named in their parts, alone or as well as in "images"', async () => {
    const named = {
      role: 'user',
      content: [
        { type: 'image', image: 'images/b.png' },
        { type: 'image', path: 'images/a.png' },
      ],
    };
    const rows = await read(
      write(line({ messages: [named, assistant] }) + line({ messages: [named, assistant], images: ['images/b.png', 'images/a.png'] })),
    );
    for (const row of rows) expect(row.images.map((image) => relative(folder, imageName(image)))).toEqual(['images/b.png', 'images/a.png']);
  });

  test('byte order mark, CRLF, blank lines, no newline at the end, no images', async () => {
    const last = { messages: [{ role: 'user', content: 'ünïcödé 🧠' }, assistant], images: null };
    const text = `\uFEFF${JSON.stringify({ messages: [assistant] })}\r\n\r\n  \n${JSON.stringify(last)}`;
    const rows = await read(write(text));
    expect(rows).toHaveLength(2);
    expect(rows[1]?.messages[0]?.content).toBe('ünïcödé 🧠');
  });

  test('rows that straddle the pieces a file is read in', async () => {
    const filler = 'é'.repeat(700_000);
    const rows = await read(write([1, 2, 3].map((id) => line({ id, messages: [{ role: 'assistant', content: filler + id }] })).join('')));
    expect(rows.map((row) => row.messages[0]?.content)).toEqual([1, 2, 3].map((id) => filler + id));
  });

  test('without an assistant turn where nothing is to be learnt', async () => {
    expect(await read(write(line({ messages: [user], images: ['images/a.png'] })), { isForTraining: false })).toHaveLength(1);
  });
});

describe('bad rows are named by file and line', () => {
  const good = line({ messages: [user, assistant], images: ['images/a.png'] });
  const row = (edit: object): string => line({ messages: [user, assistant], images: ['images/a.png'], ...edit });
  test.each<[string, string | Uint8Array, number, RegExp]>([
    ['bad JSON', good + '{"messages": [}\n', 2, /not valid JSON/],
    ['a truncated row', good + good.slice(0, 40), 2, /not valid JSON/],
    ['a list', '\n' + line([1]), 2, /a JSON object/],
    ['no messages', row({ messages: undefined }), 1, /"messages" should be a list/],
    ['empty messages', row({ messages: [] }), 1, /at least one message/],
    ['a message that is none', row({ messages: ['hello'] }), 1, /messages\[0\]/],
    ['an unknown role', row({ messages: [user, { role: 'tool', content: '' }] }), 1, /messages\[1\]: the role "tool"/],
    ['no content', row({ messages: [user, { role: 'assistant' }] }), 1, /messages\[1\]: "content"/],
    ['an unknown part', row({ messages: [{ role: 'user', content: [{ type: 'audio' }] }, assistant] }), 1, /content\[0\]: the type "audio"/],
    ['a part without text', row({ messages: [{ role: 'user', content: [{ type: 'text' }] }, assistant] }), 1, /"text" should be a text/],
    ['too few images', good + row({ images: [] }), 2, /1 image part in the messages, 0 in "images"/],
    ['too many images', row({ images: ['images/a.png', 'images/b.png'] }), 1, /1 image part in the messages, 2/],
    ['images for no question', row({ messages: [{ role: 'user', content: [{ type: 'text', text: 'Where?' }] }, assistant] }), 1, /0 image parts in the messages, 1/],
    ['an image that is no path', row({ images: [5] }), 1, /images\[0\] should be a file path/],
    ['an image that is missing', good + row({ images: ['images/c.png'] }), 2, /c\.png does not exist/],
    ['an image that is a folder', row({ images: ['images'] }), 1, /is a folder/],
    ['an image on the web', row({ images: ['https://example.org/a.png'] }), 1, /is not a file/],
    ['no assistant', row({ messages: [user] }), 1, /nothing to learn/],
    ['not UTF-8', Uint8Array.of(0x22, 0xff, 0xfe, 0x22, 0x0a), 1, /not UTF-8/],
  ])('%s', async (_, text, number, message) => {
    const path = write(text);
    const error = await read(path).then(
      () => undefined,
      (cause: unknown) => cause,
    );
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain(`${path}:${number}:`);
    expect(String(error)).toMatch(message);
  });

  test('rows before the bad one arrive', async () => {
    const rows = readConversations(nodePlatform, write(good + '{'));
    expect((await rows.next()).value?.images).toHaveLength(1);
    await expect(rows.next()).rejects.toThrow(UserError);
  });

  test('empty, missing, or a folder', async () => {
    for (const path of [write(''), write('\n \n'), join(folder, 'none.jsonl'), folder]) {
      await expect(read(path)).rejects.toThrow(UserError);
      await expect(read(path)).rejects.toThrow(path);
    }
  });
});
