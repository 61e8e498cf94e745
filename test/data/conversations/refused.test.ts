/** What would be lost, or learnt against the row's meaning, is refused by name, with file and line; what is empty or harmless is not. */
import { describe, expect, it } from 'vitest';
import { readRow } from '../../../src/data/conversations/row.ts';
import type { ConversationRow } from '../../../src/data/conversations/row.ts';

const turns = [{ role: 'user', content: 'Where?' }, { role: 'assistant', content: 'Here.' }];
const read = (row: object): ConversationRow => readRow(row, { where: 'rows.jsonl:7', folder: '/data' });
const refuses = (row: object, message: RegExp): void => {
  expect(() => read(row)).toThrow(expect.objectContaining({ name: 'UserError' }));
  expect(() => read(row)).toThrow(/^rows\.jsonl:7: /);
  expect(() => read(row)).toThrow(message);
};

describe('keys that cannot be honoured', () => {
  const values: Record<string, unknown> = {
    videos: ['a.mp4'], video: 'a.mp4', audios: ['a.wav'], audio: { array: [0.1] }, tools: [{ name: 'x' }], functions: '[{"name": "x"}]', tool_calls: [{}, { a: 1 }], documents: [{ text: 'x' }],
    chosen: 'a', rejected: [{ role: 'assistant', content: 'b' }], rejected_response: 'b', kto_tag: false, label: true, weight: 0.5, loss_scale: 0.3, chat_template_kwargs: { a: true }, max_pixels: 3136,
    train: false, trainable: 0, loss: false, loss_mask: [0, 1], mask: 'assistant', Videos: ['a.mp4'],
  };
  it.each(Object.entries(values))('%s: %j', (key, value) => {
    for (const row of [{ messages: turns }, { conversations: turns }, { prompt: 'a', completion: 'b' }, { instruction: 'a', output: 'b' }]) refuses({ ...row, [key]: value }, new RegExp(`"${key}"`));
    for (const empty of [null, '', [], {}, [null], { bytes: null, path: null }, '[]']) expect(read({ messages: turns, [key]: empty }).conversation.messages).toHaveLength(2);
  });

  it.each(['tool_calls', 'function_call', 'reasoning_content', 'images', 'image', 'audio', 'mask', 'loss_scale'])('%s of a turn', (key) => {
    refuses({ messages: [turns[0], { ...turns[1], [key]: [{ a: 1 }] }] }, new RegExp(`messages\\[1\\]: "${key}"`));
    expect(read({ messages: [turns[0], { ...turns[1], [key]: null }] }).conversation.messages[1]).toEqual(turns[1]);
  });

  it.each(['min_pixels', 'resized_height', 'video', 'weight'])('%s of a part', (key) => {
    refuses({ messages: [{ role: 'user', content: [{ type: 'image', image: 'a.png', [key]: 3136 }] }, turns[1]] }, new RegExp(`content\\[0\\]: "${key}"`));
  });
});

