/**
 * transformers.js (`@huggingface/transformers`) as a second opinion, on the tiny models of both families and on those that come with the
 * repository: token ids, chat templates, image grids, whole prompts. And its tokenizers, processors and pictures in the place of ours.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AutoProcessor, AutoTokenizer, env, RawImage } from '@huggingface/transformers';
import type { PreTrainedTokenizer, Processor as TransformersProcessor } from '@huggingface/transformers';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { ChatTemplate } from '../../src/data/chat.ts';
import { imageName } from '../../src/data/conversations/images.ts';
import { readConversations } from '../../src/data/conversations/read.ts';
import type { Conversation, Processor } from '../../src/data/example.ts';
import { textsOf } from '../../src/data/example.ts';
import { Tokenizer } from '../../src/data/tokenizer.ts';
import { loadProcessor } from '../../src/models/processor.ts';
import { decodedImage, processorOf, tokenizerOf, withTransformers } from '../../src/transformers/index.ts';
import type { DecodedImage } from '../../src/platform.ts';
import { goldenPath } from '../io/goldenFolder.ts';
import { repository } from '../runtimes/runIn.ts';

env.allowRemoteModels = false;
env.localModelPath = '/';

const MODELS = {
  'qwen2_5_vl-tiny': { dir: goldenPath('models', 'qwen2_5_vl-tiny'), isQwen: true },
  'gemma3-tiny': { dir: goldenPath('models', 'gemma3-tiny'), isQwen: false },
  'the base of npm start': { dir: join(repository, 'node/base'), isQwen: true },
  'its Gemma': { dir: join(repository, 'node/base-medgemma'), isQwen: false },
};

/** What tokenizers are known to differ on: spaces, digits, signs, scripts, special tokens within the text. */
const TEXTS = [
  '', ' ', 'a', ' a', 'a ', '  two  spaces ', 'line\nbreak\n\n', '\t', '0.125, 0.250', '3.14e-5', '12345678', "it's we'll",
  'Grüße, 漢字かな 한국어 العربية', '🙂👩‍⚕️', 'naïve cafe\u0301', 'CamelCase snake_case', '<|im_start|>user\n', '<start_of_turn>model\n',
  'x<|im_end|>y', ' <eos> ', '\u00a0nbsp\u200bzero', 'The left kidney is 10.2 mm × 3.4 mm.', '...!?--', '\r\n',
];

const rows: Conversation[] = [];
beforeAll(async () => {
  for await (const row of readConversations(nodePlatform, goldenPath('data', 'dataset.jsonl'))) rows.push(row);
});

const idsOf = (found: { input_ids: { data: ArrayLike<bigint | number> } }): number[] => Array.from(found.input_ids.data, Number);

/** As Python's processors take them. */
const forTemplate = ({ messages }: Conversation): { role: string; content: string }[] => messages as unknown as { role: string; content: string }[];

