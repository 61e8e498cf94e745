/**
 * One Parquet file of a prepared folder, written whole in memory. Row groups are small where they hold pictures, because training asks for
 * single rows in random order; where there are several questions about one slice, which are neighbours, pictures are dictionary-encoded, so
 * that these share its PNG.
 */
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { columnsOf, FEATURES, SCHEMA } from './row.ts';
import type { PreparedRow } from './row.ts';

/** Of a row beside its picture, when packed: about. */
const ROW_BYTES = 256;

/** Pages end once they have so much: each picture is one, and is copied once instead of each time that a page grows. */
const PICTURE_PAGE = 1 << 16;

/** The file's bytes: a function of the rows alone. */
export function encodeShard(rows: readonly PreparedRow[], rowGroupSize: number): Uint8Array {
  // As much as it will be, or it is copied each time that it grows.
  const writer = new ByteWriter(rows.reduce((sum, { image }) => sum + (image?.bytes.length ?? 0) + ROW_BYTES, 0));
  const pictures = rows.flatMap(({ image }) => image?.bytes ?? []);
  // A dictionary hashes every byte and copies it once more.
  const encoding = new Set(pictures).size < pictures.length ? 'RLE_DICTIONARY' : 'PLAIN';
  const parquet = new ParquetWriter({ writer, schema: SCHEMA, codec: 'SNAPPY', kvMetadata: [FEATURES], createdBy: 'vernier' });
  const written = parquet.write({
    columnData: [
      // PNG is compressed already.
      { name: 'image', data: rows.map(({ image }) => image), encoding, codec: 'UNCOMPRESSED', statistics: false },
      ...columnsOf(rows),
    ],
    rowGroupSize,
    ...(encoding === 'PLAIN' && pictures.length > 0 && { pageSize: PICTURE_PAGE }),
  });
  if (written !== undefined) throw new Error('encodeShard: a writer into memory does not wait');
  void parquet.finish();
  return writer.getBytes();
}