describe('slips of the pen', () => {
  it.each<[object, RegExp]>([
    [{ message: turns }, /"message" is not read/],
    [{ Messages: turns }, /"Messages" is not read.*"messages"/],
    [{ conversation: turns }, /"conversation" is not read/],
    [{ dialogue: turns }, /"dialogue" is not read/],
    [{ messages: turns, imgs: ['a.png'] }, /"imgs" is not read.*"images" or "image"/],
    [{ messages: turns, img: 'a.png' }, /"img"/],
    [{ messages: turns, Image: 'a.png' }, /"Image"/],
    [{ messages: turns, image_path: 'a.png' }, /"image_path"/],
    [{ messages: turns, image_url: 'https://a.org/a.png' }, /"image_url"/],
    [{ messages: turns, pictures: ['a.png'] }, /"pictures"/],
    [{ messages: turns, images: ['a.png'], image_2: { bytes: null, path: 'b.png' } }, /"image_2"/],
    [{ messages: turns, imgaes: ['a.png'] }, /"imgaes" is not read.*Is "images" meant/],
    [{ messages: turns, sytem: 'Be brief.' }, /"sytem" is not read.*Is "system" meant/],
    [{ messages: turns, vidoes: ['a.mp4'] }, /"vidoes" is not read.*Is "videos" meant/],
    [{ messages: turns, file_name: 'slices/a.png' }, /"file_name" holds a picture/],
    [{ messages: turns, jpg: Uint8Array.of(255, 216, 255, 224, 0) }, /"jpg" holds a picture/],
    [{ messages: turns, scan: 'ct/vol.nii.gz' }, /"scan" holds a picture/],
    [{ messages: turns, system_message: 'Be brief.' }, /"system_message" is not read.*Is "system" meant/],
    [{ messages: turns, systemPrompt: 'Be brief.' }, /"systemPrompt" is not read.*Is "system" meant/],
    [{ messages: [{ role: 'user', from: 'gpt', content: 'a' }, turns[1]] }, /messages\[0\]: its "role" is "user", its "from" "gpt"/],
    [{ messages: turns, history: [['a', 'b']] }, /"history"/],
    [{ instruction: 'a', inptu: 'b', output: 'c' }, /Is "input" meant/],
    [{ question: 'a', answer: 'b' }, /"messages" should be a list.*The row has "question", "answer"/],
    [{ text: 'a' }, /bare "text"/],
    [{ role: 'user', content: 'a' }, /a single turn/],
    [{ messages: '[{"role": "user"}]' }, /a text that holds JSON/],
    [{ messages: turns, conversations: turns }, /it has "messages" and "conversations"/],
    [{ messages: turns, prompt: 'a', completion: 'b' }, /it has "messages" and "prompt"/],
    [{ messages: turns, image: 'a.png', images: ['b.png'] }, /name different pictures/],
    [{ messages: [{ role: 'system', content: 'a' }, ...turns], system: 'b' }, /"system" says "b", the first turn "a"/],
  ])('%j', (row, message) => {
    refuses(row, message);
  });

  it('harmless keys are ignored, pictures\' origins among them', () => {
    const harmless = { source: 'x', licence: 'y', score: 0.3, image_id: 7, image_path: 'old/a.png', image_size: [3, 4], label: 'liver', prompt_id: 'z', prompt: 'Where?', table: 'x', names: ['a'], file_name: 'a.png' };
    const { conversation } = read({ messages: turns, images: ['a.png'], ...harmless });
    expect(conversation.images).toEqual(['/data/a.png']);
    expect(read({ messages: turns, instruction: 'a', output: 'b' }).conversation.messages).toEqual(turns);
    expect(read({ messages: [{ role: 'system', content: 'a' }, ...turns], system: 'a' }).conversation.messages).toHaveLength(3);
  });
});

describe('marks and places', () => {
  const ask = (content: unknown, more: object = {}): object => ({ messages: [{ role: 'user', content }, turns[1]], ...more });
  it.each<[object, RegExp]>([
    [ask('<image>Where?'), /1 mark <image> and the row names no images/],
    [ask([{ type: 'text', text: '<image>Where?' }]), /1 mark <image> and the row names no images/],
    [ask('<image><image>', { image: 'a.png' }), /2 marks <image> in the messages, 1 in "images"/],
    [ask('<image>?', { images: ['a.png', 'b.png'] }), /1 mark <image> in the messages, 2 in "images"/],
    [ask([{ type: 'image' }, { type: 'text', text: 'what is <image>?' }], { image: 'a.png' }), /1 mark <image> and 1 image part in the messages, 1 in "images"/],
    [ask([{ type: 'image' }]), /1 image part in the messages, 0 in "images"/],
    [ask('<video>?'), /the mark <video>/],
    [ask('<audio>?', { image: 'a.png' }), /the mark <audio>/],
    [ask('<image_1> Where?', { image: 'a.png' }), /"<image_1>", which would be learnt as text/],
    [ask('<IMAGE> Where?'), /"<IMAGE>"/],
    [ask([{ type: 'image', index: 1 }, { type: 'image', index: 0 }], { images: ['a.png', 'b.png'] }), /"index" is 1, the part is image 0 of the row/],
    [ask('<ref-object><bbox>', { objects: { ref: ['liver'], bbox: [[1, 2, 3, 4]] } }), /"objects" .* is not put into the texts/],
    [ask('<image> and <image_2>', { image: 'a.png' }), /"<image_2>", which would be learnt as text/],
    [ask([{ type: 'image' }, { type: 'text', text: '<IMAGE>' }], { image: 'a.png' }), /"<IMAGE>"/],
    [ask('<|image_1|> Where?'), /"<\|image_1\|>"/],
    [ask('<img> Where?', { image: 'a.png' }), /"<img>"/],
    [ask([{ type: 'text', text: 'a', image: 'a.png' }]), /a part of text with "image"/],
    [ask([{ type: 'image', image: 'a.png', text: 'b' }]), /a part of an image with "text"/],
    [ask([{ type: 'image', image: 'a.png', path: 'b.png' }]), /one part names several images/],
    [ask([{ type: 'image_url', image_url: { url: 'https://a.org/a.png' } }]), /is not a file\. Download the image/],
    [ask('?', { image: 'http://a.org/a.png' }), /is not a file/],
    [ask('?', { image: 'data:image/png;base64,!!' }), /is not base64/],
    [ask('?', { image: { width: 3 } }), /image should be a file path/],
    [{ messages: [{ role: 'assistant', content: 'a' }], image: 'a.png' }, /0 image parts in the messages, 1/],
  ])('%j', (row, message) => {
    refuses(row, message);
  });

  it('HTML in a row without pictures is text', () => {
    expect(read(ask('What does <img> do, and <picture>?')).conversation.images).toEqual([]);
  });

  it('parts with their picture take none of the row\'s (TRL), or all are named twice', () => {
    const content = [{ type: 'image', image: 'b.png' }, { type: 'image' }, { type: 'text', text: '?' }];
    expect(read(ask(content, { images: ['a.png'] })).conversation.images).toEqual(['/data/b.png', '/data/a.png']);
    expect(read(ask(content, { images: ['b.png', 'a.png'] })).conversation.images).toEqual(['/data/b.png', '/data/a.png']);
  });
});

