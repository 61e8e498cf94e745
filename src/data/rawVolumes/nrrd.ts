/**
 * Headers of NRRD (teem's "Definition of NRRD file format", versions 1 to 5): scalar volumes of up to three axes, raw or gzip, in the file
 * or in one beside it.
 */
import { UserError } from '../../platform.ts';
import { numbersOf, placed, shapeOf } from './rawHeader.ts';
import type { RawHeader, Vector } from './rawHeader.ts';

/** NIfTI's codes by the names that NRRD has for C's types. */
const TYPES: Readonly<Record<string, number>> = Object.fromEntries(
  (
    [
      [256, ['signed char', 'int8', 'int8_t']],
      [2, ['uchar', 'unsigned char', 'uint8', 'uint8_t']],
      [4, ['short', 'short int', 'signed short', 'signed short int', 'int16', 'int16_t']],
      [512, ['ushort', 'unsigned short', 'unsigned short int', 'uint16', 'uint16_t']],
      [8, ['int', 'signed int', 'int32', 'int32_t']],
      [768, ['uint', 'unsigned int', 'uint32', 'uint32_t']],
      [1024, ['longlong', 'long long', 'long long int', 'signed long long', 'signed long long int', 'int64', 'int64_t']],
      [1280, ['ulonglong', 'unsigned long long', 'unsigned long long int', 'uint64', 'uint64_t']],
      [16, ['float']],
      [64, ['double']],
    ] as const
  ).flatMap(([code, names]) => names.map((name) => [name, code])),
);
const ONE_BYTE = new Set([2, 256]);

/** Signs that turn the coordinates of a space to those to the left, to the back and up. */
const SPACES: Readonly<Record<string, Vector>> = {
  'left-posterior-superior': [1, 1, 1],
  lps: [1, 1, 1],
  'right-anterior-superior': [-1, -1, 1],
  ras: [-1, -1, 1],
  'left-anterior-superior': [1, -1, 1],
  las: [1, -1, 1],
};
/** Axes of which each entry is a part of a voxel, not a place. */
const VALUES = /^(?:list|vector|covariant-vector|normal|point|stub|scalar|complex|.*color|.*matrix|quaternion|.*gradient|none|\?\?\?)$/i;

/** @param text up to the empty line @param end where the data begins in this file @throws UserError for what is not read */
export function nrrdHeader(text: string, end: number, path: string): RawHeader {
  const fields = fieldsOf(text, path);
  const fail = (words: string): UserError => new UserError(`${path}: ${words}`);
  const need = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined) throw fail(`this NRRD file says no "${name}". Save it again.`);
    return value;
  };
  const [dimension = 0] = numbersOf(need('dimension'), 1, 'dimension', path);
  if (!Number.isInteger(dimension) || dimension < 1 || dimension > 16) throw fail(`dimension is ${dimension}; 1 to 16 are possible.`);
  const sizes = numbersOf(need('sizes'), dimension, 'sizes', path);
  const type = need('type').toLowerCase();
  const datatype = TYPES[type];
  if (datatype === undefined)
    throw fail(`voxels of type ${JSON.stringify(type.slice(0, 40))} are not read; integers, float and double are.`);
  const encoding = encodingOf(need('encoding'), path);
  const endian = fields.get('endian')?.toLowerCase();
  if (endian !== 'little' && endian !== 'big' && (endian !== undefined || !ONE_BYTE.has(datatype)))
    throw fail(`"endian" is ${endian === undefined ? 'not said' : JSON.stringify(endian.slice(0, 20))}; little or big is expected.`);
  // An axis of values has one of them, or it is no volume of numbers.
  const kinds = fields.get('kinds')?.trim().split(/\s+/) ?? [];
  const isPlace = sizes.map((size, axis) => !(size === 1 && VALUES.test(kinds[axis] ?? '') && dimension > 3));
  const odd = sizes.findIndex(
    (size, axis) =>
      size > 1 && kinds[axis] !== undefined && VALUES.test(kinds[axis] ?? '') && kinds[axis] !== '???' && kinds[axis] !== 'none',
  );
  if (odd >= 0) throw fail(`its axis ${odd + 1} is of kind ${kinds[odd] ?? ''}: ${sizes[odd]} values a voxel; one is expected. Split it.`);
  const axes = sizes.flatMap((_, axis) => (isPlace[axis] ? [axis] : []));
  const shape = shapeOf(
    axes.map((axis) => sizes[axis] ?? 0),
    path,
  );
  const dataFile = fields.get('data file') ?? fields.get('datafile');
  if (dataFile !== undefined && (/^LIST\b/.test(dataFile) || /%\d*d/.test(dataFile)))
    throw fail('its voxels lie in several files; one is read. Join them.');
  const whole = (name: string, least: number): number => {
    const [value = 0] = numbersOf(fields.get(name) ?? fields.get(name.replace(' ', '')) ?? '0', 1, name, path);
    if (!Number.isSafeInteger(value) || value < least) throw fail(`"${name}" is ${value}. Save the file again.`);
    return value;
  };
  const byteSkip = whole('byte skip', encoding === 'raw' ? -1 : 0);
  return {
    shape,
    datatype,
    littleEndian: endian !== 'big',
    encoding,
    dataFile,
    offset: byteSkip === -1 ? 'end' : dataFile === undefined ? end : 0,
    skippedLines: byteSkip === -1 ? 0 : whole('line skip', 0),
    skippedBytes: Math.max(0, byteSkip),
    packedBytes: undefined,
    ...spaceOf(fields, axes, path),
  };
}

