/** Resampling against Pillow, pixels against the PIL image processor, the size rule against the reference's table: all to the byte. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { parseImageSettings, patchify, pixelTable, roundHalfEven, smartResize } from '../../src/data/image.ts';
import { resizeImage } from '../../src/data/resize.ts';
import type { ResizeFilter } from '../../src/data/resize.ts';
import { openSafetensors } from '../../src/io/safetensors.ts';
import { UserError } from '../../src/platform.ts';
import type { DecodedImage } from '../../src/platform.ts';
import { goldenNames, goldenPath } from '../io/goldenFolder.ts';

interface ResizeCase extends Record<ResizeFilter, string> {
  size: [number, number];
  to: [number, number];
}
interface ProcessCase {
  height: number;
  width: number;
  channels: number;
  min_pixels: number;
  max_pixels: number;
  grid: number[];
  pixel_values_sha256: string;
}

const dump = JSON.parse(readFileSync(new URL('../golden/qwen_vision_indices.json', import.meta.url), 'utf8')) as {
  resize: ResizeCase[];
  process: ProcessCase[];
};

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The same bytes as synthetic() in test/golden/qwen_vision_indices.py: a ramp in one half, hash noise in the other. */
function synthetic(height: number, width: number, channels: number): DecodedImage {
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const c = channels === 1 ? 0 : channel;
        const noise = (Math.imul(x, 73856093) ^ Math.imul(y, 19349663) ^ Math.imul(c, 83492791)) >>> 9;
        data[(y * width + x) * 3 + channel] = x * 2 < width ? x * 5 + y * 3 + c * 40 : noise;
      }
    }
  }
  return { width, height, data };
}

describe('Pillow resampling', () => {
  test.each(dump.resize)('$size → $to', (c) => {
    const image = synthetic(c.size[0], c.size[1], 3);
    for (const filter of ['bilinear', 'bicubic', 'lanczos'] as const) {
      expect(digest(resizeImage(image, c.to[1], c.to[0], filter).data), filter).toBe(c[filter]);
    }
  });

  test('an image of the right size is copied, not shared', () => {
    const image = synthetic(3, 4, 3);
    const same = resizeImage(image, 4, 3, 'bicubic');
    expect(same.data).toEqual(image.data);
    expect(same.data.buffer).not.toBe(image.data.buffer);
  });
});

const tiny = 'qwen2_5_vl-tiny';
const processorFile = goldenPath('golden', tiny, 'image_processor.safetensors');
const pictures = existsSync(processorFile) ? goldenNames('data', 'images') : [];

describe.skipIf(pictures.length === 0)('golden pictures', () => {
  test.each(pictures)("%s resizes to the PIL back end's bytes", async (name) => {
    const golden = await openSafetensors(nodePlatform, processorFile);
    try {
      const image = await nodePlatform.decodeImage(await nodePlatform.readFile(goldenPath('data', 'images', name)), name);
      const size = smartResize(image.height, image.width, { factor: 28, minPixels: 3136, maxPixels: 12845056 });
      const { data } = resizeImage(image, size.width, size.height, 'bicubic');
      const tensor = `${name}.resized_u8.pil`;
      const shape = golden.tensors.get(tensor)?.shape;
      const bytes = await golden.readRaw(tensor);
      const planes = shape?.length === 3 ? 3 : 1;
      expect(shape?.slice(-2)).toEqual([size.height, size.width]);
      // The goldens hold planes, one for a grey picture.
      const ours = Uint8Array.from(bytes, (_, i) => data[(i % (size.height * size.width)) * 3 + Math.floor(i / (size.height * size.width))] ?? 0);
      expect(bytes.length).toBe(planes * size.height * size.width);
      expect(digest(ours)).toBe(digest(bytes));
    } finally {
      await golden.close();
    }
  });
});

test.each(dump.process)('the PIL image processor on $height×$width×$channels', (c) => {
  const settings = parseImageSettings({}, 'defaults');
  const image = synthetic(c.height, c.width, c.channels);
  const size = smartResize(c.height, c.width, { factor: 28, minPixels: c.min_pixels, maxPixels: c.max_pixels });
  const out = new Float32Array(size.height * size.width * 3 * 2);
  const grid = patchify(
    resizeImage(image, size.width, size.height, settings.filter),
    pixelTable(settings),
    { patchSize: 14, temporalPatchSize: 2, mergeSize: 2 },
    out,
  );
  expect(grid).toEqual(c.grid);
  expect(digest(new Uint8Array(out.buffer))).toBe(c.pixel_values_sha256);
});

const sizes = goldenPath('golden', tiny, 'smart_resize.json');
test.skipIf(!existsSync(sizes))('smart_resize of every golden size', () => {
  const { rows } = JSON.parse(readFileSync(sizes, 'utf8')) as { rows: [number, number, number, number, number, number | null, number | null][] };
  expect(rows.length).toBeGreaterThan(100);
  for (const [height, width, minPixels, maxPixels, factor, newHeight, newWidth] of rows) {
    const resize = (): unknown => smartResize(height, width, { factor, minPixels, maxPixels });
    if (newHeight === null) expect(resize, `${height}×${width}`).toThrow(UserError);
    else expect(resize(), `${height}×${width} ${minPixels} ${maxPixels}`).toEqual({ height: newHeight, width: newWidth });
  }
});

test('halves round to the even neighbour', () => {
  expect([0.5, 1.5, 2.5, 12.5, 13.5, 2.4999, 2.5001].map(roundHalfEven)).toEqual([0, 2, 2, 12, 14, 2, 3]);
  expect(smartResize(350, 350, { factor: 28, minPixels: 3136, maxPixels: 12845056 })).toEqual({ height: 336, width: 336 });
});

test('an image more than 200 times longer than wide is refused', () => {
  expect(() => smartResize(10, 2010, { factor: 28, minPixels: 3136, maxPixels: 12845056 })).toThrow('at most 200 times');
});

test.each([
  [{ resample: 0 }, 'resample is 0'],
  [{ image_mean: [0.5] }, 'image_mean is [0.5]; 3 numbers'],
  [{ image_std: 'x' }, 'image_std'],
  [{ do_rescale: 'yes' }, 'do_rescale is "yes"'],
  [{ rescale_factor: '1/255' }, 'rescale_factor'],
])('image settings %j are refused', (raw, message) => {
  expect(() => parseImageSettings(raw, 'preprocessor_config.json')).toThrow(UserError);
  expect(() => parseImageSettings(raw, 'preprocessor_config.json')).toThrow(message);
});
