/** Token ids, labels, positions, grids and pixels of every golden case; sizes; the template that thinks; refusals. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { ChatTemplate } from '../../../src/data/chat.ts';
import { imageName } from '../../../src/data/conversations/images.ts';
import { drawnRows } from '../../../src/data/drawn/rows.ts';
import { loadConversationFolder } from '../../../src/data/conversationTokens.ts';
import { IGNORE_INDEX } from '../../../src/data/example.ts';
import type { Conversation, Message } from '../../../src/data/example.ts';
import { loadImageSettings } from '../../../src/data/image.ts';
import { parseQwen3VLConfig } from '../../../src/models/qwen3_vl/config.ts';
import { Qwen3VLProcessor } from '../../../src/models/qwen3_vl/processor.ts';
import { UserError } from '../../../src/platform.ts';
import type { DecodedImage } from '../../../src/platform.ts';
import { goldenPath } from '../../io/goldenFolder.ts';
import { goldenCases, goldenJson, goldenTensors } from '../golden.ts';

const NAME = 'qwen3_vl-tiny';
const dump = JSON.parse(readFileSync(new URL('../../golden/qwen3_vl_indices.json', import.meta.url), 'utf8')) as {
  process: {
    height: number;
    width: number;
    channels: number;
    min_pixels: number;
    max_pixels: number;
    grid: number[];
    pixel_values_sha256: string;
  }[];
  thinking: { template: string; talks: { messages: Message[]; rendered: string; prompt: string }[] };
};
const dataset = readFileSync(goldenPath('data', 'dataset.jsonl'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Conversation);
const facts = goldenJson<
  Record<string, { generation_text: string; text: string; images: string[]; generated: { ids: number[]; text: string } }>
>('golden', NAME, 'cases', 'cases.json');
const images = goldenJson<
  Record<string, { size_hw: [number, number]; resized_hw: [number, number]; grid_thw: number[]; pixel_values_sha256: string }>
>('golden', NAME, 'image_processor.json');
const decode = async (path: string): Promise<DecodedImage> => nodePlatform.decodeImage(await nodePlatform.readFile(path), path);
const sha256 = (data: Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest('hex');
const ask = (...messages: Message[]): Conversation => ({ id: 'row-7', messages, images: [] });
const grey = (width: number, height: number): DecodedImage => ({ width, height, data: new Uint8Array(width * height * 3).fill(90) });

let processor: Qwen3VLProcessor;
beforeAll(async () => {
  processor = await Qwen3VLProcessor.load(nodePlatform, goldenPath('models', NAME));
});

describe('golden cases', () => {
  test.each(goldenCases(NAME))('%s', async (id) => {
    const row = dataset.find((candidate) => candidate.id === id)!;
    const pictures = await Promise.all(row.images.map((image) => decode(goldenPath('data', imageName(image)))));
    const golden = await goldenTensors('golden', NAME, 'cases', `${id}.safetensors`);
    const numbers = (name: string): number[] => [...(golden.get(name)?.data ?? [])];
    const example = processor.encode(row, pictures, { mask: 'completion' });
    const { length } = example.inputIds;
    expect([...example.inputIds]).toEqual(numbers('input_ids'));
    expect([...example.labels]).toEqual(numbers('labels_completion'));
    expect([...processor.encode(row, pictures, { mask: 'reference' }).labels]).toEqual(numbers('labels_reference'));
    expect([...example.positionIds]).toEqual(
      golden.has('position_ids') ? numbers('position_ids') : Array.from({ length: 3 * length }, (_, i) => i % length),
    );
    expect(example.imageGrids.flat()).toEqual(numbers('image_grid_thw'));
    for (const mask of ['completion', 'reference'] as const) {
      const learnt = processor.encode(row, pictures, { mask }).labels.filter((label, i) => i > 0 && label !== IGNORE_INDEX).length;
      expect(processor.measure(row, pictures, { mask })).toMatchObject({ tokens: length, learnt });
    }
    expect(processor.decode(facts[id]!.generated.ids)).toBe(facts[id]!.generated.text);
    if (pictures.length > 0) return;
    const { inputIds } = processor.encode({ ...row, messages: row.messages.slice(0, -1) }, [], {
      mask: 'completion',
      addGenerationPrompt: true,
    });
    expect(processor.decode(inputIds)).toBe(facts[id]!.generation_text);
  });

  test.each(Object.entries(images))('the picture %s: resized to the byte, pixels to the bit', async (name, golden) => {
    const picture = await decode(goldenPath('data', 'images', name));
    const [height, width] = golden.size_hw;
    expect(processor.resizedSize(height, width)).toEqual({ height: golden.resized_hw[0], width: golden.resized_hw[1] });
    const { pixelValues, imageGrids } = processor.encode(ask({ role: 'user', content: [{ type: 'image' }] }), [picture], {
      mask: 'completion',
    });
    expect(imageGrids).toEqual([golden.grid_thw]);
    expect(sha256(pixelValues)).toBe(golden.pixel_values_sha256);
  });
});

describe('sizes', () => {
  test.each(dump.process)('$height × $width within $min_pixels to $max_pixels pixels', async (c) => {
    const bounded = await Qwen3VLProcessor.load(nodePlatform, goldenPath('models', NAME), {
      minPixels: c.min_pixels,
      maxPixels: c.max_pixels,
    });
    const data = new Uint8Array(c.height * c.width * 3);
    // synthetic() of test/golden/qwen_vision_indices.py
    for (let i = 0; i < data.length; i++) {
      const [x, y, channel] = [Math.floor(i / 3) % c.width, Math.floor(i / 3 / c.width), c.channels === 1 ? 0 : i % 3];
      const noise = (Math.imul(x, 73856093) ^ Math.imul(y, 19349663) ^ Math.imul(channel, 83492791)) >>> 9;
      data[i] = x * 2 < c.width ? x * 5 + y * 3 + channel * 40 : noise;
    }
    const row = ask({ role: 'user', content: [{ type: 'image' }] });
    const { pixelValues, imageGrids } = bounded.encode(row, [{ width: c.width, height: c.height, data }], { mask: 'completion' });
    expect(imageGrids).toEqual([c.grid]);
    expect(sha256(pixelValues)).toBe(c.pixel_values_sha256);
    expect(bounded.imageTokens(c.height, c.width)).toBe((c.grid[1]! * c.grid[2]!) / 4);
  });

  test('of 200 pictures within five bounds', async () => {
    const { rows } = goldenJson<{ rows: number[][] }>('golden', NAME, 'smart_resize.json');
    const bounded = new Map<string, Qwen3VLProcessor>();
    for (const [height, width, minPixels, maxPixels, , resizedHeight, resizedWidth] of rows as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ][]) {
      const key = `${minPixels} ${maxPixels}`;
      const known = bounded.get(key) ?? (await Qwen3VLProcessor.load(nodePlatform, goldenPath('models', NAME), { minPixels, maxPixels }));
      bounded.set(key, known);
      expect(known.resizedSize(height, width)).toEqual({ height: resizedHeight, width: resizedWidth });
    }
  });

  test('halves go to the even multiple of 32', () => {
    expect(processor.resizedSize(80, 112)).toEqual({ height: 64, width: 128 });
  });

  test("a question states the pixel size that the model sees, each side's own", () => {
    const points: [number, number][] = [
      [10, 10],
      [16, 26],
    ];
    const line = { scan: 's', plane: null, slice: 0, id: 'a', shape: 'distance' as const, label: 'joint space', landmarks: ['upper', 'lower'], points };
    const slice = { picture: 'a.png', scan: 's', modality: '', description: 'an MRI scan', pixelSize: [0.8, 0.4] as const, height: 80, width: 112 };
    const [row] = drawnRows([line], slice, (height, width) => processor.resizedSize(height, width));
    const [question] = row!['messages'] as { content: { text?: string }[] }[];
    expect(question!.content[1]!.text).toContain('The image size is 128 pixels (width) x 64 pixels (height).');
    expect(question!.content[1]!.text).toContain('The pixel size for this image is 0.350 mm (width) x 1.000 mm (height).');
  });
});

test('every layout of the folder gives the same example', async () => {
  const row = ask(
    { role: 'user', content: [{ type: 'text', text: 'Measure ' }, { type: 'image' }] },
    { role: 'assistant', content: '\n 3.5 mm' },
  );
  const encoded = [];
  for (const folder of [NAME, `${NAME}-bf16`]) {
    const loaded = await Qwen3VLProcessor.load(nodePlatform, goldenPath('models', folder));
    encoded.push(loaded.encode(row, [grey(60, 90)], { mask: 'completion' }));
    expect(loaded.decode(loaded.endOfTurnIds)).toBe('<|im_end|><|endoftext|>');
    expect(loaded.decode([loaded.padId])).toBe('<|endoftext|>');
  }
  for (const other of encoded) expect(other).toEqual(encoded[0]);
  expect(encoded[0]!.imageGrids).toEqual([[1, 6, 4]]);
});

describe('the template that thinks', () => {
  const texts = (example: { labels: Int32Array }): string =>
    processor.decode([...example.labels].filter((label) => label !== IGNORE_INDEX));

  test('renders as transformers renders it; what the assistant thought and said is learnt, what the template opens is not', async () => {
    const dir = goldenPath('models', NAME);
    const folder = await loadConversationFolder(nodePlatform, dir);
    const template = new ChatTemplate(dump.thinking.template, folder.rules.tokenizer.templateVariables, 'thinking.jinja');
    const config = parseQwen3VLConfig(folder.config);
    const thinking = new Qwen3VLProcessor(
      config,
      { ...folder, rules: { ...folder.rules, template } },
      await loadImageSettings(nodePlatform, dir),
    );
    const learnt: string[] = [];
    for (const { messages, rendered, prompt } of dump.thinking.talks) {
      expect(template.render(messages)).toBe(rendered);
      expect(template.render(messages.slice(0, -1), { addGenerationPrompt: true })).toBe(prompt);
      const pictures = messages
        .flatMap(({ content }) => (typeof content === 'string' ? [] : content.filter((part) => part.type === 'image')))
        .map(() => grey(64, 64));
      learnt.push(texts(thinking.encode(ask(...messages), pictures, { mask: 'completion' })));
    }
    expect(learnt).toMatchInlineSnapshot(`
      [
        "Twelve pixels of half a millimetre.
      </think>

      6.0 mm<|im_end|>",
        "6 mm<|im_end|>7 mm<|im_end|>",
        "half of twelve
      </think>

      6<|im_end|>",
      ]
    `);
  });
});

test.each<[string, Conversation, number, string]>([
  [
    'an image too few',
    ask({ role: 'user', content: [{ type: 'image' }] }),
    0,
    'Conversation row-7: its messages have 1 image part, 0 images',
  ],
  ['an image too many', ask({ role: 'user', content: 'hi' }), 1, 'have 0 image parts, 1 image was'],
  ['the placeholder in a text', ask({ role: 'user', content: 'a <|image_pad|> b' }), 0, 'made 1 place (<|image_pad|>) for 0 images'],
  [
    "a video's place",
    ask({ role: 'user', content: '<|vision_start|><|video_pad|><|vision_end|>' }),
    0,
    'its text has <|video_pad|>, the place of a video, and videos are not read',
  ],
])('refuses %s', (_, row, count, message) => {
  const encode = (): unknown =>
    processor.encode(
      row,
      Array.from({ length: count }, () => grey(32, 32)),
      { mask: 'completion' },
    );
  expect(encode).toThrow(UserError);
  expect(encode).toThrow(message);
});