function encodingOf(text: string, path: string): 'raw' | 'gzip' {
  const encoding = text.toLowerCase();
  if (encoding === 'raw') return 'raw';
  if (encoding === 'gzip' || encoding === 'gz') return 'gzip';
  throw new UserError(
    `${path}: encoding ${JSON.stringify(encoding.slice(0, 20))} is not read; raw and gzip are. Save it with one of them.`,
  );
}

/** Names in small letters; keys of others (`name:=value`) and remarks are left out. */
function fieldsOf(text: string, path: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/).slice(1)) {
    if (line.startsWith('#') || line.trim() === '' || /^[^:]*:=/.test(line)) continue;
    const [, name, value] = /^([^:]+):\s(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw new UserError(`${path}: the header has a line ${JSON.stringify(line.slice(0, 60))}, which is no "field: value".`);
    fields.set(name.trim().toLowerCase(), value.trim());
  }
  return fields;
}

type Space = Pick<RawHeader, 'zooms' | 'hasZooms' | 'affine' | 'hasOrientation' | 'notes'>;

function spaceOf(fields: ReadonlyMap<string, string>, axes: readonly number[], path: string): Space {
  const notes: string[] = [];
  const units = [...(fields.get('space units') ?? '').matchAll(/"([^"]*)"/g)].map(([, unit = '']) => unit.toLowerCase());
  const other = units.find((unit) => unit !== '' && !/^(?:mm|millimet(?:er|re)s?)$/.test(unit));
  if (other !== undefined) notes.push(`the header has sizes in ${other.slice(0, 20)}; they are taken for mm`);
  const directions = fields.get('space directions');
  if (directions !== undefined) return { ...directed(fields, directions, axes, path), notes };
  const spacings = fields.get('spacings')?.trim().split(/\s+/).map(Number) ?? [];
  const sizes = [0, 1, 2].map((at) => Math.abs(spacings[axes[at] ?? -1] ?? NaN));
  const hasZooms = axes.slice(0, 3).every((_, at) => (sizes[at] ?? 0) > 0);
  const [x = 1, y = 1, z = 1] = sizes.map((mm) => (mm > 0 ? mm : 1));
  return {
    ...placed(
      [
        [x, 0, 0],
        [0, y, 0],
        [0, 0, z],
      ],
      [0, 0, 0],
      path,
    ),
    hasZooms,
    hasOrientation: false,
    notes,
  };
}

function directed(fields: ReadonlyMap<string, string>, text: string, axes: readonly number[], path: string): Omit<Space, 'notes'> {
  const space = fields.get('space')?.toLowerCase();
  const signs = space === undefined ? undefined : SPACES[space];
  if (signs === undefined)
    throw new UserError(
      `${path}: its space is ${space === undefined ? 'not said' : JSON.stringify(space.slice(0, 40))}; left-posterior-superior, ` +
        'right-anterior-superior and left-anterior-superior are read. Save it in one of them.',
    );
  const turned = (vector: readonly number[]): Vector => [0, 1, 2].map((at) => (vector[at] ?? 0) * (signs[at] ?? 1)) as Vector;
  const vectors = vectorsOf(text, 'space directions', path);
  const own = axes.map((axis) => vectors[axis]).slice(0, 3);
  const given = own.map((vector) => (vector === undefined ? undefined : turned(vector)));
  const steps = completed(given, path);
  const origin = fields.get('space origin');
  const [first] = origin === undefined ? [[0, 0, 0]] : vectorsOf(origin, 'space origin', path);
  return { ...placed(steps, turned(first ?? []), path), hasZooms: true, hasOrientation: true };
}

/** Of fewer than three axes: the others stand upright on them, a mm long. */
function completed(given: readonly (Vector | undefined)[], path: string): [Vector, Vector, Vector] {
  const known = given.filter((vector) => vector !== undefined);
  if (known.length < given.length) throw new UserError(`${path}: "space directions" says none for an axis of the volume. Save it again.`);
  const [a, b, c] = known;
  if (a === undefined || b === undefined) throw new UserError(`${path}: it has ${known.length} axes in space; 2 or 3 are read.`);
  if (c !== undefined) return [a, b, c];
  const upright: Vector = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const length = Math.hypot(...upright);
  return [a, b, upright.map((mm) => mm / length) as Vector];
}

function vectorsOf(text: string, what: string, path: string): (number[] | undefined)[] {
  return [...text.matchAll(/none|\(([^)]*)\)/gi)].map(([, inside]) =>
    inside === undefined ? undefined : numbersOf(inside.replaceAll(',', ' '), 3, what, path),
  );
}
