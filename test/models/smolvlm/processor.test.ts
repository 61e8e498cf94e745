/** Token ids, labels, positions and tiles of every golden case; Pillow's pixels to the byte; sizes of many pictures; refusals. */
import { beforeAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../../node/platform.ts';
import { imageName } from '../../../src/data/conversations/images.ts';
import type { Conversation, Message } from '../../../src/data/example.ts';
import { SmolVLMProcessor } from '../../../src/models/smolvlm/processor.ts';
import { loadProcessor } from '../../../src/models/processor.ts';
import { tilesOf, tiling } from '../../../src/models/smolvlm/tiling.ts';
import type { DecodedImage } from '../../../src/platform.ts';
import { UserError } from '../../../src/platform.ts';
import { goldenNames, goldenPath } from '../../io/goldenFolder.ts';
import { memoryPlatform } from '../../io/memoryPlatform.ts';
import type { MemoryPlatform } from '../../io/memoryPlatform.ts';
import { goldenCases, goldenJson, goldenTensors } from '../golden.ts';
import { integers } from '../goldenModel.ts';
import { dataset, patchesOf, pictures, smolvlm } from './goldenExamples.ts';

const SIDE = 48;
const folders = ['smolvlm-tiny', 'smolvlm-tiny-bf16'];
const loaded: SmolVLMProcessor[] = [];
let processor: SmolVLMProcessor;

beforeAll(async () => {
  for (const folder of folders) loaded.push(await SmolVLMProcessor.load(nodePlatform, goldenPath('models', folder)));
  [processor] = loaded as [SmolVLMProcessor];
});

async function decode(path: string): Promise<DecodedImage> {
  return nodePlatform.decodeImage(await nodePlatform.readFile(goldenPath('data', path)), path);
}

const grey = (width: number, height: number): DecodedImage => ({ width, height, data: new Uint8Array(width * height * 3).fill(90) });
const ask = (...content: Message[]): Conversation => ({ id: 'row-7', messages: content, images: [] });
const one: Conversation = ask({ role: 'user', content: [{ type: 'image' }, { type: 'text', text: 'Where?' }] });

describe('golden cases', () => {
  test.each(goldenCases(smolvlm.name))('%s', async (id) => {
    const row = dataset.find((candidate) => candidate.id === id)!;
    const images = await Promise.all(row.images.map(imageName).map(decode));
    const golden = await smolvlm.case(id);
    const { tensors } = golden;
    const example = processor.encode(row, images, { mask: 'completion' });
    expect([...example.inputIds]).toEqual([...integers(tensors, 'input_ids')]);
    expect([...example.labels]).toEqual([...integers(tensors, 'labels_completion')]);
    expect([...processor.encode(row, images, { mask: 'reference' }).labels]).toEqual([...integers(tensors, 'labels_reference')]);
    expect([...example.positionIds]).toEqual([...example.inputIds.keys()]);
    expect(example.imageGrids).toEqual(golden.example.imageGrids);
    expect(example.pixelValues).toEqual(golden.example.pixelValues);

    const prompt = processor.encode({ ...row, messages: row.messages.slice(0, -1) }, images, { mask: 'completion', addGenerationPrompt: true });
    expect([...prompt.inputIds]).toEqual([...smolvlm.promptOf(golden).inputIds]);
    const measured = processor.measure(row, images, { mask: 'completion' });
    expect(measured).toMatchObject({ tokens: example.inputIds.length, learnt: example.labels.filter((label, i) => i > 0 && label !== -100).length });
  });

  test('the cases that are not stored have as many tokens, and read back', async () => {
    for (const [id, { generated, ...facts }] of Object.entries(smolvlm.facts())) {
      const row = dataset.find((candidate) => candidate.id === id)!;
      const images = await Promise.all(row.images.map(imageName).map(decode));
      expect(processor.measure(row, images, { mask: 'completion' }).tokens, id).toBe((facts as unknown as { n_tokens: number }).n_tokens);
      expect(processor.decode(generated.ids)).toBe(generated.text);
    }
  });
});

describe('tiles', () => {
  test('are Pillow’s to the byte, split, unsplit, and by another longer side', async () => {
    const golden = await goldenTensors('golden', smolvlm.name, 'image_processor.safetensors');
    expect(golden.size).toBeGreaterThanOrEqual(33);
    const rules = { split: { first: { longestEdge: 144 }, isSplit: true }, whole: { first: { longestEdge: 144 }, isSplit: false }, large: { first: { longestEdge: 96 }, isSplit: true } };
    for (const [name, tensor] of golden) {
      const [file, kind] = [name.slice(0, name.lastIndexOf('.')), name.slice(name.lastIndexOf('.') + 1) as keyof typeof rules];
      const found = tilesOf(await decode(`images/${file}`), { ...rules[kind], side: SIDE }, 'lanczos');
      const wanted = pictures(tensor);
      expect(found.length, name).toBe(wanted.length);
      found.forEach((tile, i) => {
        expect(Buffer.compare(tile.data, wanted[i]!.data), `${name}, tile ${i}`).toBe(0);
      });
    }
  });

  test('two resizings at once would give other pixels', async () => {
    const golden = await goldenTensors('golden', smolvlm.name, 'image_processor.safetensors');
    const image = await decode('images/ax_crop_200x64.png');
    const [once] = tilesOf(image, { first: undefined, isSplit: false, side: SIDE }, 'lanczos');
    expect(Buffer.compare(once!.data, pictures(golden.get('ax_crop_200x64.png.whole')!)[0]!.data)).not.toBe(0);
  });

  test('sizes of pictures of every shape are the reference’s', () => {
    const rows = goldenJson<number[][]>('golden', smolvlm.name, 'sizes.json');
    expect(rows.length).toBeGreaterThan(400);
    for (const [height, width, longestEdge, side, ...wanted] of rows as [number, number, number, number, ...number[]][]) {
      const found = tiling({ height, width }, { first: { longestEdge }, isSplit: true, side });
      expect([found.first.height, found.first.width, found.stretched.height, found.stretched.width, found.rows, found.columns], `${width}×${height} to ${longestEdge}, ${side}`).toEqual(wanted);
    }
  });

  test('what is less than a patch falls away; a tile stays in its place', async () => {
    const other = await SmolVLMProcessor.load(nodePlatform, new URL('../../golden/smolvlm/other', import.meta.url).pathname);
    const row = dataset.find(({ id }) => id === 's10_twoimages')!;
    const images = await Promise.all(row.images.map(imageName).map(decode));
    const { tensorsOf } = await import('../golden.ts');
    const golden = await tensorsOf(new URL('../../golden/smolvlm/other/case.safetensors', import.meta.url).pathname);
    const found = other.encode(row, images, { mask: 'completion' });
    expect([...found.inputIds]).toEqual([...integers(golden, 'long')]);
    expect([...found.labels]).toEqual([...integers(golden, 'labels_long')]);
    expect(found).toMatchObject(patchesOf(golden.get('tiles_u8')!, 8, 3));
  });
});

describe('the text around images', () => {
  test('every layout of the folder gives the same example; string contents are texts', () => {
    expect(loaded.length).toBe(2);
    const row = ask(
      { role: 'user', content: [{ type: 'text', text: 'Compare ' }, { type: 'image' }, { type: 'text', text: '\nwith ' }, { type: 'image' }] },
      { role: 'assistant', content: '3.5 mm' },
    );
    const [first, second] = loaded.map((each) => each.encode(row, [grey(60, 90), grey(200, 20)], { mask: 'completion' }));
    expect(second).toEqual(first);
    const text = processor.decode(first!.inputIds).replaceAll(/(<image>)+/g, '*');
    const tile = (at: string): string => `<fake_token_around_image><row_${at}>*`;
    const whole = '<fake_token_around_image><global-img>*<fake_token_around_image>';
    expect(text).toBe(
      `<|im_start|>User: Compare ${['1', '2', '3'].map((y) => `${tile(`${y}_col_1`)}${tile(`${y}_col_2`)}\n`).join('')}\n${whole}\nwith ` +
        `${['1', '2', '3'].map((x) => tile(`1_col_${x}`)).join('')}\n\n${whole}<end_of_utterance>\nAssistant: 3.5 mm<end_of_utterance>\n`,
    );
    expect(processor.decode(first!.labels.filter((label) => label !== -100))).toBe(' 3.5 mm<end_of_utterance>');
  });

  test('an unsplit picture is its global view', async () => {
    const whole = await SmolVLMProcessor.load(await folder({ 'preprocessor_config.json': { do_image_splitting: false } }), 'm');
    const { inputIds, imageGrids } = whole.encode(one, [grey(60, 90)], { mask: 'completion' });
    expect(processor.decode(inputIds)).toBe(`<|im_start|>User:<fake_token_around_image><global-img>${'<image>'.repeat(9)}<fake_token_around_image>Where?<end_of_utterance>\n`);
    expect(imageGrids).toEqual([[1, 6, 6]]);
    expect(whole.resizedSize(900, 10)).toEqual({ height: SIDE, width: SIDE });
  });

  test('end of turn, padding, resized size, tokens of an image', () => {
    for (const each of loaded) {
      expect(each.decode(each.endOfTurnIds)).toBe('<end_of_utterance>');
      expect(each.decode([each.padId])).toBe('<|im_end|>');
    }
    // 90 × 60 becomes 144 × 96, two by three tiles; 200 × 100 becomes 144 × 72, which is stretched by 4/3 to two rows of tiles.
    expect(processor.resizedSize(60, 90)).toEqual({ height: 96, width: 144 });
    expect(processor.resizedSize(100, 200)).toEqual({ height: 96, width: 144 });
    expect(processor.resizedSize(90, 60)).toEqual({ height: 144, width: 96 });
    const around = processor.encode(ask({ role: 'user', content: [{ type: 'image' }] }), [grey(90, 60)], { mask: 'completion' }).inputIds.length;
    const without = processor.encode(ask({ role: 'user', content: '' }), [], { mask: 'completion' }).inputIds.length;
    expect(processor.imageTokens(60, 90)).toBeGreaterThanOrEqual(around - without);
    expect(processor.imageTokens(60, 90)).toBeLessThanOrEqual(around - without + 2);
  });
});

/** smolvlm-tiny with some of its JSON files changed. */
async function folder(changes: Record<string, Record<string, unknown>>): Promise<MemoryPlatform> {
  const platform = memoryPlatform();
  for (const name of goldenNames('models', smolvlm.name)) {
    if (name.endsWith('.safetensors')) continue;
    const changed = changes[name];
    const bytes = changed
      ? new TextEncoder().encode(JSON.stringify({ ...goldenJson<Record<string, unknown>>('models', smolvlm.name, name), ...changed }))
      : await nodePlatform.readFile(goldenPath('models', smolvlm.name, name));
    platform.files.set(`m/${name}`, bytes);
  }
  return platform;
}

test('splitting and the longer side by choice, as if the folder said so', async () => {
  const split = (example: { imageGrids: unknown[] }): number => example.imageGrids.length;
  const encode = (each: SmolVLMProcessor): ReturnType<SmolVLMProcessor['encode']> => each.encode(one, [grey(60, 90)], { mask: 'completion' });
  const whole = await SmolVLMProcessor.load(nodePlatform, smolvlm.baseModel, { isSplit: false });
  expect(split(encode(whole))).toBe(1);
  const small = await SmolVLMProcessor.load(nodePlatform, smolvlm.baseModel, { longestEdge: 96 });
  expect(split(encode(processor))).toBe(7);
  expect(split(encode(small))).toBe(5);
  const said = await SmolVLMProcessor.load(await folder({ 'preprocessor_config.json': { size: { longest_edge: 96 } } }), 'm');
  expect(encode(small)).toEqual(encode(said));
  const again = await SmolVLMProcessor.load(await folder({ 'preprocessor_config.json': { do_image_splitting: false } }), 'm', { isSplit: true });
  expect(encode(again)).toEqual(encode(processor));
  await expect(loadProcessor(nodePlatform, goldenPath('models', 'gemma3-tiny'), { isSplit: true })).rejects.toThrow('is a gemma3 model, which cuts no images into tiles');
});

describe('refusals', () => {
  test.each<[string, Conversation, number, string]>([
    ['an image too few', one, 0, 'Conversation row-7: its messages have 1 image part, 0 images'],
    ['an image too many', ask({ role: 'user', content: 'hi' }), 1, 'have 0 image parts, 1 image was'],
    ['the placeholder in a text', ask({ role: 'user', content: 'a <image> b' }), 0, 'made 1 place (<image>) for 0 images'],
  ])('%s', (_, row, images, message) => {
    const encode = (): unknown => processor.encode(row, Array.from({ length: images }, () => grey(28, 28)), { mask: 'completion' });
    expect(encode).toThrow(UserError);
    expect(encode).toThrow(message);
  });

  test.each<[string, Record<string, Record<string, unknown>>, string]>([
    ['a tile that the shuffle does not divide', { 'preprocessor_config.json': { max_image_size: { longest_edge: 40 } } }, 'which is 5 patches of 8 pixels'],
    ['another length', { 'processor_config.json': { image_seq_len: 64 } }, 'image_seq_len is 64, a tile of 48 pixels becomes 9 tokens'],
    ['a length of another tile', { 'preprocessor_config.json': { max_image_size: { longest_edge: 32 } } }, 'a tile of 32 pixels becomes 4 tokens'],
    ['no size', { 'preprocessor_config.json': { size: { shortest_edge: 144 } } }, 'size.height is undefined'],
    ['half a pixel', { 'preprocessor_config.json': { size: { longest_edge: 14.5 } } }, 'size.longest_edge is 14.5'],
    ['splitting that is no flag', { 'preprocessor_config.json': { do_image_splitting: 1 } }, 'do_image_splitting is 1'],
    ['an image token that the tokenizer lacks', { 'config.json': { image_token_id: 9999 } }, 'no token 9999'],
  ])('%s', async (_, changes, message) => {
    const load = SmolVLMProcessor.load(await folder(changes), 'm');
    await expect(load).rejects.toThrow(UserError);
    await expect(load).rejects.toThrow(message);
  });

  test('a longer side where nothing is resized', async () => {
    const load = SmolVLMProcessor.load(await folder({ 'preprocessor_config.json': { do_resize: false } }), 'm', { longestEdge: 96 });
    await expect(load).rejects.toThrow('says do_resize false, images keep their size');
  });

  test('bounds on the area', async () => {
    await expect(SmolVLMProcessor.load(nodePlatform, smolvlm.baseModel, { maxPixels: 9999 })).rejects.toThrow('brings every image to one longer side');
  });
});
