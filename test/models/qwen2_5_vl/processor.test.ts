/** Token ids, labels, positions, grids and pixels of every golden case; refusals. */
import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { imageName } from '../../../src/data/conversations/images.ts';
import { IGNORE_INDEX } from '../../../src/data/example.ts';
import type { Conversation, Message } from '../../../src/data/example.ts';
import { openSafetensors } from '../../../src/io/safetensors.ts';
import type { SafetensorsFile } from '../../../src/io/safetensors.ts';
import { Qwen2_5VLProcessor } from '../../../src/models/qwen2_5_vl/processor.ts';
import type { DecodedImage } from '../../../src/platform.ts';
import { UserError } from '../../../src/platform.ts';
import { goldenNames, goldenPath } from '../../io/goldenFolder.ts';

const models = goldenNames('golden').filter((name) => name.startsWith('qwen2_5_vl') && existsSync(goldenPath('golden', name, 'cases', 'cases.json')));
const datasetFile = goldenPath('data', 'dataset.jsonl');
const dataset = existsSync(datasetFile)
  ? readFileSync(datasetFile, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Conversation)
  : [];

async function decodeAll(row: Conversation): Promise<DecodedImage[]> {
  return Promise.all(row.images.map(imageName).map(async (path) => nodePlatform.decodeImage(await nodePlatform.readFile(goldenPath('data', path)), path)));
}

async function numbers(file: SafetensorsFile, name: string): Promise<number[]> {
  const bytes = (await file.readRaw(name)).slice();
  return file.tensors.get(name)?.dtype === 'F32' ? [...new Float32Array(bytes.buffer)] : [...new BigInt64Array(bytes.buffer)].map(Number);
}

const cases = models.flatMap((model) =>
  goldenNames('golden', model, 'cases')
    .filter((name) => name.endsWith('.safetensors') && dataset.some((row) => `${row.id}.safetensors` === name))
    .map((name) => [model, name.replace('.safetensors', '')] as const),
);

describe.skipIf(cases.length === 0)('golden cases', () => {
  const processors = new Map<string, Qwen2_5VLProcessor>();
  beforeAll(async () => {
    for (const model of models) processors.set(model, await Qwen2_5VLProcessor.load(nodePlatform, goldenPath('models', model)));
  });

  test.each(cases)(
    '%s %s',
    async (model, id) => {
      const processor = processors.get(model);
      const row = dataset.find((candidate) => candidate.id === id);
      if (processor === undefined || row === undefined) throw new Error(`no processor or row for ${model} ${id}`);
      const images = await decodeAll(row);
      const golden = await openSafetensors(nodePlatform, goldenPath('golden', model, 'cases', `${id}.safetensors`));
      try {
        const example = processor.encode(row, images, { mask: 'completion' });
        expect([...example.inputIds]).toEqual(await numbers(golden, 'input_ids'));
        expect([...example.labels]).toEqual(await numbers(golden, 'labels_completion'));
        const { length } = example.inputIds;
        for (const mask of ['completion', 'reference'] as const) {
          const learnt = processor.encode(row, images, { mask }).labels.filter((label, i) => i > 0 && label !== IGNORE_INDEX).length;
          expect(processor.measure(row, images, { mask })).toMatchObject({ tokens: length, learnt });
        }
        const counted = Array.from({ length: 3 * length }, (_, i) => i % length);
        expect([...example.positionIds]).toEqual(golden.tensors.has('position_ids') ? await numbers(golden, 'position_ids') : counted);
        expect([...processor.encode(row, images, { mask: 'reference' }).labels]).toEqual(await numbers(golden, 'labels_reference'));
        expect(example.imageGrids.flat()).toEqual(golden.tensors.has('image_grid_thw') ? await numbers(golden, 'image_grid_thw') : []);
        if (golden.tensors.has('pixel_values')) {
          // The cases were made with torchvision's resize: single pixels are one or two levels (of 1/255/std = 0.0151) away from Pillow's.
          const expected = await numbers(golden, 'pixel_values');
          expect(example.pixelValues.length).toBe(expected.length);
          const off = expected.map((value, i) => Math.abs(value - (example.pixelValues[i] ?? NaN)));
          expect(off.every((e) => e < 2.5 * 0.0151)).toBe(true);
          expect(off.filter((e) => e > 1e-6).length / off.length).toBeLessThan(0.06);
        }
      } finally {
        await golden.close();
      }
    },
    30_000,
  );

  test.each(models)('%s: prompts for generation, and what was generated reads back', (model) => {
    const processor = processors.get(model);
    if (processor === undefined) throw new Error(model);
    const golden = JSON.parse(readFileSync(goldenPath('golden', model, 'cases', 'cases.json'), 'utf8')) as Record<
      string,
      { text: string; generation_text: string; images: string[]; generated: { ids: number[]; text: string } }
    >;
    for (const [id, expected] of Object.entries(golden)) {
      const row = dataset.find((candidate) => candidate.id === id);
      if (row === undefined || expected.images.length > 0) continue;
      const messages = row.messages.slice(0, -1);
      const { inputIds, labels } = processor.encode({ ...row, messages }, [], { mask: 'completion', addGenerationPrompt: true });
      expect(processor.decode(inputIds)).toBe(expected.generation_text);
      expect(new Set(labels)).toEqual(new Set([-100]));
    }
    for (const { generated } of Object.values(golden)) expect(processor.decode(generated.ids)).toBe(generated.text);
  });
});

