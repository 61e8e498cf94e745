/** In the thread of the Data step: volumes stay open, the last ones only, since one may take hundreds of MB. */
import type { Volume } from '../../src/data/nifti.ts';
import { openAnyVolume } from '../../src/data/openVolume.ts';
import { mounts, platform } from '../here.ts';

const open = new Map<string, Promise<Volume>>();
const MOST_OPEN = 2;

export function volumeOf(file: string): Promise<Volume> {
  const held = open.get(file) ?? openAnyVolume(platform, file);
  open.delete(file);
  open.set(file, held);
  held.catch(() => open.delete(file));
  for (const oldest of [...open.keys()].slice(0, -MOST_OPEN)) letGo(oldest);
  return held;
}

/** Where a volume that was picked is read as if it lay there. Each message from the page brings another object of the same file. */
export function pickedPath(file: File): string {
  const path = `${PICKED}${file.lastModified} ${file.size}/${file.name}`;
  if (!mounts.has(path)) mounts.set(path, file);
  return path;
}

const PICKED = '/asked/';

function letGo(path: string): void {
  open.delete(path);
  if (path.startsWith(PICKED)) mounts.delete(path);
}
