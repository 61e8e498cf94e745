/**
 * The folder a program writes into: held against other processes while it works there, looked at before a run, and cleared when the run
 * begins. The last two are apart so that a start that fails, for whatever reason, leaves neither a new folder behind nor an earlier run
 * destroyed.
 */
import { withCleanUp } from '../io/cleanUp.ts';
import { firstPresent, isOwnOrEmpty, OWN_LOG, RESULT_FILES } from '../io/foreignFiles.ts';
import { whileHeld } from '../io/heldPlatform.ts';
import { clearTemporariesIn, temporaryName } from '../io/temporaryNames.ts';
import { missingFolders, removeEmpty } from '../io/wholeFolder.ts';
import { joinPath, UserError } from '../platform.ts';
import type { FileLock, Platform } from '../platform.ts';
import { LOG_FILE } from '../track/jsonl.ts';
import { ARCHIVE } from '../train/archive.ts';
import { listCheckpoints } from '../train/checkpointFolder.ts';
import { forgetReport } from './report/forget.ts';

/** Its lock, in the folder. */
export const LOCK = '.vernier.lock';

export interface FolderWork {
  platform: Platform;
  /** Ends the waiting for a folder of which it is not clear whether another program still works there. */
  stop?: AbortSignal;
  /** Says on whom it waits. */
  say?: (text: string) => void;
}

/** What the work is given: it must not write by another platform, since this one fails once the folder has become another program's. */
export interface HeldFolder {
  platform: Platform;
  /** Aborted with the caller's, and when the folder is lost. */
  stop: AbortSignal;
}

/**
 * Does `work` while this process, and no other, works in `dir`; the lock of a dead process is taken over, and what it left half-written
 * removed. Leaves no folder that `work` has left empty. Nothing is done when `stop` comes before the folder is ours.
 * @param flag that names the folder, for messages
 * @throws UserError where another process is seen to work there, or the folder cannot be written, or was lost to another while `work` went
 * on
 */
export async function inOutputFolder(
  { platform, stop, say }: FolderWork,
  dir: string,
  flag: string,
  work: (held: HeldFolder) => Promise<void>,
): Promise<void> {
  const missing = await missingFolders(platform, dir);
  const inLocked = async (lock: FileLock | undefined): Promise<void> => {
    if (stop?.aborted) return;
    await whileHeld(platform, lock, stop, async (held) => {
      await clearTemporariesIn(held.platform, dir);
      await work(held);
    });
  };
  await withCleanUp(
    async () => {
      const lock = await lockFolder({ platform, ...(stop && { stop }), ...(say && { say }) }, dir, flag);
      await withCleanUp(
        () => inLocked(lock),
        async () => lock?.release(),
      );
    },
    () => removeEmpty(platform, missing),
  );
}

async function lockFolder({ platform, stop, say }: FolderWork, dir: string, flag: string): Promise<FileLock | undefined> {
  const file = joinPath(dir, LOCK);
  let inUse: UserError | undefined;
  try {
    await platform.makeDir(dir);
    return await platform.lock?.(file, {
      signal: stop,
      onWait({ words, isAlive }) {
        if (!isAlive) {
          say?.(
            `${flag} ${dir} was in use by ${words}. Waiting to see whether that one still lives, which takes up to 90 s (Ctrl-C ends it).`,
          );
          return;
        }
        inUse = new UserError(
          `${flag} ${dir} is in use by ${words}. Two programs would write over each other's files there: wait for that one or stop it, ` +
            `or give another ${flag}.`,
        );
        throw inUse;
      },
    });
  } catch (error) {
    if (stop?.aborted && error !== inUse) return undefined;
    if (error === inUse || !(error instanceof UserError)) throw error;
    throw cannotWrite(flag, dir, error);
  }
}

function cannotWrite(flag: string, dir: string, cause: UserError): UserError {
  return new UserError(`${flag} ${dir} cannot be written. ${cause.message}`, { cause });
}

/**
 * Leaves no trace.
 * @throws UserError for a folder that cannot be written, holds another run, whose checkpoints would mix with the new ones, or a model that
 * somebody else put there
 */
export async function checkOutput(platform: Platform, dir: string, mayReplace: boolean): Promise<void> {
  const missing = await missingFolders(platform, dir);
  const probe = async (): Promise<void> => {
    const file = temporaryName(joinPath(dir, '.writable'));
    try {
      await platform.makeDir(dir);
      await platform.writeFile(file, '');
      await platform.remove(file);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw cannotWrite('--output_dir', dir, error);
    }
  };
  await withCleanUp(probe, () => removeEmpty(platform, missing));
  if (mayReplace) return;
  const last = (await listCheckpoints(platform, dir)).at(-1);
  if (last !== undefined)
    throw new UserError(`${dir} holds ${last.name} of an earlier run; give another --output_dir, or --overwrite true to replace it.`);
  // A run that was killed before its first checkpoint leaves a log and nothing else.
  const foreign = (await firstPresent(platform, dir, RESULT_FILES)) ?? ((await hasForeignLog(platform, dir)) ? LOG_FILE : undefined);
  if (foreign === undefined) return;
  throw new UserError(
    `${dir} holds ${foreign}, which this run did not write and would replace; give another --output_dir, or --overwrite true to replace ` +
      `it.`,
  );
}

async function hasForeignLog(platform: Platform, dir: string): Promise<boolean> {
  const log = joinPath(dir, LOG_FILE);
  return (await platform.exists(log)) && ((await platform.isDirectory(log)) || !(await isOwnOrEmpty(platform, log, OWN_LOG)));
}

const CHECKPOINT = /^checkpoint-\d+(\.tmp|\.old|\.superseded)?$/;

/** Removes the checkpoints, the log and the report of an earlier run; the result at the root stands until the new one takes its place. */
export async function clearOutput(platform: Platform, dir: string): Promise<void> {
  if (!(await platform.isDirectory(dir))) return;
  await forgetReport(platform, dir);
  // What a kill left half done and what a resume set aside too.
  const earlier = (await platform.listDir(dir)).filter((name) => CHECKPOINT.test(name));
  for (const name of earlier) await platform.remove(joinPath(dir, name));
  const archive = joinPath(dir, ARCHIVE);
  for (const name of (await platform.isDirectory(archive)) ? await platform.listDir(archive) : [])
    if (CHECKPOINT.test(name)) await platform.remove(joinPath(archive, name));
  if (earlier.length > 0) await platform.remove(joinPath(dir, LOG_FILE));
}
