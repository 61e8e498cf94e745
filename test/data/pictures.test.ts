/**
 * Pictures against Pillow (test/golden/pillow_pictures.py): every format, mode and EXIF block there is decoded to Pillow's bytes or refused
 * by name, never to other bytes; greys of more than 8 bits in each of the three ways; what is told of a picture.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { unzipSync } from 'fflate';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { deepGreyToRgb } from '../../src/data/pictures/deepGrey.ts';
import type { DeepGrey } from '../../src/data/pictures/deepGrey.ts';
import { turned } from '../../src/data/imageOrientation.ts';
import type { Orientation } from '../../src/data/imageOrientation.ts';
import { pngHeader, pngToRgb } from '../../src/data/pictures/png.ts';
import { PictureWarnings } from '../../src/data/pictures/warnings.ts';
import type { DecodedImage, SixteenBit } from '../../src/platform.ts';
import { UserError } from '../../src/platform.ts';

type Pillow = { width: number; height: number; sha256: string } | { error: string };
const files = unzipSync(readFileSync(new URL('../golden/pillow_pictures.zip', import.meta.url)));
const index = JSON.parse(new TextDecoder().decode(files['index.json'])) as Record<string, Pillow>;
const pictures = Object.entries(index).map(([name, pillow]) => ({ name, pillow, bytes: files[name]! }));

const digest = ({ width, height, data }: DecodedImage) => ({ width, height, sha256: createHash('sha256').update(data).digest('hex') });
const decode = (bytes: Uint8Array, name: string, sixteenBit?: SixteenBit): Promise<DecodedImage> =>
  nodePlatform.decodeImage(bytes, name, sixteenBit === undefined ? {} : { sixteenBit });

/** What Pillow reads and we refuse: all of it, so that a decoder that refuses more is noticed. */
const REFUSED = [
  /^refused\//, /^bmp\//, /^ppm\//, /^tiff\/(LAB|YCbCr_(tiff|packbits))/, /^tiff\/RGB_(zstd|lzma)/, /^tiff\/extra1_/, /^gif\/(transparent|offset)/,
  /^tiff\/p0_(u2_little|f4)/, /^tiff\/p1_i1/, /^tiff\/p1_u4_little/, /^tiff\/s[34]_u2_planar2/,
];
/**
 * What Pillow refuses and we read: EXIF blocks that are no EXIF, and BigTIFF in the other byte order; of 32 unsigned bits we refuse what
 * Pillow misreads.
 */
const READ = [/^exif\/(cut_head|bad_magic|noise)\.(png|webp)$/, /^tiff\/I_16B_big/];

describe("Pillow's pictures", () => {
  test.each(pictures.map((one) => [one.name, one] as const))('%s', async (name, { pillow, bytes }) => {
    const decoded = decode(bytes, name);
    if ('error' in pillow ? !READ.some((pattern) => pattern.test(name)) : REFUSED.some((pattern) => pattern.test(name))) {
      await expect(decoded).rejects.toThrow(UserError);
      await expect(decoded).rejects.toThrow(`Image ${name}: `);
    } else if ('error' in pillow) await expect(decoded).resolves.toBeDefined();
    else expect(digest(await decoded)).toEqual(pillow);
  });

  test('the archive holds what it should', () => {
    const read = pictures.filter(({ name, pillow }) => !('error' in pillow) && !REFUSED.some((pattern) => pattern.test(name)));
    expect(pictures.length).toBe(490);
    expect(read.length).toBe(423);
  });

  // The browser has no other PNG decoder (web/images.ts).
  test.each(pictures.filter(({ name, bytes }) => name.startsWith('png/') && !(bytes[24] === 16 && bytes[25] === 0)))('$name by our own decoder', ({ pillow, bytes }) => {
    expect(digest(pngToRgb(bytes))).toEqual(pillow);
  });

  test.each([
    ['refused/a.avif', /^Image a: it is AVIF, which is not read\. .* write it again/],
    ['refused/a.svg', /^Image a: it is SVG, which is not read\./],
    ['bmp/RGB.bmp', /^Image a: it is BMP, which is not read\./],
    ['gif/transparent.gif', /^Image a: it cannot be decoded \(GIF, \d+ bytes\): it has transparent pixels/],
    ['tiff/p1_f8_little.tif', /^Image a: it cannot be decoded \(TIFF, \d+ bytes\): it holds floating-point numbers of 64 bits/],
  ])('%s is refused by what it is', async (name, words) => {
    await expect(decode(files[name]!, 'a')).rejects.toThrow(words);
  });

  test('the name says nothing of the format', async () => {
    expect(digest(await decode(files['jpeg/RGB0.jpg']!, 'a.png'))).toEqual(index['jpeg/RGB0.jpg']);
    await expect(decode(files['refused/a.avif']!, 'a.jpg')).rejects.toThrow('Image a.jpg: it is AVIF');
  });
});

