/**
 * NRRD and MetaImage: values and places against what the formats' definitions say, computed here in double precision; what is wrong ends in
 * words.
 */
import { gzipSync, zlibSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { openAnyVolume, openStoredVolume } from '../../src/data/openVolume.ts';
import { UserError } from '../../src/platform.ts';
import { openScan, describe as described } from '../../src/run/volume/described.ts';
import { holdingFiles } from './filesInMemory.ts';

const SHAPE = [3, 4, 2] as const;
const COUNT = 24;
/** Directions that are turned and lean a little; lengths 0.5, 0.75, 2. */
const COS = Math.cos(0.1);
const SIN = Math.sin(0.1);
/** mm to the left, back and up for each axis, and of the first voxel. */
const STEPS = [[0, 0.5 * COS, 0.5 * SIN], [0.75, 0, 0], [0, 2 * SIN, -2 * COS]] as const; // prettier-ignore
const ORIGIN = [-10.25, 20.5, 3] as const;
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

type Order = 'little' | 'big';
const WRITERS: Record<string, [bytes: number, (view: DataView, at: number, value: number, little: boolean) => void]> = {
  int8: [1, (view, at, value) => { view.setInt8(at, value); }],
  uint8: [1, (view, at, value) => { view.setUint8(at, value); }],
  int16: [2, (view, at, value, little) => { view.setInt16(at, value, little); }],
  uint16: [2, (view, at, value, little) => { view.setUint16(at, value, little); }],
  int32: [4, (view, at, value, little) => { view.setInt32(at, value, little); }],
  uint32: [4, (view, at, value, little) => { view.setUint32(at, value, little); }],
  float: [4, (view, at, value, little) => { view.setFloat32(at, value, little); }],
  double: [8, (view, at, value, little) => { view.setFloat64(at, value, little); }],
}; // prettier-ignore
const MET: Record<string, string> = {
  int8: 'MET_CHAR', uint8: 'MET_UCHAR', int16: 'MET_SHORT', uint16: 'MET_USHORT', int32: 'MET_INT', uint32: 'MET_UINT', float: 'MET_FLOAT',
  double: 'MET_DOUBLE',
}; // prettier-ignore

const valueOf = (type: string, at: number): number => (type.startsWith('u') ? at * 5 : at * 7 - 80);

function voxels(type: string, order: Order): Uint8Array {
  const [size, write] = WRITERS[type] ?? [0, () => undefined];
  const bytes = new Uint8Array(size * COUNT);
  for (let at = 0; at < COUNT; at++) write(new DataView(bytes.buffer), at * size, valueOf(type, at), order === 'little');
  return bytes;
}

interface Kind {
  type?: string;
  order?: Order;
  isPacked?: boolean;
  /** Lines of the header in place of, or beside, the usual ones. */
  fields?: Record<string, string | null>;
  data?: Uint8Array;
}

function nrrd({ type = 'int16', order = 'little', isPacked = false, fields = {}, data }: Kind = {}): Uint8Array {
  const all: Record<string, string | null> = {
    type,
    dimension: '3',
    space: 'left-posterior-superior',
    sizes: SHAPE.join(' '),
    'space directions': STEPS.map((step) => `(${step.join(',')})`).join(' '),
    kinds: 'domain domain domain',
    endian: order,
    encoding: isPacked ? 'gzip' : 'raw',
    'space origin': `(${ORIGIN.join(',')})`,
    ...fields,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  const body = data ?? voxels(type, order);
  return joined(latin1(`NRRD0004\n# a remark\nkey:=value: of another\n${lines.join('\n')}\n\n`), isPacked ? gzipSync(body) : body);
}

function mha({ type = 'int16', order = 'little', isPacked = false, fields = {}, data }: Kind = {}): Uint8Array {
  const { ElementDataFile = 'LOCAL', ...more } = fields;
  const mm = [0.5, 0.75, 2];
  const body = data ?? voxels(type, order);
  const packed = isPacked ? zlibSync(body) : body;
  const all: Record<string, string | null> = {
    ObjectType: 'Image',
    NDims: '3',
    BinaryData: 'True',
    BinaryDataByteOrderMSB: order === 'big' ? 'True' : 'False',
    CompressedData: isPacked ? 'True' : 'False',
    ...(isPacked && { CompressedDataSize: String(packed.length) }),
    TransformMatrix: STEPS.flatMap((step, axis) => step.map((value) => value / (mm[axis] ?? 1))).join(' '),
    Offset: ORIGIN.join(' '),
    CenterOfRotation: '0 0 0',
    AnatomicalOrientation: 'RAI',
    ElementSpacing: mm.join(' '),
    DimSize: SHAPE.join(' '),
    ElementType: MET[type] ?? '',
    ...more,
    ElementDataFile,
  };
  const lines = Object.entries(all).flatMap(([name, value]) => (value === null ? [] : [`${name} = ${value}`]));
  return joined(latin1(`${lines.join('\n')}\n`), packed);
}

/** mm to the right, forwards and up of a voxel. */
function place(i: number, j: number, k: number): number[] {
  return [0, 1, 2].map((row) => (row === 2 ? 1 : -1) * (ORIGIN[row]! + i * STEPS[0][row]! + j * STEPS[1][row]! + k * STEPS[2][row]!));
}

const WRITTEN = { nrrd, mha } as const;
const FORMATS = Object.keys(WRITTEN) as (keyof typeof WRITTEN)[];
const CASES = FORMATS.flatMap((format) =>
  Object.keys(WRITERS).flatMap((type) =>
    (['little', 'big'] as const).flatMap((order) => [false, true].map((isPacked) => ({ format, type, order, isPacked }))),
  ),
);

describe.each(CASES)('%o', ({ format, type, order, isPacked }) => {
  it('has its values where the header says', async () => {
    const platform = holdingFiles({ v: WRITTEN[format]({ type, order, isPacked }) });
    const { volume } = await openStoredVolume(platform, 'v');
    expect(volume.shape).toEqual([...SHAPE]);
    for (const [axis, mm] of [0.5, 0.75, 2].entries()) expect(volume.zooms[axis]).toBeCloseTo(mm, 12);
    const [ni, nj] = SHAPE;
    for (let k = 0; k < SHAPE[2]; k++) {
      const { values } = await volume.slice(2, k);
      for (let j = 0; j < nj; j++)
        for (let i = 0; i < ni; i++) {
          expect(values[i * nj + j]).toBe(valueOf(type, i + ni * (j + nj * k)));
          const found = volume.header.affine.slice(0, 3).map((row) => row[0]! * i + row[1]! * j + row[2]! * k + row[3]!);
          for (const [row, mm] of place(i, j, k).entries()) expect(found[row]).toBeCloseTo(mm, 12);
        }
    }
  });
});

it('is turned to the right, forwards and up where tasks read it, and described as it is stored', async () => {
  for (const format of FORMATS) {
    const platform = holdingFiles({ v: WRITTEN[format]() });
    const volume = await openAnyVolume(platform, 'v');
    // The second axis runs to the left, the first to the back, the third down.
    expect(volume.shape).toEqual([4, 3, 2]);
    const { values, cols } = await volume.slice(2, 1);
    expect(values[0 * cols + 0]).toBe(valueOf('int16', 2 + 3 * 3)); // the last of both, at the front of the stored third axis
    const found = await described(platform, await openScan(platform, 'v'), new AbortController().signal);
    expect(found).toMatchObject({ size: [2, 4, 3], min: -80, max: 81, notes: [], orientation: { axes: ['I', 'L', 'P'] } });
    for (const [axis, mm] of [2, 0.75, 0.5].entries()) expect(found.spacing_mm[axis]).toBeCloseTo(mm, 12);
  }
});

it('has its voxels in a file beside it, behind lines and bytes', async () => {
  const data = joined(latin1('a line\nanother\nxyz'), voxels('int16', 'little'));
  const head = nrrd({ fields: { 'data file': './folder/v.raw', 'line skip': '2', 'byte skip': '3' }, data: new Uint8Array(0) });
  const beside = await openStoredVolume(holdingFiles({ 'a/v.nhdr': head, 'a/v.raw': data }), 'a/v.nhdr');
  expect((await beside.volume.slice(2, 0)).values[0]).toBe(-80);
  const last = nrrd({ fields: { 'data file': 'v.raw', 'byte skip': '-1' }, data: new Uint8Array(0) });
  expect((await (await openStoredVolume(holdingFiles({ 'v.nhdr': last, 'v.raw': data }), 'v.nhdr')).volume.slice(2, 0)).values[0]).toBe(
    -80,
  );
  const mhd = mha({ fields: { ElementDataFile: 'v.raw', HeaderSize: '-1' }, data: new Uint8Array(0) });
  expect((await (await openStoredVolume(holdingFiles({ 'v.mhd': mhd, 'v.raw': data }), 'v.mhd')).volume.slice(2, 0)).values[0]).toBe(-80);
  await expect(openStoredVolume(holdingFiles({ 'v.mhd': mhd }), 'v.mhd')).rejects.toThrow(
    'its voxels lie in v.raw, which is not beside it',
  );
});

it('in other spaces and with axes of one value lies where it did', async () => {
  const flipped = (signs: readonly number[]): string =>
    STEPS.map((step) => `(${step.map((mm, row) => mm * signs[row]!).join(',')})`).join(' ');
  const origin = (signs: readonly number[]): string => `(${ORIGIN.map((mm, row) => mm * signs[row]!).join(',')})`;
  const wanted = (await openStoredVolume(holdingFiles({ v: nrrd() }), 'v')).volume.header.affine;
  for (const [space, signs] of [
    ['right-anterior-superior', [-1, -1, 1]],
    ['RAS', [-1, -1, 1]],
    ['left-anterior-superior', [1, -1, 1]],
  ] as const) {
    const bytes = nrrd({ fields: { space, 'space directions': flipped(signs), 'space origin': origin(signs) } });
    expect((await openStoredVolume(holdingFiles({ v: bytes }), 'v')).volume.header.affine).toEqual(wanted);
  }
  const list = nrrd({ fields: { dimension: '4', sizes: `1 ${SHAPE.join(' ')}`, kinds: 'list domain domain domain', 'space directions': `none ${flipped([1, 1, 1])}` } }); // prettier-ignore
  expect((await openStoredVolume(holdingFiles({ v: list }), 'v')).volume.header.affine).toEqual(wanted);
});

it('without a space is told to have none, with sizes where they are said', async () => {
  const plain = { space: null, 'space directions': null, 'space origin': null };
  const { volume } = await openStoredVolume(holdingFiles({ v: nrrd({ fields: { ...plain, spacings: '0.5 0.75 2' } }) }), 'v');
  expect(volume.header).toMatchObject({ hasZooms: true, hasOrientation: false, zooms: [0.5, 0.75, 2] });
  const { volume: bare } = await openStoredVolume(holdingFiles({ v: nrrd({ fields: plain }) }), 'v');
  expect(bare.header).toMatchObject({ hasZooms: false, zooms: [1, 1, 1] });
  const { notes } = await openStoredVolume(holdingFiles({ v: nrrd({ fields: { 'space units': '"um" "um" "um"' } }) }), 'v');
  expect(notes).toEqual(['the header has sizes in um; they are taken for mm']);
});

it.each<[string, Uint8Array]>([
  ['asks for 48 bytes of voxels, but 47 are there', nrrd().subarray(0, -1)],
  ['asks for 48 bytes of voxels, but 47 are there', mha().subarray(0, -1)],
  ['truncated or corrupt', nrrd({ isPacked: true }).subarray(0, -9)],
  ['truncated or corrupt', mha({ isPacked: true }).subarray(0, -9)],
  [
    'checksum',
    mha({ isPacked: true, fields: { CompressedDataSize: null } }).map((byte, at, all) => (at === all.length - 1 ? byte ^ 1 : byte)),
  ],
  ['asks for 96 bytes of voxels, 48 are there', nrrd({ isPacked: true, fields: { sizes: '3 4 4' } })],
  ['asks for 96 bytes of voxels, 48 are there', mha({ isPacked: true, fields: { DimSize: '3 4 4' } })],
  ['far beyond', nrrd({ isPacked: true, data: new Uint8Array(2 ** 27) })],
  ['"endian" is not said', nrrd({ fields: { endian: null } })],
  ['encoding "bzip2" is not read', nrrd({ fields: { encoding: 'bzip2' } })],
  ['voxels of type "block" are not read', nrrd({ fields: { type: 'block' } })],
  ['its space is "scanner-xyz"', nrrd({ fields: { space: 'scanner-xyz' } })],
  ['span no volume', nrrd({ fields: { 'space directions': '(1,0,0) (2,0,0) (0,0,1)' } })],
  ['span no volume', mha({ fields: { ElementSpacing: '0 1 1' } })],
  ['3 values a voxel', nrrd({ fields: { dimension: '4', sizes: `3 ${SHAPE.join(' ')}`, kinds: 'vector domain domain domain' } })],
  ['3 values a voxel', mha({ fields: { ElementNumberOfChannels: '3' } })],
  ['lie in several files', nrrd({ fields: { 'data file': 'v%03d.raw 1 9 1' } })],
  ['lie in several files', mha({ fields: { ElementDataFile: 'LIST' } })],
  ['ElementType "MET_OTHER" is not read', mha({ fields: { ElementType: 'MET_OTHER' } })],
  ['its sizes are 3×0×2', mha({ fields: { DimSize: '3 0 2' } })],
  ['2 numbers are expected', mha({ fields: { NDims: '2' } })],
  ['is cut off or corrupt', nrrd().subarray(0, 60)],
  ['is cut off or corrupt', latin1('NDims = 3\n'.repeat(200_000))],
])('is refused: %s', async (words, bytes) => {
  const error: unknown = await openStoredVolume(holdingFiles({ v: bytes }), 'v').catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toContain(words);
});
