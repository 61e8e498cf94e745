/**
 * Rows of a Parquet file by hyparquet's parts, each column's pages checked before they are decoded (parquetPages.ts): files come from
 * strangers.
 */
import { parquetSchema } from 'hyparquet';
import type { AsyncBuffer, ColumnMetaData, Compressors, FileMetaData } from 'hyparquet';
import { parquetPlan } from 'hyparquet/src/plan.js';
import { assembleAsync, asyncGroupToRows, readRowGroup } from 'hyparquet/src/rowgroup.js';
import { getTreePath } from 'hyparquet/src/schema.js';
import { checkPages, UnpackedPages } from './parquetPages.ts';

export interface ParquetRowsOptions {
  file: AsyncBuffer;
  metadata: FileMetaData;
  /** Default: all. */
  columns?: string[];
  /** Default: all rows. */
  rowStart?: number;
  rowEnd?: number;
  compressors?: Compressors;
  /** Of a row group only the pages that hold the rows asked for, where the file has an index of them. */
  useOffsetIndex?: boolean;
}

/**
 * Byte arrays stay bytes unless the schema says that they are text. @throws Error in hyparquet's or in our words, without the file's name
 */
export async function readParquetRows(given: ParquetRowsOptions): Promise<Record<string, unknown>[]> {
  const { file, metadata, columns, rowStart = 0, rowEnd = Infinity, compressors = {} } = given;
  const unpacked = new UnpackedPages(compressors);
  const options = {
    ...given,
    file: checkedFile(file, metadata, unpacked),
    compressors: unpacked.asCompressors(),
    utf8: false,
    geoparquet: false,
  };
  const schema = parquetSchema(metadata);
  const plan = parquetPlan(options);
  const rows: Record<string, unknown>[] = [];
  for (const groupPlan of plan.groups) {
    const group = assembleAsync(readRowGroup(options, plan, groupPlan), schema);
    // All of them, so that none fails unheard.
    await Promise.allSettled(group.asyncColumns.map(({ data }) => data));
    const selectStart = Math.max(rowStart - group.groupStart, 0);
    const selectEnd = Math.min(rowEnd - group.groupStart, group.groupRows);
    for (const row of await asyncGroupToRows(group, selectStart, selectEnd, columns, 'object')) rows.push(row as Record<string, unknown>);
  }
  return rows;
}

/** Whatever is read of a column's chunk is whole pages: all, the dictionary, or those of an index. */
function checkedFile(file: AsyncBuffer, metadata: FileMetaData, unpacked: UnpackedPages): AsyncBuffer {
  const schema = parquetSchema(metadata);
  const chunks = metadata.row_groups.flatMap(({ columns }) =>
    columns.flatMap(({ meta_data }) => (meta_data ? [{ metadata: meta_data, ...rangeOf(meta_data) }] : [])),
  );
  chunks.sort((a, b) => a.start - b.start);
  if (chunks.some(({ start }, i) => i > 0 && start < chunks[i - 1]!.end)) throw new Error('columns of its row groups lie on each other');
  return {
    byteLength: file.byteLength,
    async slice(start, end) {
      const bytes = await file.slice(start, end);
      const chunk = chunks.find((one) => start >= one.start && start < one.end);
      if (chunk) checkPages(bytes, { metadata: chunk.metadata, path: getTreePath(schema, chunk.metadata.path_in_schema) }, unpacked);
      return bytes;
    },
  };
}

/** As hyparquet has it. */
function rangeOf({ dictionary_page_offset: dictionary, data_page_offset: data, total_compressed_size: size }: ColumnMetaData): {
  start: number;
  end: number;
} {
  const start = Number(dictionary || data);
  return { start, end: start + Number(size) };
}