test('cut off or with bytes turned: decoded or a UserError, never another error', async () => {
  const some = pictures.filter((_, i) => i % 5 === 0);
  const damage = fc.record({ cut: fc.nat(100), at: fc.nat(), to: fc.nat(255), isCut: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...some), damage, async ({ bytes }, { cut, at, to, isCut }) => {
      const damaged = isCut ? bytes.slice(0, Math.floor((bytes.length * cut) / 100)) : Uint8Array.from(bytes);
      if (damaged.length > 0) damaged[at % damaged.length] = to;
      const answer = await decode(damaged, 'broken').catch((error: unknown) => error);
      if (answer instanceof Error) expect(answer).toBeInstanceOf(UserError);
      else expect((answer as DecodedImage).data.length).toBe((answer as DecodedImage).width * (answer as DecodedImage).height * 3);
    }),
    { numRuns: 300 },
  );
});

describe('a PNG of our own decoder', () => {
  const { bytes } = pictures.find(({ name }) => name === 'png/c2d8.png')!;

  test('that lacks pixels is refused, not filled with black', () => {
    const short = Uint8Array.from(bytes);
    new DataView(short.buffer).setUint32(20, pngHeader(bytes).height + 1);
    expect(() => pngToRgb(short)).toThrow(/checksum of IHDR/);
    expect(() => pngToRgb(bytes.subarray(0, bytes.length - 60))).toThrow();
  });

  test('with a turned bit in its pixels is refused', () => {
    const at = bytes.length - 12 - 20;
    expect(() => pngToRgb(bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)))).toThrow('the checksum of IDAT does not match');
  });
});

