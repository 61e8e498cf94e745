/** What a file of rows is, by its first bytes and not by its name, and the right word for files that are something else. */
import { UserError } from '../../platform.ts';

export type FileKind = 'lines' | 'array' | 'parquet';

const LATIN = new TextDecoder('latin1');

/** By first bytes: what it is, and what to do. */
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [/^PARE/, 'an encrypted Parquet file. Write it without encryption'],
  [
    /^(?:ARROW1|\xff\xff\xff\xff)/,
    "an Arrow file, as Python's datasets keeps in its cache. Save it as Parquet: Dataset.from_file(…).to_parquet(…)",
  ],
  [/^FEA1/, 'a Feather file. Save it as Parquet: pandas.read_feather(…).to_parquet(…)'],
  [
    /^PK[^]*(?:xl\/|\[Content_Types\])/,
    'an Excel workbook. Save the rows as JSON lines: pandas.read_excel(…).to_json(…, orient="records", lines=True)',
  ],
  [/^PK/, 'a zip archive. Unpack it and name the file of rows in it'],
  [/^\x80[\x02-\x05]/, 'a Python pickle, which can run code when it is opened. Save the rows as JSON lines or Parquet'],
  [/^\x28\xb5\x2f\xfd/, 'compressed with zstd. Unpack it (unzstd)'],
  [/^BZh/, 'compressed with bzip2. Unpack it (bunzip2)'],
  [/^\xfd7zXZ/, 'compressed with xz. Unpack it (unxz)'],
  [/^\x89HDF/, 'an HDF5 file. Save the rows as JSON lines or Parquet'],
  [/^SQLite format 3/, 'an SQLite database. Save the rows as JSON lines or Parquet'],
  [/^Obj\x01/, 'an Avro file. Save the rows as JSON lines or Parquet'],
  [/^ORC/, 'an ORC file. Save the rows as Parquet'],
  [/^(?:\x89PNG|\xff\xd8\xff|GIF8|RIFF)/, 'a picture. Name the file of conversations that goes with it'],
  [/^%PDF/, 'a PDF. Rows of conversations are expected'],
  [/^[^]{257}ustar/, 'a tar archive. Unpack it; rows are read from JSON lines, a JSON array or Parquet'],
  [/^version https:\/\/git-lfs/, 'a Git LFS pointer, not the file itself. Fetch it with `git lfs pull`'],
  [/^\s*<(?:!doctype|html|\?xml)/i, 'an HTML or XML page; a download that failed often leaves one. Fetch the file again'],
  [/^(?:\xff\xfe|\xfe\xff)\S?\0?/, 'UTF-16 or other text, not UTF-8 text. Save the file as UTF-8'],
];

/** Bytes of a file's beginning that tell what it is. */
export const KIND_BYTES = 4096;

/** @param head the first KIND_BYTES, or all of a shorter file @throws UserError that says what it is instead */
export function fileKind(path: string, head: Uint8Array): FileKind {
  const text = LATIN.decode(head);
  if (text.startsWith('PAR1')) return 'parquet';
  // The line number of a text file helps editors to find the place.
  const other = OTHERS.find(([start]) => start.test(text))?.[1];
  if (other !== undefined) throw new UserError(`${path}:1: it is ${other}.`);
  const start = text.replace(/^\xef\xbb\xbf/, '').trimStart();
  const line = start.split('\n', 1)[0] ?? '';
  // A first line with commas that no row of JSON begins with.
  if (/^[^{["]*[,;\t]/.test(line) || /^"[^"]*"\s*[,;\t]/.test(line)) {
    throw new UserError(
      `${path}:1: it looks like a table (CSV or TSV): ${JSON.stringify(line.slice(0, 50))}. Rows are JSON lines, a JSON array or ` +
        `Parquet; ` +
        'pandas.read_csv(…).to_json(…, orient="records", lines=True) writes JSON lines.',
    );
  }
  return start.startsWith('[') ? 'array' : 'lines';
}
