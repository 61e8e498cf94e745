/** Headers against Pillow (test/golden/image_headers.py), in memory and as a file that is read in ranges; what is no picture, by name; noise. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatName, sniffFormat } from '../../src/data/imageFormats.ts';
import type { ImageFormat } from '../../src/data/imageFormats.ts';
import { imageHeader, readImageHeader, shownSize } from '../../src/data/imageHeader.ts';
import type { ImageHeader } from '../../src/data/imageHeaders/source.ts';
import { UserError } from '../../src/platform.ts';

interface Case {
  name: string;
  bytes: string;
  format: string;
  mode: string;
  size: [number, number];
  shown: [number, number];
}
const cases = (JSON.parse(readFileSync(new URL('../golden/image_headers.json', import.meta.url), 'utf8')) as Case[]).map((one) => ({
  ...one,
  data: new Uint8Array(Buffer.from(one.bytes, 'base64')),
}));
const bytesOf = (name: string): Uint8Array => cases.find((one) => one.name === name)!.data;

/** A file that counts what is read of it. */
function file(data: Uint8Array) {
  const counted = {
    path: 'a.bin',
    size: data.length,
    reads: 0,
    bytes: 0,
    read: (offset: number, length: number) => {
      if (offset < 0 || offset + length > data.length) throw new RangeError(`${offset}+${length} of ${data.length}`);
      counted.reads++;
      counted.bytes += length;
      return Promise.resolve(data.slice(offset, offset + length));
    },
  };
  return counted;
}

/** Pillow's modes as what is stored. */
const STORED: Record<string, Partial<ImageHeader>> = {
  'png 1': { bitDepth: 1, channels: 1, colour: 'grey' },
  'png LA': { bitDepth: 8, channels: 2, colour: 'grey', hasAlpha: true },
  'png P': { channels: 1, colour: 'palette', hasAlpha: false },
  'png RGBA': { bitDepth: 8, channels: 4, colour: 'rgb', hasAlpha: true },
  'png I;16': { bitDepth: 16, channels: 1, colour: 'grey' },
  'jpeg L': { bitDepth: 8, channels: 1, colour: 'grey' },
  'jpeg CMYK': { bitDepth: 8, channels: 4, colour: 'cmyk' },
  'tiff 1': { bitDepth: 1, channels: 1, colour: 'grey' },
  'tiff RGBA': { bitDepth: 8, channels: 4, colour: 'rgb', hasAlpha: true },
  'tiff I;16': { bitDepth: 16, channels: 1, isFloat: false },
  'tiff I': { bitDepth: 32, channels: 1, isFloat: false },
  'tiff F': { bitDepth: 32, channels: 1, isFloat: true },
  'webp lossless alpha': { hasAlpha: true, channels: 4 },
  'gif P': { colour: 'palette' },
  'bmp RGB': { colour: 'rgb', channels: 3 },
};

describe("Pillow's pictures", () => {
  test.each(cases)('$name', async ({ name, data, format, size, shown }) => {
    const header = imageHeader(data, name);
    expect(header.format.toUpperCase()).toBe(format);
    expect([header.width, header.height]).toEqual(size);
    expect(Object.values(shownSize(header))).toEqual(shown);
    expect(header).toMatchObject(STORED[name] ?? {});
    const stated = /exif (\d)/.exec(name) ?? /xmp (\d)/.exec(name);
    if (stated && !name.includes('cut off')) expect(header.orientation).toBe(Number(stated[1]) % 9 || 1);
    const counted = file(data);
    const read = await readImageHeader(counted);
    expect(read).toEqual(name.includes('behind the pixels') ? { ...header, orientation: 1 } : header);
    expect(counted.reads).toBe(1); // shorter than a window
  });

  test('the cases cover every format and orientation', () => {
    expect(new Set(cases.map(({ format }) => format))).toEqual(new Set(['PNG', 'JPEG', 'WEBP', 'TIFF', 'GIF', 'BMP']));
    expect(new Set(cases.map(({ data, name }) => imageHeader(data, name).orientation)).size).toBe(8);
  });
});

test('a long header is read as far as the size, the pixels are not', async () => {
  const jpeg = bytesOf('jpeg RGB');
  const segment = new Uint8Array(65537);
  segment.set([0xff, 0xe2, 0xff, 0xff, 0xff, 0xc0]); // what looks like a frame within a segment is none
  const parts = [jpeg.subarray(0, 2), ...Array.from({ length: 40 }, () => segment), jpeg.subarray(2), new Uint8Array(2e6)];
  const counted = file(new Uint8Array(Buffer.concat(parts)));
  expect(await readImageHeader(counted)).toMatchObject({ width: 33, height: 18 });
  expect(counted.bytes).toBeLessThan(41 * 4096 + 1);
  const tiff = file(new Uint8Array(Buffer.concat([bytesOf('tiff RGB'), new Uint8Array(1e6)])));
  expect(await readImageHeader(tiff)).toMatchObject({ width: 23, height: 11 });
  expect(tiff.bytes).toBeLessThan(10_000);
});

