/**
 * What the texts of a TIFF stack say: ImageJ's ImageDescription (`ImageJ=1.54f`, then a line a key), OME-XML's `Pixels`, tifffile's shape;
 * and the resolution that TIFF itself has. Sizes are mm of a column, of a row and between pages, null where nothing tells.
 */
import { UserError } from '../../platform.ts';
import type { HeaderSource, Reading } from '../imageHeaders/source.ts';
import type { TiffTags } from '../imageHeaders/tiffTags.ts';
import { TIFF_TYPE_BYTES } from '../tiffDirectory.ts';
import { TAG } from './pages.ts';

export interface StackSizes {
  mm: [x: number | null, y: number | null, z: number | null];
  /** What stored numbers mean: `stored * slope + inter`. */
  slope: number;
  inter: number;
  /** Sentences without their full stop. */
  notes: string[];
}

export interface Resolution {
  /** Pixels per unit; undefined where it is not said. */
  x: number | undefined;
  y: number | undefined;
  /** 1: none, 2: inch, 3: cm. */
  unit: number;
}

/** An OME header of 10 000 planes has some MB. */
const MOST_TEXT_BYTES = 16 << 20;
/** ImageJ's lines are some hundred letters. */
const MOST_LINES_BYTES = 1 << 16;
const MM: ReadonlyMap<string, number> = new Map(
  (
    [
      [1, ['mm', 'millimeter', 'millimetre']],
      [10, ['cm', 'centimeter', 'centimetre']],
      [1000, ['m', 'meter', 'metre']],
      [1e-3, ['micron', 'micrometer', 'micrometre', 'um', '\u00b5m', '\u03bcm']],
      [1e-6, ['nm', 'nanometer', 'nanometre']],
      [25.4, ['in', 'inch', 'inche']],
    ] as const
  ).flatMap(([mm, names]) => names.flatMap((name) => [[name, mm], [`${name}s`, mm]] as const)), // prettier-ignore
);

/** The text of a page; '' where it has none. */
export function* tiffDescription(source: HeaderSource, { tags }: TiffTags): Reading<string> {
  const found = tags.get(TAG.description);
  if (found === undefined || TIFF_TYPE_BYTES.get(found.type) !== 1 || found.count > MOST_TEXT_BYTES) return '';
  const bytes = yield* source.read(found.at, found.count);
  const end = bytes.indexOf(0);
  const text = bytes.subarray(0, end < 0 ? bytes.length : end);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(text);
  } catch {
    return new TextDecoder('latin1').decode(text); // ImageJ writes one byte a letter
  }
}

/** How many images ImageJ says it has written; 1 where it says nothing. */
export function imageJImages(text: string): number {
  const images = Number(imageJFields(text)?.get('images') ?? 1);
  return Number.isSafeInteger(images) && images >= 1 ? images : 1;
}

/** @param pages of the volume @throws UserError for what is more than one volume */
export function stackSizes(text: string, resolution: Resolution, pages: number, name: string): StackSizes {
  const imageJ = imageJFields(text);
  if (imageJ !== undefined) return fromImageJ(imageJ, resolution, name);
  if (/<(?:\w+:)?OME[\s>]/.test(text)) return fromOme(text, pages, name);
  const shape = tifffileShape(text);
  if (shape !== undefined && shape.filter((size) => size > 1).length > 3) throw several(name, `an array of ${shape.join('×')}`);
  return fromResolution(resolution);
}

function several(name: string, what: string): UserError {
  return new UserError(`${name}: it holds ${what}; one volume is expected. Save each channel and time as a stack of its own.`);
}

function imageJFields(text: string): Map<string, string> | undefined {
  if (!text.startsWith('ImageJ=')) return undefined;
  return new Map(
    text
      .slice(0, MOST_LINES_BYTES)
      .split(/\r?\n/)
      .flatMap((line) => {
        const at = line.indexOf('=');
        return at < 0 ? [] : [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as const];
      }),
  );
}

function fromImageJ(fields: ReadonlyMap<string, string>, resolution: Resolution, name: string): StackSizes {
  const counts = (['channels', 'frames'] as const).map((key) => [key, Number(fields.get(key) ?? 1)] as const);
  const more = counts.filter(([, count]) => count > 1);
  if (more.length > 0) throw several(name, more.map(([key, count]) => `${count} ${key}`).join(' and '));
  const notes: string[] = [];
  const stated = fields.get('unit') ?? '';
  // Without a unit of its own ImageJ takes TIFF's, and 72 per inch for nothing, as other programs mean it.
  const unitOf = (key: string): number | null => {
    const unit = fields.get(key) ?? stated;
    if (unit !== '') return mmOf(unit);
    return isDefault(resolution) ? null : unitMm(resolution.unit);
  };
  if (stated !== '' && mmOf(stated) === null && !/^pixels?$/i.test(stated))
    notes.push(`its sizes are in ${JSON.stringify(stated.slice(0, 20))}, no length that is known`);
  const along = (perUnit: number | undefined, mm: number | null): number | null =>
    perUnit === undefined ? null : sized((mm ?? NaN) / perUnit);
  // A distance below zero says that the pages were counted from the other end; ImageJ takes it as it is without its sign.
  const mm: StackSizes['mm'] = [
    along(resolution.x, unitOf('unit')),
    along(resolution.y, unitOf('yunit')),
    sized(Math.abs(Number(fields.get('spacing') ?? NaN)) * (unitOf('zunit') ?? NaN)),
  ];
  return { mm, ...calibrated(fields, notes), notes };
}

