/**
 * The folder a program writes into: held against other processes while it works there, looked at before a run, and cleared when the run begins. The last
 * two are apart so that a start that fails, for whatever reason, leaves neither a new folder behind nor an earlier run destroyed.
 */
import { firstPresent, isOwnOrEmpty, OWN_LOG, RESULT_FILES } from '../src/io/foreignFiles.ts';
import { missingFolders, removeEmpty } from '../src/io/wholeFolder.ts';
import { joinPath, UserError } from '../src/platform.ts';
import type { Platform } from '../src/platform.ts';
import { listCheckpoints } from '../src/train/checkpointFolder.ts';

const LOCK = '.vernier.lock';
const LOG = 'trainer_log.jsonl';

/**
 * Does `work` while this process, and no other, works in `dir`; the lock of a killed process is taken over. Leaves no folder that `work` has left empty.
 * @param flag that names the folder, for messages
 * @throws UserError at once where another process works there, or the folder cannot be written
 */
export async function inOutputFolder<T>(platform: Platform, dir: string, flag: string, work: () => Promise<T>): Promise<T> {
  const missing = await missingFolders(platform, dir);
  try {
    const release = await lockFolder(platform, dir, flag);
    try {
      return await work();
    } finally {
      await release?.();
    }
  } finally {
    await removeEmpty(platform, missing);
  }
}

async function lockFolder(platform: Platform, dir: string, flag: string): Promise<(() => Promise<void>) | undefined> {
  const file = joinPath(dir, LOCK);
  let inUse: UserError | undefined;
  try {
    await platform.makeDir(dir);
    return await platform.native?.lock(file, {
      onWait(owner) {
        inUse = new UserError(
          `${flag} ${dir} is in use by ${owner}. Two programs would write over each other's files there: wait for that one or stop it, or give another ${flag}. ` +
            `(If it is of another machine and gone, its lock ${file} lapses within a minute.)`,
        );
        throw inUse;
      },
    });
  } catch (error) {
    if (error === inUse || !(error instanceof UserError)) throw error;
    throw cannotWrite(flag, dir, error);
  }
}

function cannotWrite(flag: string, dir: string, cause: UserError): UserError {
  return new UserError(`${flag} ${dir} cannot be written. ${cause.message}`, { cause });
}

/**
 * Leaves no trace.
 * @throws UserError for a folder that cannot be written, holds another run, whose checkpoints would mix with the new ones, or a model that somebody else put there
 */
export async function checkOutput(platform: Platform, dir: string, mayReplace: boolean): Promise<void> {
  const missing = await missingFolders(platform, dir);
  try {
    const probe = joinPath(dir, `.writable-${Date.now()}`);
    await platform.makeDir(dir);
    await platform.writeFile(probe, '');
    await platform.remove(probe);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw cannotWrite('--lora_checkpoint_dir', dir, error);
  } finally {
    await removeEmpty(platform, missing);
  }
  if (mayReplace) return;
  const last = (await listCheckpoints(platform, dir)).at(-1);
  if (last !== undefined) throw new UserError(`${dir} holds ${last.name} of an earlier run; give another --lora_checkpoint_dir, or --overwrite true to replace it.`);
  // A run that was killed before its first checkpoint leaves a log and nothing else.
  const foreign = (await firstPresent(platform, dir, RESULT_FILES)) ?? ((await hasForeignLog(platform, dir)) ? LOG : undefined);
  if (foreign === undefined) return;
  throw new UserError(
    `${dir} holds ${foreign}, which this run did not write and would replace; give another --lora_checkpoint_dir, or --overwrite true to replace it.`,
  );
}

async function hasForeignLog(platform: Platform, dir: string): Promise<boolean> {
  const log = joinPath(dir, LOG);
  return (await platform.exists(log)) && ((await platform.isDirectory(log)) || !(await isOwnOrEmpty(platform, log, OWN_LOG)));
}

/** Removes the checkpoints and the log of an earlier run; the result at the root stands until the new one takes its place. */
export async function clearOutput(platform: Platform, dir: string): Promise<void> {
  if (!(await platform.isDirectory(dir))) return;
  // What a kill left half done and what a resume set aside too.
  const earlier = (await platform.listDir(dir)).filter((name) => /^checkpoint-\d+(\.tmp|\.old|\.superseded)?$/.test(name));
  for (const name of earlier) await platform.remove(joinPath(dir, name));
  if (earlier.length > 0) await platform.remove(joinPath(dir, LOG));
}
