/**
 * What the pages of a Parquet file say of themselves, checked before hyparquet decodes them: it repeats a value as often as a run of levels
 * or of dictionary indices claims, past the page's end, and a run of a few bytes claims up to a billion. (Format: apache/parquet-format,
 * README and Encodings.md.)
 */
import type { ColumnMetaData, Compressors, DataReader, PageHeader, SchemaTree } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import { decompressPage } from 'hyparquet/src/datapage.js';
import { getMaxDefinitionLevel, getMaxRepetitionLevel } from 'hyparquet/src/schema.js';
import { readVarInt } from 'hyparquet/src/thrift.js';

/** A column of a row group; nulls take no bytes, so that a file of some kB may claim any number. */
const MAX_VALUES = 2 ** 25;
/** By how many values the last run of a page may go past its end: writers fill up groups of eight, some of them 63 groups. */
const FILLING = 512;

export interface PagedColumn {
  metadata: ColumnMetaData;
  /** From the schema's root to the column. */
  path: readonly SchemaTree[];
}

/** Pages that were unpacked to be checked, for hyparquet to find: by the buffer that they lie in, packed, and their place in it. */
export class UnpackedPages {
  private readonly pages = new WeakMap<ArrayBufferLike, Map<number, Uint8Array>>();
  private readonly compressors: Compressors;

  constructor(compressors: Compressors) {
    this.compressors = compressors;
  }

  /** For hyparquet: a page that is known is not unpacked again. */
  asCompressors(): Compressors {
    const known =
      (unpack: Compressors[keyof Compressors]) =>
      (input: Uint8Array, length: number): Uint8Array => {
        const held = this.pages.get(input.buffer)?.get(input.byteOffset);
        return held ?? unpack!(input, length);
      };
    return Object.fromEntries(Object.entries(this.compressors).map(([codec, unpack]) => [codec, known(unpack)]));
  }

  unpack(packed: Uint8Array, length: number, { codec }: ColumnMetaData): Uint8Array {
    const page = decompressPage(packed, length, codec, this.compressors);
    if (codec === 'UNCOMPRESSED') return page;
    const pages = this.pages.get(packed.buffer) ?? new Map<number, Uint8Array>();
    this.pages.set(packed.buffer, pages.set(packed.byteOffset, page));
    return page;
  }
}

/**
 * The pages that follow each other in `bytes`.
 * @throws Error that says what is wrong with one
 */
export function checkPages(bytes: ArrayBuffer, column: PagedColumn, unpacked: UnpackedPages): void {
  const values = Number(column.metadata.num_values);
  if (!(values >= 0 && values <= MAX_VALUES))
    throw new Error(`a column of a row group says that it has ${values} values, where ${MAX_VALUES} are read`);
  const reader: DataReader = { view: new DataView(bytes), offset: 0 };
  // As hyparquet goes through them.
  while (reader.offset < bytes.byteLength - 1) {
    const header = parquetHeader(reader);
    const length = header.compressed_page_size;
    if (!(length >= 0 && reader.offset + length <= bytes.byteLength)) throw new Error(`a page of ${length} bytes lies beyond its column`);
    checkPage(new Uint8Array(bytes, reader.offset, length), header, values, column, unpacked);
    reader.offset += length;
  }
}

function checkPage(
  packed: Uint8Array,
  header: PageHeader,
  mostValues: number,
  { metadata, path }: PagedColumn,
  unpacked: UnpackedPages,
): void {
  const { data_page_header: first, data_page_header_v2: second, dictionary_page_header: dictionary } = header;
  const [repetition, definition] = [getMaxRepetitionLevel([...path]), getMaxDefinitionLevel([...path])].map(bitWidth) as [number, number];
  const counted = (count: number): number => {
    if (!(count >= 0 && count <= mostValues)) throw new Error(`a page says that it has ${count} values, its column ${mostValues}`);
    return count;
  };
  if (header.type === 'DICTIONARY_PAGE' && dictionary) {
    counted(dictionary.num_values);
  } else if (header.type === 'DATA_PAGE' && first) {
    const count = counted(first.num_values);
    const reader = readerOf(unpacked.unpack(packed, header.uncompressed_page_size, metadata));
    if (path.length > 1 && repetition > 0) checkLevels(reader, repetition, count);
    if (definition > 0) checkLevels(reader, definition, count);
    checkIndices(reader, first.encoding, metadata.type === 'BOOLEAN', count);
  } else if (header.type === 'DATA_PAGE_V2' && second) {
    const count = counted(second.num_values);
    const { repetition_levels_byte_length: repetitionBytes, definition_levels_byte_length: definitionBytes } = second;
    if (!(
      counted(second.num_nulls) <= count &&
      repetitionBytes >= 0 &&
      definitionBytes >= 0 &&
      repetitionBytes + definitionBytes <= packed.length
    )) {
      throw new Error('the lengths of a page contradict each other');
    }
    if (repetition > 0) checkRuns(readerOf(packed), repetition, count);
    if (definition > 0) checkRuns(readerOf(packed.subarray(repetitionBytes)), definition, count);
    const values = packed.subarray(repetitionBytes + definitionBytes);
    const length = header.uncompressed_page_size - repetitionBytes - definitionBytes;
    checkIndices(
      readerOf(second.is_compressed === false ? values : unpacked.unpack(values, length, metadata)),
      second.encoding,
      second.encoding === 'RLE',
      count,
    );
  }
}

function readerOf(bytes: Uint8Array): DataReader {
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
}

function bitWidth(value: number): number {
  return 32 - Math.clz32(value);
}

/** Levels with their length before them. */
function checkLevels(reader: DataReader, width: number, count: number): void {
  const length = reader.view.getUint32(reader.offset, true);
  reader.offset += 4;
  const start = reader.offset;
  checkRuns(reader, width, count);
  reader.offset = start + length;
}

const IN_RUNS = ['RLE', 'PLAIN_DICTIONARY', 'RLE_DICTIONARY'];

/**
 * Where the values are indices or booleans in runs. @param isBoolean as hyparquet reads them: their length first, a bit each; else their
 * width first
 */
function checkIndices(reader: DataReader, encoding: string, isBoolean: boolean, count: number): void {
  if (!IN_RUNS.includes(encoding)) return;
  if (isBoolean) {
    checkLevels(reader, 1, count);
    return;
  }
  const width = reader.offset < reader.view.byteLength ? reader.view.getUint8(reader.offset++) : 0;
  if (width > 0) checkRuns(reader, width, count);
}

/** Runs until there are `count` values or the bytes end. @throws Error where a run has more values than are missing */
function checkRuns(reader: DataReader, width: number, count: number): void {
  let seen = 0;
  while (seen < count && reader.offset < reader.view.byteLength) {
    const header = readVarInt(reader) >>> 0;
    const isPacked = (header & 1) === 1;
    const values = isPacked ? 8 * (header >>> 1) : header >>> 1;
    if (values > count - seen + FILLING) throw new Error(`a run says that it has ${values} values, where ${count - seen} are missing`);
    reader.offset += isPacked ? (values / 8) * width : (width + 7) >> 3;
    seen += values;
  }
}
