/** Which file the chat template comes from. */
import { expect, test } from 'vitest';
import { readChatTemplate } from '../../src/data/chatTemplateFiles.ts';
import { UserError } from '../../src/platform.ts';
import { memoryPlatform } from '../io/memoryPlatform.ts';

const json = (template: unknown): string => JSON.stringify({ chat_template: template });
const files = {
  'base/processor_config.json': json('processor'),
  'base/chat_template.json': json('legacy'),
  'base/chat_template.jinja': 'jinja',
  'base/tokenizer_config.json': json('tokenizer'),
};

async function chosen(names: readonly string[], more: Record<string, string> = {}): Promise<string> {
  const wanted = Object.entries(files).filter(([path]) => names.some((name) => path.endsWith(name)));
  const { platform, write } = memoryFolder();
  for (const [path, text] of [...wanted, ...Object.entries(more)]) write(path, text);
  return (await readChatTemplate(platform, 'base')).text;
}

function memoryFolder(): { platform: Parameters<typeof readChatTemplate>[0]; write: (path: string, text: string) => void } {
  const platform = memoryPlatform();
  return { platform, write: (path, text) => void platform.files.set(path, new TextEncoder().encode(text)) };
}

test('in the order of transformers', async () => {
  expect(await chosen(['processor_config.json', 'template.json', '.jinja', 'tokenizer_config.json'])).toBe('processor');
  expect(await chosen(['template.json', '.jinja', 'tokenizer_config.json'])).toBe('legacy');
  expect(await chosen(['.jinja', 'tokenizer_config.json'])).toBe('jinja');
  expect(await chosen(['tokenizer_config.json'])).toBe('tokenizer');
});

test('a processor without a template of its own takes the file', async () => {
  expect(await chosen(['.jinja'], { 'base/processor_config.json': '{}' })).toBe('jinja');
});

test('named templates: the one for conversations', async () => {
  const named = json([
    { name: 'tool_use', template: 't' },
    { name: 'default', template: 'd' },
  ]);
  expect(await chosen([], { 'base/tokenizer_config.json': named })).toBe('d');
  expect(await chosen([], { 'base/tokenizer_config.json': json({ default: 'd', rag: 'r' }) })).toBe('d');
  await expect(chosen([], { 'base/tokenizer_config.json': json([{ name: 'rag', template: 'r' }]) })).rejects.toThrow('found: rag');
});

test('additional_chat_templates', async () => {
  expect(await chosen([], { 'base/additional_chat_templates/default.jinja': 'd' })).toBe('d');
});

test('a byte order mark is text', async () => {
  expect(await chosen([], { 'base/chat_template.jinja': '\uFEFFx' })).toBe('\uFEFFx');
});

test('no template', async () => {
  await expect(chosen([])).rejects.toThrow(UserError);
});
