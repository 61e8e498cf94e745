/** Colours of a frame as RGB, pixel by pixel (PS3.3, C.7.6.3.1.2 and C.7.9). */
import { UserError } from '../../platform.ts';
import type { Attributes } from './attributes.ts';
import type { StoredValues } from './samples.ts';

/** Planes one after the other to samples pixel by pixel. */
export function interleaved<Values extends StoredValues>(values: Values): Values {
  const out = values.slice() as Values;
  const pixels = values.length / 3;
  for (let sample = 0; sample < 3; sample++) for (let i = 0; i < pixels; i++) out[3 * i + sample] = values[sample * pixels + i] ?? 0;
  return out;
}

/** Y1 Y2 Cb Cr of two neighbours to three samples each: both have the same chrominances. */
export function upsampled422(values: StoredValues): StoredValues {
  const out = new Uint8Array((values.length / 2) * 3);
  for (let from = 0, to = 0; from + 3 < values.length; from += 4, to += 6) {
    const [first, second, blue, red] = [values[from] ?? 0, values[from + 1] ?? 0, values[from + 2] ?? 0, values[from + 3] ?? 0];
    out[to] = first;
    out[to + 3] = second;
    out[to + 1] = out[to + 4] = blue;
    out[to + 2] = out[to + 5] = red;
  }
  return out;
}

const f = Math.fround;
const [GREEN_OF_BLUE, BLUE, RED, GREEN_OF_RED] = [f((-0.114 * 1.772) / 0.587), f(1.772), f(1.402), f((-0.299 * 1.402) / 0.587)];

/** In place: YBR_FULL of so many bits to RGB, in single precision and rounded as pydicom has it for 8. */
export function ybrToRgb(values: StoredValues, bits: number): void {
  const middle = 2 ** (bits - 1);
  const most = 2 ** bits - 1;
  const rounded = (value: number): number => Math.min(most, Math.max(0, Math.floor(f(value + 0.5))));
  for (let i = 0; i < values.length; i += 3) {
    const y = values[i] ?? 0;
    const blue = (values[i + 1] ?? 0) - middle;
    const red = (values[i + 2] ?? 0) - middle;
    values[i] = rounded(f(y + f(red * RED)));
    values[i + 1] = rounded(f(f(y + f(blue * GREEN_OF_BLUE)) + f(red * GREEN_OF_RED)));
    values[i + 2] = rounded(f(y + f(blue * BLUE)));
  }
}

export interface Palette {
  /** The stored value of the first entry; what is below has its colour too. */
  first: number;
  /** Red, green, blue, as 8 bits. */
  tables: readonly [Uint8Array, Uint8Array, Uint8Array];
}

const CHANNELS = ['Red', 'Green', 'Blue'] as const;

/** @throws UserError where tables are missing or too short */
export function paletteOf(attributes: Attributes, path: string): Palette {
  const [described, first, bits] = attributes.numbers('RedPaletteColorLookupTableDescriptor');
  const count = described === 0 ? 65_536 : described;
  if (count === undefined || first === undefined || bits === undefined)
    throw new UserError(`${path}: PALETTE COLOR without a RedPaletteColorLookupTableDescriptor of three numbers. Export the file again.`);
  const [red, green, blue] = CHANNELS.map((channel) => channelTable(attributes, channel, Math.abs(count), bits, path));
  if (red === undefined || green === undefined || blue === undefined) throw new UserError(`${path}: its palette has no three channels.`);
  return { first: attributes.number('PixelRepresentation') === 1 && first > 32_767 ? first - 65_536 : first, tables: [red, green, blue] };
}

function channelTable(attributes: Attributes, channel: (typeof CHANNELS)[number], count: number, bits: number, path: string): Uint8Array {
  const plain = attributes.bytes(`${channel}PaletteColorLookupTableData`);
  const segmented = attributes.bytes(`Segmented${channel}PaletteColorLookupTableData`);
  if (plain === undefined && segmented === undefined)
    throw new UserError(`${path}: the ${channel.toLowerCase()} table of its palette is missing.`);
  let entries: ArrayLike<number>;
  let depth = bits;
  if (plain !== undefined) {
    // Tables of 8 bits may lie in 16-bit words.
    depth = plain.length >= 2 * count ? 16 : 8;
    entries = depth === 16 ? attributes.words(plain) : plain;
  } else {
    const stored = segmented ?? new Uint8Array();
    entries = unfolded(bits > 8 ? attributes.words(stored) : stored, count, path);
  }
  if (entries.length < count) throw new UserError(`${path}: a table of its palette has ${entries.length} of ${count} entries.`);
  return Uint8Array.from({ length: count }, (_, i) => (depth > 8 && bits > 8 ? (entries[i] ?? 0) >> 8 : (entries[i] ?? 0)));
}

/** Discrete, linear and indirect segments (PS3.3, C.7.9.2). */
function unfolded(words: ArrayLike<number>, count: number, path: string): number[] {
  const out: number[] = [];
  const fault = (): UserError => new UserError(`${path}: a segmented table of its palette is corrupt. Export the file again.`);
  const segments = (from: number, most: number, isIndirect: boolean): void => {
    let at = from;
    for (let done = 0; at + 1 < words.length && done < most && out.length < count; done++) {
      const [kind, length] = [words[at] ?? 0, words[at + 1] ?? 0];
      if (kind === 0) {
        for (let i = 0; i < length && out.length < count; i++) out.push(words[at + 2 + i] ?? 0);
        at += 2 + length;
      } else if (kind === 1) {
        const last = out.at(-1);
        if (last === undefined || length === 0) throw fault();
        const step = ((words[at + 2] ?? 0) - last) / length;
        for (let i = 1; i <= length && out.length < count; i++) out.push(Math.round(last + step * i));
        at += 3;
      } else if (kind === 2 && !isIndirect) {
        const target = words.length > 0 && isWide(words) ? (words[at + 2] ?? 0) + (words[at + 3] ?? 0) * 65_536 : byteOffset(words, at + 2);
        segments(target / (isWide(words) ? 2 : 1), length, true);
        at += isWide(words) ? 4 : 6;
      } else throw fault();
    }
  };
  segments(0, Infinity, false);
  return out;
}

const isWide = (words: ArrayLike<number>): boolean => words instanceof Uint16Array;
const byteOffset = (bytes: ArrayLike<number>, at: number): number =>
  (bytes[at] ?? 0) + (bytes[at + 1] ?? 0) * 256 + (bytes[at + 2] ?? 0) * 65_536 + (bytes[at + 3] ?? 0) * 2 ** 24;

/** Stored values to RGB, 8 bits. */
export function paletteToRgb(values: StoredValues, { first, tables }: Palette): Uint8Array {
  const out = new Uint8Array(values.length * 3);
  const last = tables[0].length - 1;
  for (let i = 0; i < values.length; i++) {
    const entry = Math.min(last, Math.max(0, (values[i] ?? 0) - first));
    for (let channel = 0; channel < 3; channel++) out[3 * i + channel] = tables[channel]?.[entry] ?? 0;
  }
  return out;
}
