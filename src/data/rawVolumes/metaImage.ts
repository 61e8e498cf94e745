/**
 * Headers of MetaImage (.mha, and .mhd with a file beside it), as ITK reads them: axes and places to the left, to the back and up, row n of
 * the TransformMatrix is the way of axis n. AnatomicalOrientation says the same in other words and is not looked at.
 */
import { UserError } from '../../platform.ts';
import { numbersOf, placed, shapeOf } from './rawHeader.ts';
import type { RawHeader, Vector } from './rawHeader.ts';

/** NIfTI's codes. LONG has four bytes in MetaIO, whatever the machine's has. */
const TYPES: Readonly<Record<string, number>> = {
  MET_CHAR: 256,
  MET_UCHAR: 2,
  MET_SHORT: 4,
  MET_USHORT: 512,
  MET_INT: 8,
  MET_UINT: 768,
  MET_LONG: 8,
  MET_ULONG: 768,
  MET_LONG_LONG: 1024,
  MET_ULONG_LONG: 1280,
  MET_FLOAT: 16,
  MET_DOUBLE: 64,
};
const LAST_FIELD = 'ElementDataFile';

/** Where the header ends: behind the line of its last field; undefined where that is not there. */
export function metaImageEnd(text: string): number | undefined {
  const [all] = /^[ \t]*ElementDataFile[ \t]*=[^\n]*\n/m.exec(text) ?? [];
  return all === undefined ? undefined : text.search(/^[ \t]*ElementDataFile[ \t]*=/m) + all.length;
}

/** @param text of the header @param end where it ends in the file @throws UserError for what is not read */
export function metaImageHeader(text: string, end: number, path: string): RawHeader {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, name, value = ''] = /^\s*([A-Za-z]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined) fields.set(name, value);
  }
  const fail = (words: string): UserError => new UserError(`${path}: ${words}`);
  const first = (...names: string[]): string | undefined => names.map((name) => fields.get(name)).find((value) => value !== undefined);
  const need = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined || value === '') throw fail(`this MetaImage says no ${name}. Save it again.`);
    return value;
  };
  const [dimensions = 0] = numbersOf(need('NDims'), 1, 'NDims', path);
  if (!Number.isInteger(dimensions) || dimensions < 2 || dimensions > 10) throw fail(`NDims is ${dimensions}; 2 to 10 are possible.`);
  const shape = shapeOf(numbersOf(need('DimSize'), dimensions, 'DimSize', path), path);
  const [channels = 1] = numbersOf(fields.get('ElementNumberOfChannels') ?? '1', 1, 'ElementNumberOfChannels', path);
  if (channels !== 1) throw fail(`it has ${channels} values a voxel; one is expected. Split it.`);
  const type = need('ElementType');
  const datatype = TYPES[type];
  if (datatype === undefined)
    throw fail(`ElementType ${JSON.stringify(type.slice(0, 40))} is not read; integers, MET_FLOAT and MET_DOUBLE are.`);
  if (!isTrue(fields.get('BinaryData') ?? 'True')) throw fail('its voxels are written as text; binary ones are read. Save it again.');
  const dataFile = need(LAST_FIELD);
  if (/^LIST\b/.test(dataFile) || /%\d*d/.test(dataFile)) throw fail('its voxels lie in several files; one is read. Save it as .mha.');
  const isLocal = /^LOCAL$/i.test(dataFile);
  const [headerSize = 0] = numbersOf(fields.get('HeaderSize') ?? '0', 1, 'HeaderSize', path);
  if (!Number.isSafeInteger(headerSize) || headerSize < -1) throw fail(`HeaderSize is ${headerSize}. Save the file again.`);
  const packed = fields.get('CompressedDataSize');
  return {
    shape,
    datatype,
    littleEndian: !isTrue(first('BinaryDataByteOrderMSB', 'ElementByteOrderMSB') ?? 'False'),
    encoding: isTrue(fields.get('CompressedData') ?? 'False') ? 'zlib' : 'raw',
    dataFile: isLocal ? undefined : dataFile,
    offset: headerSize === -1 ? 'end' : isLocal ? end : headerSize,
    skippedLines: 0,
    skippedBytes: 0,
    packedBytes: packed === undefined ? undefined : numbersOf(packed, 1, 'CompressedDataSize', path)[0],
    ...spaceOf(fields, dimensions, path),
  };
}

const isTrue = (text: string): boolean => /^(?:true|t|1|yes)$/i.test(text.trim());

function spaceOf(
  fields: ReadonlyMap<string, string>,
  dimensions: number,
  path: string,
): Pick<RawHeader, 'zooms' | 'hasZooms' | 'affine' | 'hasOrientation' | 'notes'> {
  const vector = (count: number, ...names: string[]): number[] | undefined => {
    const name = names.find((one) => fields.has(one));
    return name === undefined ? undefined : numbersOf(fields.get(name) ?? '', count, name, path);
  };
  const spacing = vector(dimensions, 'ElementSpacing', 'ElementSize');
  const matrix = vector(dimensions ** 2, 'TransformMatrix', 'Rotation', 'Orientation');
  const origin = vector(dimensions, 'Offset', 'Position', 'Origin') ?? [];
  const steps = [0, 1, 2].map((axis) => {
    const mm = spacing?.[axis] ?? 1;
    return [0, 1, 2].map(
      (row) =>
        (matrix !== undefined && axis < dimensions && row < dimensions ? (matrix[axis * dimensions + row] ?? 0) : Number(axis === row)) *
        mm,
    );
  }) as [Vector, Vector, Vector];
  const place = [0, 1, 2].map((axis) => origin[axis] ?? 0) as Vector;
  return {
    ...placed(steps, place, path),
    hasZooms: spacing !== undefined,
    hasOrientation: matrix !== undefined && dimensions >= 3,
    notes: [],
  };
}
