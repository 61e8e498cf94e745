/**
 * The attributes of a data set or of an item of a sequence, by name: texts, numbers, items, bytes. Only what src/data/dicom/tags.ts lists
 * can be asked for. Coding follows PS3.5, section 6.2.
 */
import type { ByteArrayParser } from 'dicom-parser';
import { UserError } from '../../platform.ts';
import { TAGS } from './tags.ts';
import type { Coding, TagName } from './tags.ts';

/** VRs of numbers as bytes; what a file says beats the table. */
const CODED: Readonly<Record<string, Coding | 's16' | 's32'>> = {
  US: 'u16',
  SS: 's16',
  UL: 'u32',
  SL: 's32',
  FL: 'floats',
  FD: 'doubles',
  DS: 'decimals',
  IS: 'decimals',
};
const BYTES = { u16: 2, s16: 2, u32: 4, s32: 4, floats: 4, doubles: 8 } as const;
/** No attribute that is read has more values; positions of 65 536 frames would fit. */
const MOST_VALUES = 200_000;
const SERIES_DESCRIPTION = 'x0008103e';
/** Bytes of 64 signs in whatever set (PS3.5, 6.2, LO), and then some. */
const MOST_DESCRIBED = 1024;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Where an element's value lies in the bytes; of a sequence, its items. */
export interface ReadElement {
  tag: string;
  vr?: string;
  length: number;
  dataOffset: number;
  items?: { dataSet?: ElementSet }[];
}

/** Elements by tag, and the bytes they lie in. */
export interface ElementSet {
  byteArray: Uint8Array;
  byteArrayParser: ByteArrayParser;
  elements: Readonly<Record<string, ReadElement>>;
}

export class Attributes {
  private readonly set: ElementSet;
  private readonly path: string;

  constructor(set: ElementSet, path: string) {
    this.set = set;
    this.path = path;
  }

  has(name: TagName): boolean {
    return (this.element(name)?.length ?? 0) > 0;
  }

  /** The values between backslashes, without padding; none where the attribute is absent or empty. */
  texts(name: TagName): string[] {
    const text = this.allText(name);
    return text === '' ? [] : text.split('\\').map((value) => value.trim());
  }

  /** The first value. */
  text(name: TagName): string | undefined {
    const [value] = this.texts(name);
    return value === '' ? undefined : value;
  }

  /** @throws UserError where a value is no number */
  numbers(name: TagName): number[] {
    const element = this.element(name);
    if (element === undefined || element.length === 0) return [];
    const [, tableCoding] = TAGS[name];
    const coding = CODED[element.vr ?? ''] ?? (tableCoding === 'u16 or s16' ? this.pixelCoding() : tableCoding);
    if (coding === 'decimals' || coding === 'text') return this.texts(name).flatMap((value) => this.decimal(name, value));
    if (!(coding in BYTES)) throw this.fault(name, 'numbers are expected there');
    const kind = coding as keyof typeof BYTES;
    const size = BYTES[kind];
    const count = Math.min(Math.floor(element.length / size), MOST_VALUES);
    const { byteArray, byteArrayParser } = this.set;
    const read = {
      u16: byteArrayParser.readUint16,
      s16: byteArrayParser.readInt16,
      u32: byteArrayParser.readUint32,
      s32: byteArrayParser.readInt32,
      floats: byteArrayParser.readFloat,
      doubles: byteArrayParser.readDouble,
    }[kind];
    return Array.from({ length: count }, (_, i) => read(byteArray, element.dataOffset + i * size));
  }

  /** The first value. */
  number(name: TagName): number | undefined {
    return this.numbers(name)[0];
  }

  /** Exactly so many finite numbers, or nothing where the attribute is absent or empty. @throws UserError on another count */
  vector(name: TagName, count: number): number[] | undefined {
    const values = this.numbers(name);
    if (values.length === 0) return undefined;
    if (values.length !== count || !values.every(Number.isFinite))
      throw this.fault(name, `${count} numbers are expected, found ${JSON.stringify(values.slice(0, 8))}`);
    return values;
  }

  items(name: TagName): Attributes[] {
    const items = this.element(name)?.items ?? [];
    return items.flatMap(({ dataSet }) => (dataSet === undefined ? [] : [new Attributes(dataSet, this.path)]));
  }

  /** The first item. */
  item(name: TagName): Attributes | undefined {
    return this.items(name)[0];
  }

  bytes(name: TagName): Uint8Array | undefined {
    const element = this.element(name);
    if (element === undefined || element.length === 0) return undefined;
    const { byteArray } = this.set;
    return byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
  }

  /** A reader of 16-bit words in the order of this file's bytes. */
  words(bytes: Uint8Array): Uint16Array {
    return Uint16Array.from({ length: bytes.length >> 1 }, (_, i) => this.set.byteArrayParser.readUint16(bytes, 2 * i));
  }

  /**
   * Whether the SeriesDescription is `wanted`, in capitals or small letters, as Latin or Unicode. People write what they like in it, names
   * too, so it is compared here and never handed out.
   */
  isSeriesDescribed(wanted: string): boolean {
    const { elements, byteArray } = this.set;
    const element = elements[SERIES_DESCRIPTION];
    if (element === undefined) return false;
    const bytes = byteArray.subarray(element.dataOffset, element.dataOffset + Math.min(element.length, MOST_DESCRIBED));
    const alike = (text: string): string => text.replaceAll('\0', '').trim().toLowerCase();
    return ['latin1', 'utf-8'].some((encoding) => alike(new TextDecoder(encoding).decode(bytes)) === alike(wanted));
  }

  private element(name: TagName): ReadElement | undefined {
    const element = this.set.elements[TAGS[name][0]];
    if (element !== undefined && element.dataOffset + element.length > this.set.byteArray.length)
      throw this.fault(name, 'its length runs past the end of the file, which is cut off or corrupt');
    return element;
  }

  private allText(name: TagName): string {
    const bytes = this.bytes(name);
    if (bytes === undefined) return '';
    if (bytes.length > MOST_VALUES * 16) throw this.fault(name, `its text has ${bytes.length} bytes`);
    // Codes, identifiers and numbers are ASCII in every character set (PS3.5, 6.1.2.1).
    return new TextDecoder('latin1').decode(bytes).replace(/[\0 ]+$/, '');
  }

  /** Of tables: signed where the pixels are (PS3.5, 6.2, "US or SS"). */
  private pixelCoding(): 'u16' | 's16' {
    return this.number('PixelRepresentation') === 1 ? 's16' : 'u16';
  }

  private decimal(name: TagName, text: string): number[] {
    if (text === '') return [];
    if (!DECIMAL.test(text)) throw this.fault(name, `"${text.slice(0, 24)}" is no number as DICOM writes them (digits, point, exponent)`);
    return [Number(text)];
  }

  private fault(name: TagName, words: string): UserError {
    return new UserError(`${this.path}: ${name} of this DICOM file: ${words}. Export the file again.`);
  }
}
