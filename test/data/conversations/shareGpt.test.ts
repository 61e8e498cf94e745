/** Rows with `conversations` give what the same rows with `messages` give. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { readConversations } from '../../../src/data/conversations/read.ts';
import type { Conversation } from '../../../src/data/example.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-sharegpt-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});
writeFileSync(join(folder, 'a.png'), 'a');

async function read(row: unknown): Promise<Conversation> {
  const path = join(folder, 'rows.jsonl');
  writeFileSync(path, JSON.stringify(row));
  for await (const conversation of readConversations(nodePlatform, path)) return conversation;
  throw new Error('no row');
}

it('text only', async () => {
  const turns = [{ from: 'system', value: 'Short.' }, { from: 'human', value: 'How long?' }, { from: 'gpt', value: '12 mm' }];
  expect(await read({ id: 3, conversations: turns })).toEqual({
    id: '3',
    images: [],
    messages: [{ role: 'system', content: 'Short.' }, { role: 'user', content: 'How long?' }, { role: 'assistant', content: '12 mm' }],
  });
  expect((await read({ conversations: [{ role: 'user', content: 'a' }, { role: 'assistant', content: 'b' }] })).messages).toHaveLength(2);
});

it('images where the marks stand, the text to the letter', async () => {
  const turns = [{ from: 'human', value: '<image>\nWhere? Compare<image>' }, { from: 'gpt', value: 'Here.' }];
  const expected = [{ type: 'image' }, { type: 'text', text: '\nWhere? Compare' }, { type: 'image' }];
  const conversation = await read({ conversations: turns, image: ['a.png', 'a.png'] });
  expect(conversation.messages[0]!.content).toEqual(expected);
  expect(conversation.images).toEqual([join(folder, 'a.png'), join(folder, 'a.png')]);
  expect((await read({ conversations: [{ from: 'human', value: '<image>?' }, turns[1]], image: 'a.png' })).images).toHaveLength(1);
});

it.each([
  [{ conversations: 'x' }, /rows\.jsonl:1: "conversations" should be a list of at least one message, "x" found/],
  [{ conversations: [{ from: 'tool', value: 'x' }] }, /conversations\[0\]: the role "tool" is unknown/],
  [{ conversations: [{ from: 'human' }] }, /conversations\[0\]: "content" should be a text or a list of parts, nothing found/],
  [{ conversations: [{ from: 'human', value: '<image>' }, { from: 'gpt', value: 'x' }] }, /1 image part|image/],
])('refused: %j', async (row, message) => {
  await expect(read(row)).rejects.toThrow(expect.objectContaining({ name: 'UserError' }));
  await expect(read(row)).rejects.toThrow(message);
});