/** ImageJ keeps signed 16-bit numbers as unsigned ones, with a straight line that takes 32 768 away (`cf=0`). */
function calibrated(fields: ReadonlyMap<string, string>, notes: string[]): Pick<StackSizes, 'slope' | 'inter'> {
  const kind = fields.get('cf');
  if (kind === undefined) return { slope: 1, inter: 0 };
  const [inter, slope] = ['c0', 'c1'].map((key) => Number(fields.get(key) ?? NaN)) as [number, number];
  if (kind === '0' && Number.isFinite(inter) && Number.isFinite(slope) && slope !== 0) {
    if (slope !== 1 || inter !== 0) notes.push(`its values are those of ImageJ's calibration: ${slope} × what is stored, plus ${inter}`);
    return { slope, inter };
  }
  notes.push("its values are as they are stored, without ImageJ's calibration, which is no straight line");
  return { slope: 1, inter: 0 };
}

function fromOme(text: string, pages: number, name: string): StackSizes {
  const found = text.match(/<(?:\w+:)?Pixels\s[^<>]*>/g) ?? [];
  const [pixels = ''] = found;
  if (found.length > 1) throw several(name, `${found.length} images (OME)`);
  const attribute = (key: string, element = pixels): string | undefined =>
    new RegExp(`\\s${key}\\s*=\\s*["']([^"']*)["']`).exec(element)?.[1];
  const more = (['SizeC', 'SizeT'] as const).filter((key) => Number(attribute(key) ?? 1) > 1);
  if (more.length > 0) throw several(name, more.map((key) => `${attribute(key)} ${key === 'SizeC' ? 'channels' : 'times'}`).join(' and '));
  const depth = Number(attribute('SizeZ') ?? pages);
  const isMoved = (text.match(/<(?:\w+:)?TiffData\s[^<>]*>/g) ?? []).some((plane) => {
    const [from, to] = ['IFD', 'FirstZ'].map((key) => attribute(key, plane));
    return from !== undefined && to !== undefined && from !== to;
  });
  if (depth !== pages || isMoved)
    throw new UserError(
      `${name}: its OME header has ${depth} slices, ${isMoved ? 'in an order of its own' : `the file ${pages} pages`}: they lie in ` +
        'several files or in another order. Save it as one TIFF stack.',
    );
  const mm = (['X', 'Y', 'Z'] as const).map((axis) => {
    const size = Number(attribute(`PhysicalSize${axis}`) ?? NaN);
    return sized(size * (mmOf(decoded(attribute(`PhysicalSize${axis}Unit`) ?? '\u00b5m')) ?? NaN));
  }) as StackSizes['mm'];
  return { mm, slope: 1, inter: 0, notes: [] };
}

/** Letters that XML writes as numbers. */
function decoded(text: string): string {
  return text.replace(/&#(x[0-9a-f]{1,4}|\d{1,5});/gi, (_, code: string) => String.fromCharCode(Number(code.replace(/^x/i, '0x'))));
}

function fromResolution(resolution: Resolution): StackSizes {
  const { x, y, unit } = resolution;
  const mm = isDefault(resolution) ? null : unitMm(unit);
  const size = (perUnit: number | undefined): number | null => sized((mm ?? NaN) / (perUnit ?? NaN));
  const notes: string[] = [];
  if (isDefault(resolution)) notes.push(`its resolution of ${x} per inch is what programs write where they know none, and is no size here`);
  else if (unit === 2 && size(x) !== null)
    notes.push(`the size of its pixels is that of a resolution of ${x} per inch; check that it is the scan's`);
  return { mm: [size(x), size(y), null], slope: 1, inter: 0, notes };
}

const isDefault = ({ x, unit }: Resolution): boolean => unit === 2 && (x === 72 || x === 96);
const unitMm = (unit: number): number | null => (unit === 2 ? 25.4 : unit === 3 ? 10 : null);
const sized = (mm: number): number | null => (mm > 1e-9 && mm < 1e6 ? mm : null);

/** mm of a unit; null where it is no length. ImageJ writes letters beyond Latin as `\u00B5`. */
function mmOf(unit: string): number | null {
  const name = unit.replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(parseInt(code, 16))).trim();
  return MM.get(name.toLowerCase()) ?? null;
}

/** tifffile writes `{"shape": [2, 40, 512, 512]}`. */
function tifffileShape(text: string): number[] | undefined {
  if (!text.startsWith('{"shape":')) return undefined;
  const numbers = /^\{"shape": ?\[([\d, ]*)\]/.exec(text)?.[1]?.split(',').map(Number);
  return numbers?.every(Number.isSafeInteger) === true ? numbers : undefined;
}