describe.each(Object.entries(MODELS))('%s', (_, { dir, isQwen }) => {
  let theirs: PreTrainedTokenizer;
  let theirProcessor: TransformersProcessor;
  let theirTemplate: string | undefined;
  let ours: Tokenizer;
  let processor: Processor;
  let template: ChatTemplate;
  beforeAll(async () => {
    theirs = await AutoTokenizer.from_pretrained(dir);
    theirProcessor = await AutoProcessor.from_pretrained(dir);
    // Left out, it is true in Python, and false in transformers.js.
    const images = theirProcessor.image_processor;
    if (images) images.do_resize = true;
    // It looks for chat_template.jinja beside processors of some models only.
    const file = join(dir, 'chat_template.jinja');
    if (!theirProcessor.chat_template && existsSync(file)) theirTemplate = readFileSync(file, 'utf8');
    ours = await Tokenizer.load(nodePlatform, dir);
    processor = await loadProcessor(nodePlatform, dir);
    template = await ChatTemplate.load(nodePlatform, dir, ours);
  });

  const theirIds = (text: string, add_special_tokens: boolean): number[] => (text === '' && !add_special_tokens ? [] : idsOf(theirs(text, { add_special_tokens }) as never));

  test('token ids', () => {
    const texts = [...TEXTS, ...rows.flatMap(({ messages }) => textsOf(messages))];
    for (const text of texts) {
      expect(ours.encode(text), JSON.stringify(text)).toEqual(theirIds(text, false));
      if (text !== '') expect(ours.encode(text, { addSpecialTokens: true }), JSON.stringify(text)).toEqual(theirIds(text, true));
    }
  });

  test('token ids of any text, and back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (text) => {
        const ids = theirIds(text, false);
        expect(ours.encode(text)).toEqual(ids);
        if (ids.length > 0) expect(ours.decode(ids)).toBe(theirs.decode(ids, { skip_special_tokens: false }));
      }),
      { numRuns: 150 },
    );
  });

  test('chat templates', () => {
    expect(rows.length).toBeGreaterThan(3);
    for (const row of rows) {
      for (const addGenerationPrompt of [false, true]) {
        const how = { tokenize: false, add_generation_prompt: addGenerationPrompt, ...(theirTemplate !== undefined && { chat_template: theirTemplate }) };
        const rendered = theirProcessor.apply_chat_template(forTemplate(row), how as never);
        expect(template.render(row.messages, { addGenerationPrompt })).toBe(rendered);
      }
    }
  });

  test('image grids, and the tokens that stand for them', async () => {
    const sizes = [[28, 28], [64, 64], [84, 112], [112, 84], [57, 91], [200, 40], [33, 300], [512, 512]] as const;
    for (const [height, width] of sizes) {
      const data = new Uint8Array(height * width * 3).fill(100);
      const conversation: Conversation = { messages: [{ role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'x' }] }], images: [''] };
      const image = new RawImage(data, width, height, 3);
      const example = processor.encode(conversation, [decodedImage(image)], { mask: 'completion', addGenerationPrompt: true });
      const text = template.render(conversation.messages, { addGenerationPrompt: true });
      const found = (await theirProcessor(...(isQwen ? [text, [image]] : [text, [image], { add_special_tokens: false }]))) as {
        input_ids: { data: ArrayLike<bigint> };
        image_grid_thw?: { data: ArrayLike<bigint> };
        pixel_values: { dims: number[] };
      };
      expect([...example.inputIds], `${height}×${width}`).toEqual(idsOf(found));
      if (isQwen) expect(example.imageGrids.flat(), `${height}×${width}`).toEqual(Array.from(found.image_grid_thw!.data, Number));
      else expect(processor.resizedSize(height, width)).toEqual({ height: found.pixel_values.dims.at(-2), width: found.pixel_values.dims.at(-1) });
    }
  });

  test('its tokenizer in the place of ours', () => {
    const adapted = tokenizerOf(theirs);
    for (const text of TEXTS) expect(adapted.encode(text)).toEqual(ours.encode(text));
    expect(adapted.specialTokens).toEqual(ours.specialTokens);
    expect(adapted.roles).toEqual(ours.roles);
  });

  test('its processor in the place of ours: the same examples', async () => {
    const adapted = await processorOf(nodePlatform, dir, theirProcessor);
    for (const row of rows.slice(0, 6)) {
      const images: DecodedImage[] = await Promise.all(
        row.images.map(imageName).map(async (path) => nodePlatform.decodeImage(await nodePlatform.readFile(path), path)),
      );
      expect(adapted.encode(row, images, { mask: 'completion' })).toEqual(processor.encode(row, images, { mask: 'completion' }));
    }
  });
});

test('a RawImage is the picture that we read', async () => {
  const path = join(repository, 'test/golden/images/rgb.png');
  const { data, width, height } = await nodePlatform.decodeImage(readFileSync(path), path);
  expect(decodedImage(await RawImage.read(path))).toEqual({ data, width, height });
  expect(decodedImage({ data: new Uint8Array([7, 9]), width: 2, height: 1, channels: 1 }).data).toEqual(new Uint8Array([7, 7, 7, 9, 9, 9]));
  expect(decodedImage({ data: new Uint8ClampedArray([7, 0, 9, 255]), width: 2, height: 1, channels: 2 }).data).toEqual(new Uint8Array([7, 7, 7, 9, 9, 9]));
  expect(decodedImage({ data: new Uint8Array([1, 2, 3, 0]), width: 1, height: 1, channels: 4 }).data).toEqual(new Uint8Array([1, 2, 3]));
  expect(() => decodedImage({ data: new Uint8Array(3), width: 2, height: 1, channels: 3 })).toThrow('has 6 bytes, 3 found');
});

describe('a folder with another tokenizer', () => {
  const { dir } = MODELS['the base of npm start'];
  const tokenizer = { _tokenizerJSON: { other: 1 }, _tokenizerConfig: { a: 2, chat_template: 'old' }, chat_template: 'new' };
  const platform = withTransformers(nodePlatform, dir, tokenizer);
  const text = async (name: string): Promise<string> => new TextDecoder().decode(await platform.readFile(join(dir, name)));

  test('has the files of the one that is given, and its own of the rest', async () => {
    expect(await text('tokenizer.json')).toBe('{"other":1}');
    expect(await text('tokenizer_config.json')).toBe('{"a":2}');
    expect(await text('chat_template.jinja')).toBe('new');
    expect(await text('config.json')).toBe(readFileSync(join(dir, 'config.json'), 'utf8'));
    expect(await text('preprocessor_config.json')).toBe(readFileSync(join(dir, 'preprocessor_config.json'), 'utf8'));
    expect(await platform.exists(join(dir, 'chat_template.json'))).toBe(false);
    const file = await platform.openFile(join(dir, 'tokenizer.json'));
    expect(new TextDecoder().decode(await file.read(1, 7))).toBe('"other"');
    await expect(file.read(0, 99)).rejects.toThrow('it has 11');
    expect(await platform.listDir(dir)).toEqual((await nodePlatform.listDir(dir)).sort());
  });

  test('one that holds no tokenizer.json is refused', () => {
    expect(() => withTransformers(nodePlatform, dir, { chat_template: '' })).toThrow('does not hold its tokenizer.json');
    expect(() => withTransformers(nodePlatform, dir, { tokenizer: undefined })).toThrow('has no tokenizer');
  });
});
