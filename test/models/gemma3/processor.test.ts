/** Token ids, labels, positions and pixels of every golden case; Pillow's pixels to the byte; one <bos>; refusals. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { imageName } from '../../../src/data/conversations/images.ts';
import type { Conversation, Message } from '../../../src/data/example.ts';
import { Gemma3Processor } from '../../../src/models/gemma3/processor.ts';
import { TextProcessor } from '../../../src/models/textProcessor.ts';
import type { DecodedImage } from '../../../src/platform.ts';
import { contextLength } from '../../../src/models/contextLength.ts';
import { UserError } from '../../../src/platform.ts';
import { goldenNames, goldenPath } from '../../io/goldenFolder.ts';
import { memoryPlatform } from '../../io/memoryPlatform.ts';
import type { MemoryPlatform } from '../../io/memoryPlatform.ts';
import { goldenCases, goldenJson, goldenTensors } from '../golden.ts';
import { integers } from '../goldenModel.ts';
import { gemma } from './goldenExamples.ts';

const BOS = 2;
const [BEGIN, END, SOFT] = [697, 698, 699];
const SIDE = 112;
const dataset = readFileSync(goldenPath('data', 'dataset.jsonl'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Conversation);
const folders = goldenNames('models').filter((name) => name.startsWith('gemma3-tiny'));
const loaded: Gemma3Processor[] = [];
let processor: Gemma3Processor;

beforeAll(async () => {
  for (const folder of folders) loaded.push(await Gemma3Processor.load(nodePlatform, goldenPath('models', folder)));
  [processor] = loaded as [Gemma3Processor];
});

async function decode(path: string): Promise<DecodedImage> {
  return nodePlatform.decodeImage(await nodePlatform.readFile(goldenPath('data', path)), path);
}

const count = (ids: Int32Array, id: number): number => ids.filter((other) => other === id).length;

describe('golden cases', () => {
  test.each(goldenCases(gemma.name))('%s', async (id) => {
    const row = dataset.find((candidate) => candidate.id === id)!;
    const images = await Promise.all(row.images.map(imageName).map(decode));
    const { tensors, facts } = await gemma.case(id);
    const example = processor.encode(row, images, { mask: 'completion' });
    expect([...example.inputIds]).toEqual([...integers(tensors, 'input_ids')]);
    expect([...example.labels]).toEqual([...integers(tensors, 'labels_completion')]);
    expect([...processor.encode(row, images, { mask: 'reference' }).labels]).toEqual([...integers(tensors, 'labels_reference')]);
    expect([...example.positionIds]).toEqual([...example.inputIds.keys()]);
    expect(count(example.inputIds, BOS)).toBe(1);
    expect(count(example.inputIds, SOFT)).toBe(16 * images.length);
    expect(example.imageGrids).toEqual(images.map(() => [1, 8, 8]));

    const prompt = processor.encode({ ...row, messages: row.messages.slice(0, -1) }, images, { mask: 'completion', addGenerationPrompt: true });
    expect([...prompt.inputIds]).toEqual([...gemma.promptOf({ id, facts, tensors, example }).inputIds]);
    expect(new Set(row.messages.length === 2 ? prompt.labels : [-100])).toEqual(new Set([-100]));
  });

  test('what was generated reads back', () => {
    for (const { generated } of Object.values(gemma.facts())) expect(processor.decode(generated.ids)).toBe(generated.text);
  });
});

test('pixels are Pillow’s to the byte, rescaled and normalised in float32', async () => {
  const golden = await goldenTensors('golden', gemma.name, 'image_processor.safetensors');
  const names = [...golden.keys()].filter((name) => name.endsWith('.resized_u8.pil'));
  expect(names.length).toBeGreaterThanOrEqual(11);
  for (const name of names) {
    const { shape, data } = golden.get(name)!;
    const image = await decode(`images/${name.replace('.resized_u8.pil', '')}`);
    const { pixelValues } = processor.encode({ messages: [{ role: 'user', content: [{ type: 'image' }] }], images: [name] }, [image], { mask: 'completion' });
    let wrong = 0;
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        for (let channel = 0; channel < 3; channel++) {
          const byte = data[((shape.length === 3 ? channel : 0) * SIDE + y) * SIDE + x]!;
          const patch = Math.floor(y / 14) * 8 + Math.floor(x / 14);
          const found = pixelValues[patch * 588 + channel * 196 + (y % 14) * 14 + (x % 14)]!;
          if (found !== Math.fround((Math.fround(byte / 255) - 0.5) / 0.5)) wrong++;
        }
      }
    }
    expect(wrong, name).toBe(0);
  }
});

test('the reference’s own pipeline has a second <bos>; ours has one, and else the same tokens', async () => {
  const golden = await goldenTensors('golden', gemma.name, 'reference_pipeline.safetensors');
  const row = dataset.find(({ id }) => id === 's00_single')!;
  const { inputIds, labels } = processor.encode(row, [await decode(imageName(row.images[0]!))], { mask: 'reference' });
  // The reference strips the newline at the end of the last turn.
  const length = inputIds.length;
  expect([BOS, ...inputIds.slice(0, -1)]).toEqual([...integers(golden, 'batch0.input_ids').slice(0, length)]);
  expect([BOS, ...labels.slice(0, -1)]).toEqual([...integers(golden, 'batch0.labels').slice(0, length)]);
});

const grey = (width: number, height: number): DecodedImage => ({ width, height, data: new Uint8Array(width * height * 3).fill(90) });
const ask = (...content: Message[]): Conversation => ({ id: 'row-7', messages: content, images: [] });

describe('every layout of the folder', () => {
  test('gives the same example; an image may stand anywhere', () => {
    expect(loaded.length).toBeGreaterThan(1);
    const row = ask(
      { role: 'user', content: [{ type: 'text', text: 'Compare ' }, { type: 'image' }, { type: 'text', text: '\nwith\n\n' }, { type: 'image' }] },
      { role: 'assistant', content: '\n 3.5 mm' },
    );
    const [first, ...others] = loaded.map((each) => each.encode(row, [grey(60, 90), grey(200, 20)], { mask: 'completion' }));
    for (const other of others) expect(other).toEqual(first);
    const text = processor.decode(first!.inputIds);
    expect(text.replaceAll(/(<image_soft_token>)+/g, '*')).toContain('Compare\n\n<start_of_image>*<end_of_image>\n\nwith\n\n<start_of_image>*<end_of_image>\n\n<end_of_turn>');
    expect([count(first!.inputIds, BEGIN!), count(first!.inputIds, END!), count(first!.inputIds, SOFT!)]).toEqual([2, 2, 32]);
    const learnt = first!.labels.filter((label) => label !== -100);
    expect(processor.decode(learnt)).toBe('3.5 mm<end_of_turn>');
  });

  test('end of turn, padding, resized size', () => {
    for (const each of loaded) {
      expect(each.decode(each.endOfTurnIds)).toBe('<eos><end_of_turn>');
      expect(each.decode([each.padId])).toBe('<pad>');
      expect(each.resizedSize(350, 20)).toEqual({ height: SIDE, width: SIDE });
    }
  });

  test('every assistant turn carries labels after images, not the newline after it', () => {
    const row = ask(
      { role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'one' }] },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: [{ type: 'text', text: 'three' }, { type: 'image' }] },
      { role: 'assistant', content: 'four' },
    );
    const { labels } = processor.encode(row, [grey(8, 8), grey(8, 8)], { mask: 'completion' });
    expect(processor.decode(labels.filter((label) => label !== -100))).toBe('two<end_of_turn>four<end_of_turn>');
  });

  test.each<[string, Conversation, number, string]>([
    ['an image too few', ask({ role: 'user', content: [{ type: 'image' }] }), 0, 'Conversation row-7: its messages have 1 image part, 0 images'],
    ['an image too many', ask({ role: 'user', content: 'hi' }), 1, 'have 0 image parts, 1 image was'],
    ['the placeholder in a text', ask({ role: 'user', content: 'a <start_of_image> b' }), 0, 'made 1 place (<start_of_image>) for 0 images'],
    ['a soft token in a text', ask({ role: 'user', content: 'a <image_soft_token> b' }), 0, 'may not contain <start_of_image> or <image_soft_token>'],
  ])('refuses %s', (_, row, images, message) => {
    const encode = (): unknown => processor.encode(row, Array.from({ length: images }, () => grey(28, 28)), { mask: 'completion' });
    expect(encode).toThrow(UserError);
    expect(encode).toThrow(message);
  });
});

describe('folders', () => {
  /** gemma3-tiny with some of its JSON files changed. */
  async function folder(changes: Record<string, Record<string, unknown>>): Promise<MemoryPlatform> {
    const platform = memoryPlatform();
    for (const name of goldenNames('models', gemma.name)) {
      if (name.endsWith('.safetensors')) continue;
      const bytes = await nodePlatform.readFile(goldenPath('models', gemma.name, name));
      const changed = changes[name];
      if (!changed) platform.files.set(`m/${name}`, bytes);
      else {
        const json = { ...goldenJson<Record<string, unknown>>('models', gemma.name, name), ...changed };
        platform.files.set(`m/${name}`, new TextEncoder().encode(JSON.stringify(json)));
      }
    }
    return platform;
  }

  test('a folder as transformers 5 writes MedGemma 1.5’s: 40 slices, each with its number', async () => {
    const { sliding_window_pattern: _, rope_scaling: __, rope_theta, rope_local_base_freq, ...text } = goldenJson<{ text_config: Record<string, unknown> }>(
      'models', gemma.name, 'config.json',
    ).text_config;
    const newer = {
      ...text, max_position_embeddings: 32768, use_bidirectional_attention: false,
      layer_types: ['sliding_attention', 'sliding_attention', 'sliding_attention', 'sliding_attention', 'sliding_attention', 'full_attention'],
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 8, rope_theta },
        sliding_attention: { rope_type: 'default', rope_theta: rope_local_base_freq },
      },
    };
    const image_processor = goldenJson<Record<string, unknown>>('models', gemma.name, 'preprocessor_config.json');
    const platform = await folder({
      'config.json': { text_config: newer, dtype: 'bfloat16', transformers_version: '5.0.0' },
      'processor_config.json': { image_processor: { ...image_processor, image_processor_type: 'Gemma3ImageProcessorFast' }, image_seq_length: 16 },
    });
    platform.files.delete('m/preprocessor_config.json');
    const of = await Gemma3Processor.load(platform, 'm');
    expect(await contextLength(platform, 'm')).toBe(32768);
    const slices = Array.from({ length: 40 }, (_, i) => grey(12 + i, 20));
    const content = slices.flatMap((_, i) => [{ type: 'image' as const }, { type: 'text' as const, text: `SLICE ${i + 1}` }]);
    const row = ask({ role: 'user', content: [{ type: 'text', text: 'A volume.' }, ...content, { type: 'text', text: 'What is there?' }] });
    const example = of.encode(row, slices, { mask: 'completion' });
    expect(count(example.inputIds, SOFT)).toBe(40 * 16);
    expect(example.imageGrids).toHaveLength(40);
    expect(of.decode(example.inputIds, { skipSpecialTokens: true })).toMatch(/A volume\.[^]*SLICE 1\s[^]*SLICE 40What is there\?/);
    const { tokens } = of.measure(row, slices, { mask: 'completion' });
    expect(tokens).toBe(example.inputIds.length);
    expect(example).toEqual(processor.encode(row, slices, { mask: 'completion' }));
  });

  test('pan-and-scan stays off, as in transformers, whatever the folder says', async () => {
    const pan = { do_pan_and_scan: true, pan_and_scan_min_crop_size: 16, pan_and_scan_max_num_crops: 4, pan_and_scan_min_ratio_to_activate: 1.2 };
    const scanning = await Gemma3Processor.load(await folder({ 'preprocessor_config.json': pan }), 'm');
    const row = ask({ role: 'user', content: [{ type: 'image' }] });
    expect(scanning.encode(row, [grey(20, 90)], { mask: 'completion' })).toEqual(processor.encode(row, [grey(20, 90)], { mask: 'completion' }));
  });

  test('a template without <bos> gets the tokenizer’s', async () => {
    const platform = await folder({});
    const template = new TextDecoder().decode(await platform.readFile('m/chat_template.jinja'));
    expect(template).toContain('{{- bos_token -}}');
    platform.files.set('m/chat_template.jinja', new TextEncoder().encode(template.replace('{{- bos_token -}}', '')));
    const { inputIds } = (await Gemma3Processor.load(platform, 'm')).encode(ask({ role: 'user', content: 'hi' }), [], { mask: 'completion' });
    expect([...inputIds]).toEqual([...processor.encode(ask({ role: 'user', content: 'hi' }), [], { mask: 'completion' }).inputIds]);
  });

  test.each<[string, Record<string, Record<string, unknown>>, string]>([
    ['another image size', { 'preprocessor_config.json': { size: { height: 224, width: 224 } } }, 'vision_config has image_size 112'],
    ['another length', { 'processor_config.json': { image_seq_length: 256 } }, "image_seq_length is 256, config.json's mm_tokens_per_image 16"],
    ['an image token that the tokenizer lacks', { 'config.json': { image_token_index: 9999 } }, 'no token 9999'],
  ])('refuses %s', async (_, changes, message) => {
    const load = Gemma3Processor.load(await folder(changes), 'm');
    await expect(load).rejects.toThrow(UserError);
    await expect(load).rejects.toThrow(message);
  });

  test('refuses bounds on the area', async () => {
    await expect(Gemma3Processor.load(nodePlatform, gemma.baseModel, { maxPixels: 9999 })).rejects.toThrow('sees every image at 112×112 pixels');
  });

  test('a text-only model’s processor gives the same tokens, and refuses images', async () => {
    const text = await TextProcessor.load(nodePlatform, gemma.baseModel);
    const row = dataset.find(({ id }) => id === 's09_textonly')!;
    expect(text.encode(row, [], { mask: 'completion' })).toEqual(processor.encode(row, [], { mask: 'completion' }));
    expect(() => text.encode(ask({ role: 'user', content: [{ type: 'image' }] }), [], { mask: 'completion' })).toThrow('reads text only');
    expect(() => text.encode(ask({ role: 'user', content: 'x' }), [grey(2, 2)], { mask: 'completion' })).toThrow(UserError);
  });
});
