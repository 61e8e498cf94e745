/** Folders that appear whole or not at all: written under another name beside their own and renamed when complete. */
import { parentPath, type Platform } from '../platform.ts';

/**
 * Writes a folder with `fill`, which is given the path to write to, and moves it to `path`; what is there gives way only then. When anything fails,
 * nothing is left of the attempt, the folders above `path` that it had to make included.
 */
export async function writeWholeFolder(platform: Platform, path: string, fill: (unfinished: string) => Promise<void>): Promise<void> {
  const dir = path.replace(/(?<=.)\/+$/, '');
  const unfinished = `${dir}.unfinished`;
  const made = await missingFolders(platform, parentPath(dir));
  try {
    await platform.remove(unfinished); // left by a run that was killed
    await platform.makeDir(unfinished);
    await fill(unfinished);
    await moveIntoPlace(platform, unfinished, dir, `${dir}.replaced`);
  } catch (error) {
    await platform.remove(unfinished).catch(() => undefined); // the first error is the one to report
    await removeEmpty(platform, made).catch(() => undefined);
    throw error;
  }
}

/** A folder cannot be renamed onto another, so one that is there steps aside first and comes back if the rename fails. */
export async function moveIntoPlace(platform: Platform, from: string, to: string, aside: string): Promise<void> {
  if (!(await platform.exists(to))) {
    await platform.rename(from, to);
    return;
  }
  if (await platform.exists(aside)) await platform.remove(aside);
  await platform.rename(to, aside);
  try {
    await platform.rename(from, to);
  } catch (error) {
    await platform.rename(aside, to);
    throw error;
  }
  await platform.remove(aside);
}

/** `dir` and the folders above it that do not exist, the innermost first. */
export async function missingFolders(platform: Platform, dir: string): Promise<string[]> {
  const missing: string[] = [];
  let at = dir;
  while (!(await platform.exists(at))) {
    missing.push(at);
    const above = parentPath(at);
    if (above === at) break;
    at = above;
  }
  return missing;
}

/** Removes those of `folders` that are empty: something else may have begun in them since. */
export async function removeEmpty(platform: Platform, folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    if ((await platform.isDirectory(folder)) && (await platform.listDir(folder)).length === 0) await platform.remove(folder);
  }
}
