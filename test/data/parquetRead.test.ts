/** Pages that claim more than they hold are refused before anything is decoded; others are read as hyparquet reads them. */
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { expect, test } from 'vitest';
import { readParquetRows } from '../../src/data/parquetRead.ts';

const ROWS = 5000;

/** A column of two values in runs, and one of texts and nulls, in two row groups. */
function written(): ArrayBuffer {
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    codec: 'UNCOMPRESSED',
    schema: [
      { name: 'schema', num_children: 2 },
      { name: 'same', type: 'INT32', repetition_type: 'REQUIRED' },
      { name: 'some', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
    ],
  });
  const rows = Array.from({ length: ROWS }, (_, i) => i);
  void parquet.write({
    columnData: [
      { name: 'same', data: rows.map((i) => (i % 3000 < 8 ? 7 : 8)), encoding: 'RLE_DICTIONARY' },
      { name: 'some', data: rows.map((i) => (i % 3 === 0 ? null : `row ${i}`)) },
    ],
    rowGroupSize: 3000,
  });
  void parquet.finish();
  return writer.getBuffer();
}

const read = (file: ArrayBuffer): Promise<Record<string, unknown>[]> => readParquetRows({ file, metadata: parquetMetadata(file) });

test('a file as it is written is read as hyparquet reads it, whole and in part', async () => {
  const file = written();
  const metadata = parquetMetadata(file);
  const all = await parquetReadObjects({ file, metadata });
  expect(all).toHaveLength(ROWS);
  expect(await read(file)).toEqual(all);
  expect(await readParquetRows({ file, metadata, rowStart: 2990, rowEnd: 3010, columns: ['some'] })).toEqual(all.slice(2990, 3010).map(({ some }: Record<string, unknown>) => ({ some })));
});

test('a run of more values than are missing', async () => {
  // 2992 equal indices of one bit are a run: twice their number as a varint of two bytes, then the index.
  const file = written();
  const bytes = new Uint8Array(file);
  const at = bytes.findIndex((byte, i) => byte === 0xe0 && bytes[i + 1] === 0x2e && bytes[i + 2] === 1);
  expect(at).toBeGreaterThan(0);
  bytes.set([0xfe, 0x7f], at);
  await expect(read(file)).rejects.toThrow('a run says that it has 8191 values, where 2992 are missing');
});

test('a column of more values than are read, and a page of more than its column', async () => {
  const file = written();
  const metadata = parquetMetadata(file);
  const [column] = metadata.row_groups[0]!.columns;
  column!.meta_data!.num_values = 2n ** 40n;
  await expect(readParquetRows({ file, metadata })).rejects.toThrow('a column of a row group says that it has 1099511627776 values');
  column!.meta_data!.num_values = 2999n;
  await expect(readParquetRows({ file, metadata })).rejects.toThrow('a page says that it has 3000 values, its column 2999');
  column!.meta_data!.num_values = 3000n;
  metadata.row_groups[1]!.columns[0]!.meta_data!.data_page_offset = column!.meta_data!.data_page_offset;
  delete metadata.row_groups[1]!.columns[0]!.meta_data!.dictionary_page_offset;
  await expect(readParquetRows({ file, metadata })).rejects.toThrow('lie on each other');
});
