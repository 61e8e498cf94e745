/**
 * Small files of text that others wrote: configurations, templates, recipes. A file of gigabytes under such a name is a mistake, and no
 * string is that long.
 */
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';

/** The largest known tokenizer takes a tenth of it. */
const MAX_BYTES = 256 * 2 ** 20;

/** UTF-8; a byte order mark is dropped unless `ignoreBOM`. @throws UserError for one that is too large */
export async function readText(
  platform: Pick<Platform, 'openFile'>,
  path: string,
  { ignoreBOM = false, most = MAX_BYTES }: { ignoreBOM?: boolean; most?: number } = {},
): Promise<string> {
  const file = await platform.openFile(path);
  try {
    if (file.size > most) throw new UserError(`${path}: ${file.size} bytes; a file of this kind has at most ${most}. Check the path.`);
    return new TextDecoder('utf-8', { ignoreBOM }).decode(await file.read(0, file.size));
  } finally {
    await file.close();
  }
}
