/**
 * One Parquet file of a prepared folder, written whole in memory. Row groups are small where they hold pictures, because training asks for
 * single rows in random order; pictures are dictionary-encoded, so the several questions about one slice, which are neighbours, share its
 * PNG.
 */
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { columnsOf, FEATURES, SCHEMA } from './row.ts';
import type { PreparedRow } from './row.ts';

/** The file's bytes: a function of the rows alone. */
export function encodeShard(rows: readonly PreparedRow[], rowGroupSize: number): Uint8Array {
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({ writer, schema: SCHEMA, codec: 'SNAPPY', kvMetadata: [FEATURES], createdBy: 'vernier' });
  const written = parquet.write({
    columnData: [
      // PNG is compressed already.
      { name: 'image', data: rows.map(({ image }) => image), encoding: 'RLE_DICTIONARY', codec: 'UNCOMPRESSED', statistics: false },
      ...columnsOf(rows),
    ],
    rowGroupSize,
  });
  if (written !== undefined) throw new Error('encodeShard: a writer into memory does not wait');
  void parquet.finish();
  return writer.getBytes();
}
