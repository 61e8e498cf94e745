/** What a Parquet file says of itself, checked before the reader goes by it. */
import { parquetSchema } from 'hyparquet';
import type { FileMetaData, SchemaTree } from 'hyparquet';
import { UserError } from '../platform.ts';

/** Columns of one value cost nothing a row, so a file of some kB may claim any number. */
const MAX_ROWS = 100_000_000;

/**
 * The columns of each row group are those of the schema, in its order: hyparquet reads others too, waits for none of them, and where one
 * is damaged its error ends the process. And the rows are a number that can be counted to.
 * @returns rows of each row group
 * @throws UserError that names the file
 */
export function checkedRowGroups(metadata: FileMetaData, path: string): number[] {
  const wanted = leaves(parquetSchema(metadata)).join('\n');
  const counts = metadata.row_groups.map(({ columns, num_rows: stated }) => {
    const found = columns.map(({ meta_data }) => meta_data?.path_in_schema.join('.') ?? '').join('\n');
    if (found !== wanted) throw damaged(path, 'the columns of a row group are not those of the schema');
    const rows = Number(stated);
    if (!Number.isSafeInteger(rows) || rows < 0) throw damaged(path, `a row group says that it has ${String(stated)} rows`);
    return rows;
  });
  const total = counts.reduce((sum, rows) => sum + rows, 0);
  if (total > MAX_ROWS) throw damaged(path, `it says that it has ${total} rows, more than the ${MAX_ROWS} that are read`);
  return counts;
}

function leaves({ children, path }: SchemaTree): string[] {
  if (children.length === 0) return path.length === 0 ? [] : [path.join('.')];
  return children.flatMap(leaves);
}

function damaged(path: string, what: string): UserError {
  return new UserError(`${path}: it cannot be read as Parquet: ${what}. Write or fetch the file again.`);
}