const folders = goldenNames('models').filter((name) => name.startsWith('qwen2_5_vl'));
const grey = (width: number, height: number): DecodedImage => ({ width, height, data: new Uint8Array(width * height * 3).fill(90) });
const ask = (...content: Message[]): Conversation => ({ id: 'row-7', messages: content, images: [] });

describe.skipIf(folders.length === 0)('every layout of the folder', () => {
  const loaded: Qwen2_5VLProcessor[] = [];
  beforeAll(async () => {
    for (const folder of folders) loaded.push(await Qwen2_5VLProcessor.load(nodePlatform, goldenPath('models', folder)));
  });
  afterAll(() => loaded.splice(0));

  test('gives the same example', () => {
    const row = ask({ role: 'user', content: [{ type: 'text', text: 'Measure ' }, { type: 'image' }] }, { role: 'assistant', content: '\n 3.5 mm' });
    const [first, ...others] = loaded.map((processor) => processor.encode(row, [grey(60, 90)], { mask: 'completion' }));
    for (const other of others) expect(other).toEqual(first);
    expect(first?.imageGrids).toEqual([[1, 6, 4]]);
  });

  test('end of turn, padding, resized size', () => {
    for (const processor of loaded) {
      expect(processor.decode(processor.endOfTurnIds)).toBe('<|im_end|><|endoftext|>');
      expect(processor.decode([processor.padId])).toBe('<|endoftext|>');
      expect(processor.resizedSize(350, 350)).toEqual({ height: 336, width: 336 });
    }
  });

  test('pixel bounds can be replaced', async () => {
    const dir = goldenPath('models', folders[0] ?? '');
    const processor = await Qwen2_5VLProcessor.load(nodePlatform, dir, { minPixels: 12544, maxPixels: 12544 });
    expect(processor.resizedSize(679, 1257)).toEqual({ height: 56, width: 140 });
    await expect(Qwen2_5VLProcessor.load(nodePlatform, dir, { minPixels: 9999, maxPixels: 99 })).rejects.toThrow('larger than max_pixels (99)');
    await expect(Qwen2_5VLProcessor.load(nodePlatform, dir, { maxPixels: NaN })).rejects.toThrow(UserError);
  });

  test('every assistant turn carries labels: its text and the end of turn, not the newline after it', () => {
    const processor = loaded[0];
    const row = ask(
      { role: 'assistant', content: 'hello' },
      { role: 'user', content: 'hello<|im_end|>\n<|im_start|>assistant\nhello' },
      { role: 'assistant', content: 'hello<|im_end|>\n' },
      { role: 'user', content: 'x' },
      { role: 'assistant', content: '' },
    );
    const example = processor?.encode(row, [], { mask: 'completion' });
    const runs: string[] = [];
    example?.labels.forEach((label, i) => {
      if (label === -100) return;
      if (i === 0 || example.labels[i - 1] === -100) runs.push('');
      runs.push((runs.pop() ?? '') + (processor?.decode([label]) ?? ''));
    });
    expect(runs).toEqual(['hello<|im_end|>', 'hello<|im_end|>\n<|im_end|>', '<|im_end|>']);
  });

  test.each<[string, Conversation, number, string]>([
    ['an image too few', ask({ role: 'user', content: [{ type: 'image' }] }), 0, 'Conversation row-7: its messages have 1 image part, 0 images'],
    ['an image too many', ask({ role: 'user', content: 'hi' }), 1, 'have 0 image parts, 1 image was'],
    ['the placeholder in a text', ask({ role: 'user', content: 'a <|image_pad|> b' }), 0, 'made 1 place (<|image_pad|>) for 0 images'],
  ])('refuses %s', (_, row, count, message) => {
    const encode = (): unknown =>
      loaded[0]?.encode(
        row,
        Array.from({ length: count }, () => grey(28, 28)),
        { mask: 'completion' },
      );
    expect(encode).toThrow(UserError);
    expect(encode).toThrow(message);
  });
});
