/**
 * TIFF stacks that tifffile and libtiff have written (test/golden/tiff_stacks.py): values equal to tifffile's to the bit, sizes as they were
 * given; what is no volume, and what is cut off or made up, ends in words.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openAnyVolume, openStoredVolume, tiffPages } from '../../src/data/openVolume.ts';
import { tiffPagesOfBytes } from '../../src/data/tiffStack/isTiffStack.ts';
import { openTiffStack, TIFF_LIMITS } from '../../src/data/tiffStack/openTiffStack.ts';
import { UserError } from '../../src/platform.ts';
import { describe as described } from '../../src/run/volume/described.ts';
import { holdingFiles } from './filesInMemory.ts';

interface Golden {
  cases: {
    name: string;
    bytes: string;
    size: [number, number, number];
    mm: [number | null, number | null, number | null];
    min: number;
    max: number;
    sha256: string;
    notes?: string[];
    stack?: boolean;
  }[];
  refused: { name: string; bytes: string; word: string; pages: 'one' | 'stack' | 'colour' }[];
}

const golden = JSON.parse(gunzipSync(readFileSync(new URL('../golden/tiff_stacks.json.gz', import.meta.url))).toString()) as Golden;
const bytesOf = ({ bytes }: { bytes: string }): Uint8Array => new Uint8Array(Buffer.from(bytes, 'base64'));
const named = (name: string): Uint8Array => bytesOf(golden.cases.find((one) => one.name === name) ?? { bytes: '' });
const { signal } = new AbortController();

it.each(golden.cases)('$name', async (one) => {
  const bytes = bytesOf(one);
  const platform = holdingFiles({ v: bytes });
  const pages = one.stack === false ? 'one' : 'stack';
  expect(tiffPagesOfBytes(bytes)).toBe(pages);
  expect(await tiffPages(platform, 'v')).toBe(pages);
  const { volume, notes } = await openStoredVolume(platform, 'v');
  const found = await described(platform, { kind: 'volume', volume, notes }, signal);
  expect(found).toMatchObject({ size: one.size, min: one.min, max: one.max, sha256: one.sha256, orientation: null, samples: 1 });
  for (const [axis, mm] of one.mm.entries()) {
    if (mm === null) expect(found.spacing_mm[axis]).toBeNull();
    else expect(Math.abs((found.spacing_mm[axis] ?? NaN) / mm - 1)).toBeLessThan(1e-6); // resolutions are ratios of 32 bits
  }
  expect(found.notes).toContainEqual(expect.stringContaining('TIFF says no directions'));
  for (const note of one.notes ?? []) expect(found.notes).toContainEqual(expect.stringContaining(note));
});

it.each(golden.refused)('$name: refused', async ({ word, pages, ...one }) => {
  const platform = holdingFiles({ v: bytesOf(one) });
  expect(await tiffPages(platform, 'v')).toBe(pages);
  const error = await openStoredVolume(platform, 'v').catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toContain(word);
  expect((error as UserError).message).toMatch(/^v: .*(?:Save|Split)/);
});

it('is turned to the right, forwards and up where tasks read it; sizes that are not known stay so', async () => {
  const platform = holdingFiles({ mm: named('ImageJ mm'), cm: named('per cm') });
  const volume = await openAnyVolume(platform, 'mm');
  const { volume: stored } = await openStoredVolume(platform, 'mm');
  expect(volume.shape).toEqual([19, 18, 2]);
  for (const [axis, mm] of [0.5, 0.75, 2].entries()) expect(volume.zooms[axis]).toBeCloseTo(mm, 6);
  expect(volume.header).toMatchObject({ hasZooms: true, sizeless: [] });
  const [turned, asStored] = [(await volume.slice(2, 1)).values, (await stored.slice(2, 1)).values];
  for (let i = 0; i < 19; i++) for (let j = 0; j < 18; j++) expect(turned[i * 18 + j]).toBe(asStored[(18 - i) * 18 + (17 - j)]);
  expect((await openAnyVolume(platform, 'cm')).header).toMatchObject({ hasZooms: false, sizeless: [2] });
});

it('is one file: a folder of slices says what to do', async () => {
  const platform = holdingFiles({ 'slices/1.tif': named('one page'), 'slices/2.tif': named('one page') });
  await expect(openAnyVolume(platform, 'slices')).rejects.toThrow(/^slices: no DICOM file .* as one TIFF stack/);
});

describe('what is cut off or made up', () => {
  /** Fails within the time of the test, with words. */
  async function refusal(bytes: Uint8Array, limits = TIFF_LIMITS): Promise<string> {
    const error = await openTiffStack(holdingFiles({ v: bytes }), 'v', limits)
      .then(async ({ volume }) => volume.slice(2, volume.shape[2] - 1))
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  /** Of a little-endian file: where the value of a tag of its first directory stands, and of the link behind it. */
  function placeOf(bytes: Uint8Array, tag: number | 'link'): number {
    const view = new DataView(bytes.buffer);
    const start = view.getUint32(4, true);
    const count = view.getUint16(start, true);
    if (tag === 'link') return start + 2 + 12 * count;
    for (let i = 0; i < count; i++) if (view.getUint16(start + 2 + 12 * i, true) === tag) return start + 2 + 12 * i + 8;
    throw new Error(`no tag ${tag}`);
  }
  function changed(name: string, tag: number | 'link', value: number): Uint8Array {
    const bytes = named(name).slice();
    new DataView(bytes.buffer).setUint32(placeOf(bytes, tag), value, true);
    return bytes;
  }
  const RAW = 'u2 little endian';

  it('ends anywhere', async () => {
    for (const name of [RAW, 'i2 little endian, lzw, predictor 2, tiles', 'f4 big endian, zlib, predictor 3, tiles', 'Pillow packbits']) {
      const bytes = named(name);
      // One byte of padding may stand at the end.
      for (let length = 8; length < bytes.length - 1; length += 1 + (length >> 4)) await refusal(bytes.slice(0, length));
    }
  });

  it('leads its pages in a circle, or to too many', async () => {
    const bytes = named(RAW);
    const first = new DataView(bytes.buffer).getUint32(4, true);
    expect(await refusal(changed(RAW, 'link', first))).toContain('lead back to page 1');
    expect(await refusal(bytes, { ...TIFF_LIMITS, pages: 1 })).toContain('more than 1 pages');
  });

  it('has sizes that no file bears out', async () => {
    expect(await refusal(changed(RAW, 256, 60_000))).toContain('60000');
    expect(await refusal(changed(RAW, 256, 30_000))).toContain('its pixels take');
    expect(await refusal(changed(RAW, 257, 30_000))).toContain('parts');
    expect(await refusal(changed(RAW, 256, 0))).toContain('0×18');
    expect(await refusal(changed(RAW, 278, 0))).toContain('19×0');
    expect(await refusal(named(RAW), { ...TIFF_LIMITS, volumeBytes: 1000 })).toContain('at most 1000');
    expect(await refusal(named(RAW), { ...TIFF_LIMITS, segments: 7 })).toContain('too many strips');
    expect(await refusal(changed('u2 tiles', 322, 1 << 20))).toContain('in parts of');
  });

  it('unfolds to more or less than it says, or to something else', async () => {
    const name = 'i2 little endian, zlib, predictor 1, strips';
    expect(await refusal(changed(name, 278, 2))).toContain('parts'); // more strips are needed than are there
    const bytes = named(name).slice();
    const strip = new DataView(bytes.buffer).getUint32(new DataView(bytes.buffer).getUint32(placeOf(bytes, 273), true), true);
    for (let at = 2; at < 40; at++) {
      const other = bytes.slice();
      other[strip + at]! ^= 0x10;
      await refusal(other);
    }
    const lzw = named('u1 even LZW').slice();
    const start = new DataView(lzw.buffer).getUint32(placeOf(lzw, 273), true);
    lzw.set([0x80, 0x7f, 0xff, 0xff], start); // a code that was never made
    expect(await refusal(lzw)).toContain('strip 1 of page 1 is corrupt');
  });
});
