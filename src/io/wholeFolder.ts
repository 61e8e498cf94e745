/** Folders that appear whole or not at all: written under another name beside their own and renamed when complete. */
import { parentPath, UserError, type Platform } from '../platform.ts';
import { withCleanUp } from './cleanUp.ts';
import { whileHeld } from './heldPlatform.ts';
import { clearTemporariesOf, temporariesOf, temporaryName } from './temporaryNames.ts';

/**
 * Writes a folder with `fill`, which is given the path to write to and the platform to write with, and moves it to `path`; what is there
 * gives way only then. When anything fails, nothing is left of the attempt, the folders above `path` that it had to make included. What a
 * killed attempt has left is cleared away.
 * @throws UserError where another process is writing the same folder
 */
export async function writeWholeFolder(
  platform: Platform,
  path: string,
  fill: (unfinished: string, held: Platform) => Promise<void>,
  { stop, say }: { stop?: AbortSignal | undefined; say?: ((text: string) => void) | undefined } = {},
): Promise<void> {
  const dir = path.replace(/(?<=.)\/+$/, '');
  const made = await missingFolders(platform, parentPath(dir));
  try {
    await platform.makeDir(parentPath(dir));
    const lock = await platform.lock?.(`${dir}.lock`, {
      signal: stop,
      onWait({ words, isAlive }) {
        if (isAlive) throw new UserError(`${dir} is being written by ${words}. Wait for that one or stop it, or give another folder.`);
        say?.(
          `${dir} was being written by ${words}. Waiting to see whether that one still lives, which takes up to 90 s (Ctrl-C ends it).`,
        );
      },
    });
    const write = (): Promise<void> =>
      whileHeld(platform, lock, stop, (held) => writeAlone(held.platform, dir, (unfinished) => fill(unfinished, held.platform)));
    await withCleanUp(write, async () => lock?.release());
  } catch (error) {
    await removeEmpty(platform, made).catch(() => undefined); // the first error is the one to report
    throw error;
  }
}

async function writeAlone(platform: Platform, dir: string, fill: (unfinished: string) => Promise<void>): Promise<void> {
  await clearAttempts(platform, dir);
  const unfinished = temporaryName(dir);
  try {
    await platform.makeDir(unfinished);
    await fill(unfinished);
    await moveIntoPlace(platform, unfinished, dir, temporaryName(`${dir}${REPLACED}`));
  } catch (error) {
    await platform.remove(unfinished).catch(() => undefined); // the first error is the one to report
    throw error;
  }
}

/** Ends, before the random part, the name of a folder that has stepped aside. */
const REPLACED = '.replaced';

/** A folder that had stepped aside when its successor's process was killed comes back, unless the successor is in its place. */
async function clearAttempts(platform: Platform, dir: string): Promise<void> {
  const aside = (await temporariesOf(platform, `${dir}${REPLACED}`))[0];
  if (aside !== undefined && !(await platform.exists(dir))) await platform.rename(aside, dir);
  await clearTemporariesOf(platform, `${dir}${REPLACED}`);
  await clearTemporariesOf(platform, dir);
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
