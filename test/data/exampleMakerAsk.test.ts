/** A row that the model is to answer ends where its answer begins. */
import { expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import type { Message } from '../../src/data/example.ts';
import { ExampleMaker } from '../../src/data/exampleMaker.ts';
import type { RowRequest } from '../../src/data/exampleMaker.ts';
import { loadProcessor } from '../../src/models/processor.ts';
import { goldenPath } from '../io/goldenFolder.ts';

const turn = (role: Message['role'], text: string): Message => ({ role, content: [{ type: 'text', text }] });

test.each<[string, Message[]]>([
  ['one turn', [turn('user', 'How long?'), turn('assistant', '12.5')]],
  ['the last of several turns', [turn('user', 'How long?'), turn('assistant', '12.5'), turn('user', 'And wide?'), turn('assistant', '7')]],
])('%s', async (_, messages) => {
  const processor = await loadProcessor(nodePlatform, goldenPath('models', 'qwen2_5_vl-tiny'));
  const maker = new ExampleMaker(nodePlatform, processor, { mask: 'completion', vocabSize: Infinity });
  const row: RowRequest = { kind: 'conversation', conversation: { messages, images: [] }, where: 'rows.jsonl:1' };
  const whole = [...(await maker.make(row)).inputIds];
  const asked = [...(await maker.make({ ...row, ask: true })).inputIds];
  expect(whole.slice(0, asked.length)).toEqual(asked);
  expect(processor.decode(asked).endsWith('<|im_start|>assistant\n')).toBe(true);
  expect(processor.decode(whole.slice(asked.length))).toMatch(/^\d.*<\|im_end\|>/);
});

test('a conversation that ends with a question is asked as it is', async () => {
  const processor = await loadProcessor(nodePlatform, goldenPath('models', 'qwen2_5_vl-tiny'));
  const maker = new ExampleMaker(nodePlatform, processor, { mask: 'completion', vocabSize: Infinity });
  const messages = [turn('user', 'How long?'), turn('assistant', '12.5'), turn('user', 'And wide?')];
  const { inputIds } = await maker.make({ kind: 'conversation', conversation: { messages, images: [] }, where: 'rows.jsonl:1', ask: true });
  expect(processor.decode([...inputIds])).toMatch(/And wide\?<\|im_end\|>\n<\|im_start\|>assistant\n$/);
});