describe('turning', () => {
  // PIL's Transpose by its definition: from (row, column) of the source to that of the result.
  const to: Record<Orientation, (y: number, x: number, h: number, w: number) => [number, number]> = {
    1: (y, x) => [y, x],
    2: (y, x, _, w) => [y, w - 1 - x],
    3: (y, x, h, w) => [h - 1 - y, w - 1 - x],
    4: (y, x, h) => [h - 1 - y, x],
    5: (y, x) => [x, y],
    6: (y, x, h) => [x, h - 1 - y],
    7: (y, x, h, w) => [w - 1 - x, h - 1 - y],
    8: (y, x, _, w) => [w - 1 - x, y],
  };

  test('every pixel goes where it belongs', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.constantFrom(...([1, 2, 3, 4, 5, 6, 7, 8] as const)), (height, width, orientation) => {
        const image = { width, height, data: Uint8Array.from({ length: width * height * 3 }, (_, i) => i) };
        const result = turned(image, orientation);
        expect([result.width, result.height]).toEqual(orientation < 5 ? [width, height] : [height, width]);
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) {
            const [row, column] = to[orientation](y, x, height, width);
            const at = (row * result.width + column) * 3;
            expect([...result.data.subarray(at, at + 3)]).toEqual([...image.data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)]);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('greys of more than 8 bits', () => {
  const greys = (values: DeepGrey['values'], kind: DeepGrey['kind'], way: SixteenBit): number[] => {
    const { data } = deepGreyToRgb({ width: values.length, height: 1, values, kind }, way);
    expect(data.every((value, i) => value === data[i - (i % 3)])).toBe(true);
    return [...data].filter((_, i) => i % 3 === 0);
  };
  const sixteen = Uint16Array.of(0, 1, 128, 129, 255, 256, 385, 386, 32767, 32896, 65407, 65535);

  test('16 bits clipped, as np.asarray(Image.fromarray(a).convert("L"))', () => {
    expect(greys(sixteen, 'uint16', 'clip')).toEqual([0, 1, 128, 129, 255, 255, 255, 255, 255, 255, 255, 255]);
  });

  test('16 bits scaled: round(value / 257)', () => {
    expect(greys(sixteen, 'uint16', 'scale')).toEqual([0, 0, 0, 1, 1, 1, 1, 2, 127, 128, 255, 255]);
    expect(greys(Int16Array.of(-32768, -32639, 0, 32767), 'int16', 'scale')).toEqual([0, 1, 128, 255]);
  });

  test('others scaled from least to greatest; what is not finite takes no part', () => {
    expect(greys(Float64Array.of(-1, 0, 1), 'float', 'scale')).toEqual([0, 128, 255]);
    expect(greys(Float64Array.of(NaN, -Infinity, 10, 20, Infinity), 'float', 'scale')).toEqual([0, 0, 0, 255, 255]);
    expect(greys(Float64Array.of(-7, 93), 'other integer', 'scale')).toEqual([0, 255]);
    expect(greys(Float64Array.of(5, 5, 5), 'float', 'scale')).toEqual([0, 0, 0]);
  });

  test('windowed between the 0.5th and the 99.5th percentile of numpy', () => {
    // np.percentile(np.arange(0, 1001) * 60, [0.5, 99.5]) == [300, 59700]; 255 * (v - 300) / 59400, rounded.
    const values = Uint16Array.from({ length: 1001 }, (_, i) => i * 60);
    const found = greys(values, 'uint16', 'window');
    expect([found[0], found[5], found[6], found[500], found[995], found[1000]]).toEqual([0, 0, 0, 128, 255, 255]);
    expect(found[100]).toBe(Math.round((255 * (6000 - 300)) / 59400));
    expect(greys(Uint16Array.of(9, 9, 9), 'uint16', 'window')).toEqual([0, 0, 0]);
    expect(greys(Float64Array.of(NaN, NaN), 'float', 'window')).toEqual([0, 0]);
  });

  test('clipped like Pillow where numbers are negative, broken or none', () => {
    // np.asarray(Image.fromarray(np.float32([...])).convert("L")), Pillow 12.3
    const values = Float64Array.of(-5, -0.5, 0.4, 0.6, 1.5, 254.5, 254.99, 255.5, 1e9, NaN, Infinity, -Infinity);
    expect(greys(values, 'float', 'clip')).toEqual([0, 0, 0, 0, 1, 254, 254, 255, 255, 0, 255, 0]);
  });

  test('of files: 16-bit PNG with and without alpha, 16-bit and floating-point TIFF', async () => {
    for (const [name, way] of [['png/c0d16.png', 'scale'], ['png/c4d16.png', 'scale'], ['png/c0d16i.png', 'window'], ['tiff/p1_u2_big.tif', 'scale'], ['tiff/p1_i2_little.tif', 'scale'], ['tiff/p1_f4_big.tif', 'window'], ['tiff/p1_i4_big.tif', 'scale']] as const) {
      const spread = await decode(files[name]!, name, way);
      const clipped = await decode(files[name]!, name);
      expect(digest(clipped), name).toEqual(index[name]);
      expect(spread.notes, name).toBeUndefined();
      expect(new Set(spread.data).size, name).toBeGreaterThan(new Set(clipped.data).size / 2);
      expect(spread.data, name).not.toEqual(clipped.data);
    }
  });
});

describe('what is told', () => {
  test('a picture whose greys are cut off', async () => {
    const { notes } = await decode(files['png/c0d16.png']!, 'chest.png');
    expect(notes).toMatchObject([{ kind: 'clipped', name: 'chest.png' }]);
    expect(notes?.[0]?.text).toMatch(/^chest\.png is 16-bit grey: \d+ % of its pixels do not fit 8 bits .*--sixteen_bit window or scale/);
    expect((await decode(files['tiff/p1_f4_big.tif']!, 'a.tif')).notes?.[0]?.text).toMatch(/^a\.tif is floating-point grey/);
  });

  test.each([
    ['gif/animated.gif', 'holds 2 frames'], ['webp/animated.webp', 'holds 2 frames'], ['png/animated.png', 'holds 2 frames'], ['tiff/pages.tif', 'holds 2 pages'],
  ])('%s', async (name, words) => {
    expect((await decode(files[name]!, name)).notes).toMatchObject([{ kind: 'frames', text: expect.stringContaining(words) as string }]);
  });

  test('once a run: the first at once, the number at the end, a picture of every epoch once', () => {
    const said: string[] = [];
    const warnings = new PictureWarnings((text) => said.push(text));
    for (let epoch = 0; epoch < 2; epoch++) {
      for (const name of ['a.png', 'b.png', 'c.png']) warnings.add([{ kind: 'clipped', name, text: `${name} is 16-bit grey.` }]);
      warnings.add([{ kind: 'frames', name: 'a.gif', text: 'a.gif holds 2 frames; the first is used.' }]);
    }
    expect(said).toEqual([
      'Warning: a.png is 16-bit grey. Others like it are counted and told at the end.',
      'Warning: a.gif holds 2 frames; the first is used. Others like it are counted and told at the end.',
    ]);
    warnings.end();
    expect(said.slice(2)).toEqual(['Warning: 3 pictures in all had greys of more than 8 bits cut off at 255 (--sixteen_bit clip).']);
  });

  test('nothing of ordinary pictures', async () => {
    for (const name of ['gif/P.gif', 'webp/RGB.webp', 'png/rgb.png', 'jpeg/RGB0.jpg', 'jpeg/mpo.mpo', 'tiff/RGB_raw.tif']) {
      if (files[name]) expect((await decode(files[name], name)).notes, name).toBeUndefined();
    }
  });
});
