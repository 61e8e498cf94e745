/** The examples of src/data/README.md become what it says. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { imageName } from '../../../src/data/conversations/images.ts';
import { readConversations } from '../../../src/data/conversations/read.ts';
import type { Conversation } from '../../../src/data/example.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-readme-'));
afterAll(() => rmSync(folder, { recursive: true }));
for (const name of ['a.png', 'b.png']) writeFileSync(join(folder, name), name);

const text = readFileSync(new URL('../../../src/data/README.md', import.meta.url), 'utf8');
const examples = [...text.matchAll(/^(\{.*\})\n→ (.*)$/gm)].map(([, row = '', said = '']) => ({ row, said }));

function say({ messages, images }: Conversation): string {
  const turns = messages.map(({ role, content, isLearnt }) => {
    const words = (typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '▢')).join('')).replaceAll('\n', '⏎');
    return `${role}: ${role !== 'assistant' ? words : isLearnt === false ? `(${words})` : `[${words}]`}`;
  });
  const names = images.map((image) => imageName(image).replace(`${folder}/`, ''));
  return [...turns, ...(names.length > 0 ? [names.join(' ')] : [])].join(' · ');
}

it('has an example of every dialect', () => {
  expect(examples.length).toBeGreaterThanOrEqual(10);
});

it.each(examples)('$row', async ({ row, said }) => {
  const path = join(folder, 'rows.jsonl');
  writeFileSync(path, row.replace('file:a.png', `file://${folder}/a.png`));
  const rows: Conversation[] = [];
  for await (const conversation of readConversations(nodePlatform, path)) rows.push(conversation);
  expect(rows.map(say)).toEqual([said]);
});
