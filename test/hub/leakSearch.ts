/** What must not leak, and the search for it in files, to the last byte: in names and contents, in UTF-16 and escaped, and in what is compressed. */
import { gunzipSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { TOKEN } from './hubProcess.ts';

export const KEY = `local-${'89abcdef01'.repeat(4)}`;
const PASSWORD = 'pr0xy/pass:word';
export const PROXY = `http://doctor:${encodeURIComponent(PASSWORD)}@proxy.clinic.example:3128`;
export const SECRETS = [
  TOKEN, KEY, Buffer.from(`api:${KEY}`).toString('base64'), Buffer.from(KEY).toString('base64').slice(0, 40), PASSWORD, encodeURIComponent(PASSWORD),
];

/** What a file holds, by the names that `found` tells; some hold texts that no search of their bytes finds. */
async function texts(name: string, content: Uint8Array | string): Promise<[string, Buffer][]> {
  const bytes = Buffer.from(content as Uint8Array);
  if (name.endsWith('.gz')) return [[name, bytes], [`${name} unpacked`, gunzipSync(bytes)]];
  if (!name.endsWith('.parquet')) return [[name, bytes]];
  return [[name, bytes], [`${name} unpacked`, Buffer.from(JSON.stringify(await parquetRows(bytes)))]];
}

/** Rows of a Parquet file, without the bytes of pictures, which are searched as they lie in the file. */
export async function parquetRows(bytes: Buffer): Promise<Record<string, unknown>[]> {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  const rows = await parquetReadObjects({ file, utf8: false });
  return rows.map((row) => JSON.parse(JSON.stringify(row, (_, value: unknown) => (value instanceof Uint8Array || typeof value === 'bigint' ? undefined : value))) as typeof row);
}

/** Where each of the words is, as `word in file`. */
export async function found(files: Readonly<Record<string, Uint8Array | string>>, words: readonly string[]): Promise<string[]> {
  const all = (await Promise.all(Object.entries(files).map(([name, content]) => texts(name, content)))).flat();
  return all.flatMap(([name, bytes]) =>
    words.filter((word) => {
      const forms = [...new Set([word, encodeURI(word), JSON.stringify(word).slice(1, -1)])];
      return name.includes(word) || forms.some((form) => bytes.includes(form)) || bytes.includes(Buffer.from(word, 'utf16le'));
    }).map((word) => `${word} in ${name}`),
  );
}