describe('what is learnt', () => {
  const answer = (more: object): object => ({ messages: [...turns, { role: 'user', content: 'x' }, { role: 'assistant', content: 'y', ...more }] });
  it.each([{ train: false }, { train: 0 }, { trainable: false }, { loss: false }, { weight: 0 }, { loss_weight: 0 }, { train: false, weight: 0 }])('%j takes an answer out', (more) => {
    expect(read(answer(more)).conversation.messages[3]).toEqual({ role: 'assistant', content: 'y', isLearnt: false });
  });
  it.each([{ train: true }, { weight: 1 }, { loss: null }, {}])('%j does not', (more) => {
    expect(read(answer(more)).conversation.messages[3]).toEqual({ role: 'assistant', content: 'y' });
  });
  it.each<[object, RegExp]>([
    [answer({ weight: 0.5 }), /messages\[3\]: "weight" is 0\.5; an answer is learnt/],
    [answer({ training: false }), /messages\[3\]: "training" is not read \(false found\).*"train": false/],
    [answer({ train_on_turn: 0 }), /"train_on_turn" is not read/],
    [answer({ Weight: 0 }), /"Weight" is not read/],
    [answer({ loss_masked: true }), /"loss_masked" is not read/],
    [answer({ train: 'no' }), /"train" is "no"/],
    [answer({ train: true, weight: 0 }), /"train" and "weight" say the opposite/],
    [{ messages: [{ ...turns[0], train: true }, turns[1]] }, /messages\[0\]: "train" asks for a turn of the user/],
    [{ messages: [turns[0], { ...turns[1], train: false }] }, /every answer is marked not to be learnt/],
    [{ messages: [turns[0]] }, /nothing to learn/],
    [{ messages: [turns[0], { role: 'tool', content: 'x' }, turns[1]] }, /the role "tool" is unknown.*Turns of tools are not trained/],
    [{ conversations: [{ from: 'observation', value: 'x' }] }, /the role "observation" is unknown/],
    [{ messages: [{ human: 'a', assistant: 'b' }] }, /The turn has 2 keys: "human", "assistant"/],
    [{ prompt: [turns[0], turns[1]], completion: [turns[1]] }, /"prompt" should end before an answer/],
    [{ prompt: 'a', completion: [turns[0]] }, /"completion" begin with one/],
  ])('%j is refused', (row, message) => {
    refuses(row, message);
  });
  it('a turn of the user marked out is what it is anyway', () => {
    expect(read({ messages: [{ ...turns[0], train: false, weight: 0 }, turns[1]] }).conversation.messages).toEqual(turns);
  });
});