describe('what is no picture that is read, by name', () => {
  const text = (value: string): Uint8Array => Uint8Array.from(value, (letter) => letter.charCodeAt(0));
  test.each<[ImageFormat, Uint8Array]>([
    ['avif', text('\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf')],
    ['avif', text('\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf')],
    ['heic', text('\0\0\0\x18ftypheic\0\0\0\0mif1heic')],
    ['heic', text('\0\0\0\x18ftypmif1\0\0\0\0mif1heic')],
    ['video', text('\0\0\0\x18ftypmp42\0\0\0\0isommp42')],
    ['svg', text('<?xml version="1.0"?>\n<!-- a -->\n<svg xmlns="http://www.w3.org/2000/svg">')],
    ['svg', text('\xef\xbb\xbf  <svg width="3">')],
    ['html', text('<!DOCTYPE html><html><body>404 <svg>')],
    ['json', text('{"error": "not found"}')],
    ['lfs', text('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n')],
    ['jxl', text('\xff\x0a\xfa')],
    ['jxl', text('\0\0\0\x0cJXL \r\n\x87\n')],
    ['jpeg2000', text('\0\0\0\x0cjP  \r\n\x87\n')],
    ['jpeg2000', text('\xff\x4f\xff\x51\0')],
    ['nifti', text('\x5c\x01\0\0' + '\0'.repeat(344))],
    ['nifti', text('\0\0\x02\x1cn+2\0')],
    ['nrrd', text('NRRD0004\n')],
    ['pdf', text('%PDF-1.7')],
    ['gzip', text('\x1f\x8b\x08')],
    ['zip', text('PK\x03\x04')],
    ['pnm', text('P6\n3 2\n255\n')],
    ['psd', text('8BPS\0\x01')],
    ['ico', text('\0\0\x01\0\x01\0')],
    ['npy', text('\x93NUMPY\x01\0')],
  ])('%s', (format, data) => {
    expect(sniffFormat(data)).toBe(format);
    expect(() => imageHeader(data, 'a.png')).toThrow(UserError);
    expect(() => imageHeader(data, 'a.png')).toThrow(`Image a.png: it is ${formatName(format)}, which is not read. ${format === 'zip' ? 'Unpack it' : 'A PNG, JPEG,'}`);
  });

  test.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'the file is empty'],
    ['words', text('hello'), 'begins with the bytes 68 65 6c 6c'],
    ['words that begin like a bitmap', text('BMW and other cars are not pictures'), 'no picture in a format that is known'],
    ['a PNG that ends in its header', bytesOf('png RGB').subarray(0, 20), 'ends within its header, after 20 bytes'],
    ['a PNG of no width', bytesOf('png RGB').with(19, 0), 'says 0×7 pixels'],
    ['a PNG of colour type 5', bytesOf('png RGB').with(25, 5), 'colour type is 5'],
    ['a JPEG without a frame', text('\xff\xd8\xff\xd9'), 'no frame'],
    ['a JPEG that ends in its header', bytesOf('jpeg RGB').subarray(0, 60), 'ends within its header'],
  ])('%s', async (_, data, message) => {
    expect(() => imageHeader(data, 'a.png')).toThrow(UserError);
    expect(() => imageHeader(data, 'a.png')).toThrow(message);
    await expect(readImageHeader(file(data))).rejects.toThrow(message);
  });
});

describe('noise', () => {
  const usable = async (data: Uint8Array): Promise<void> => {
    const outcomes = await Promise.all(
      [() => Promise.resolve(imageHeader(data, 'noise')), () => readImageHeader(file(data))].map(async (read) => {
        try {
          return await read();
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          return undefined;
        }
      }),
    );
    for (const header of outcomes) if (header) expect(header.width * header.height).toBeGreaterThan(0);
  };

  test('any bytes give a header or a UserError', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), usable), { numRuns: 500 });
  });

  test('bytes behind any magic', async () => {
    const starts = cases.map(({ data }) => data.subarray(0, 16));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 600 }), (start, rest) => {
        return usable(Uint8Array.from([...start, ...rest]));
      }),
      { numRuns: 2000 },
    );
  });

  test('pictures with changed bytes, cut off anywhere', async () => {
    const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const change = fc.array(fc.tuple(place, fc.constantFrom(0, 1, 2, 127, 128, 254, 255)), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...cases), change, fc.double({ min: 0, max: 1, noNaN: true }), async ({ data }, changes, kept) => {
        const damaged = data.slice(0, Math.ceil(data.length * Math.max(kept, 0.05)));
        // Headers are at the front: half of the changes fall into the first 200 bytes.
        const front = Math.min(200, damaged.length);
        for (const [at, byte] of changes) damaged[Math.floor(at < 0.5 ? 2 * at * front : (2 * at - 1) * damaged.length)] = byte;
        await usable(damaged);
      }),
      { numRuns: 3000 },
    );
  });
});
