/**
 * The read-only half of the browser's file system: files that the user picked, and files that a server holds, under paths of our choosing.
 * What is there is known beforehand, because HTTP cannot list a folder and servers of single-page sites answer 200 to any path.
 */
import { errorText, UserError } from '../src/platform.ts';

/** Path → where its bytes are: a File (read in ranges, never whole) or a URL. */
export type MountedFiles = ReadonlyMap<string, Blob | string>;

/** Below this a file on a server is fetched whole. */
const RANGED_FROM_BYTES = 32 * 2 ** 20;

/** Bytes that can be read in ranges. */
export interface Bytes {
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

export function blobBytes(blob: Blob): Bytes {
  return {
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/**
 * A file on a server: in ranges where it is large and the server offers that, else whole, as a Blob (which the browser keeps on disk if it
 * likes). A compressed answer is never ranged: servers mark a .gz file so, and a range of it cannot be decompressed.
 */
export async function fetchBytes(url: string, path: string): Promise<Bytes> {
  const request = async (init: RequestInit = {}): Promise<Response> =>
    fetch(url, init).catch((cause: unknown) => {
      throw new UserError(`Cannot fetch ${path}: ${errorText(cause)}. Is the server reachable?`);
    });
  const get = async (headers: Record<string, string> = {}): Promise<Response> => {
    const answer = await request({ headers });
    if (!answer.ok)
      throw new UserError(`Cannot fetch ${path}: the server answered ${answer.status} ${answer.statusText}. Check the address.`);
    return answer;
  };
  const head = url.startsWith('data:') ? undefined : (await request({ method: 'HEAD' })).headers;
  const size = Number(head?.get('content-length') ?? 0);
  if (head?.get('accept-ranges') !== 'bytes' || head.has('content-encoding') || size <= RANGED_FROM_BYTES)
    return blobBytes(await (await get()).blob());
  return {
    size,
    async read(offset, length) {
      if (length === 0) return new Uint8Array(0);
      return new Uint8Array(await (await get({ range: `bytes=${offset}-${offset + length - 1}` })).arrayBuffer());
    },
  };
}

/** Files of `<input type="file" webkitdirectory>` under `root`, without the name of the picked folder itself. */
export function pickedFiles(files: Iterable<File>, root: string): Map<string, Blob> {
  return new Map([...files].map((file) => [`${root}/${file.webkitRelativePath.split('/').slice(1).join('/') || file.name}`, file]));
}
