/**
 * `--archive_every_n_steps`: checkpoints that stay. `archive/checkpoint-N` has the same files, as hard links where the file system has them
 * and as copies elsewhere, so that the rotation of `--save_total_limit` takes nothing from it, and resuming, which looks beside it, never
 * goes on from it.
 */
import { moveIntoPlace } from '../io/wholeFolder.ts';
import { joinPath } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { checkpointName } from './checkpointFolder.ts';

export const ARCHIVE = 'archive';
const COPY_BYTES = 8 * 2 ** 20;

/** @param every 0 or below: none is archived */
export function isArchived(step: number, every: number): boolean {
  return every > 0 && step % every === 0;
}

/** @param step of a complete checkpoint of the run, which is replaced in the archive where it was there. @returns where it is kept */
export async function archiveCheckpoint(platform: Platform, outputDir: string, step: number): Promise<string> {
  const name = checkpointName(step);
  const kept = joinPath(outputDir, ARCHIVE, name);
  const unfinished = `${kept}.tmp`;
  await platform.remove(unfinished);
  await fill(platform, joinPath(outputDir, name), unfinished);
  await moveIntoPlace(platform, unfinished, kept, `${kept}.old`);
  return kept;
}

async function fill(platform: Platform, from: string, to: string): Promise<void> {
  await platform.makeDir(to);
  for (const name of await platform.listDir(from)) {
    const [source, target] = [joinPath(from, name), joinPath(to, name)];
    if (await platform.isDirectory(source)) await fill(platform, source, target);
    else await linkOrCopy(platform, source, target);
  }
}

async function linkOrCopy(platform: Platform, from: string, to: string): Promise<void> {
  try {
    if (platform.links?.makeHard !== undefined) return await platform.links.makeHard(from, to);
  } catch {
    // no hard links here (FAT, some network disks)
  }
  const source = await platform.openFile(from);
  try {
    const copy = await platform.createFile(to, { isPrivate: true });
    try {
      for (let at = 0; at < source.size; at += COPY_BYTES) await copy.write(await source.read(at, Math.min(COPY_BYTES, source.size - at)));
    } catch (error) {
      await copy.abort();
      throw error;
    }
    await copy.commit();
  } finally {
    await source.close();
  }
}
