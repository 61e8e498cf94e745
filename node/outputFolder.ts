/**
 * The folder a run writes into, looked at before the run and cleared when it begins. The two are apart so that a start that fails, for whatever
 * reason, leaves neither a new folder behind nor an earlier run destroyed.
 */
import { missingFolders, removeEmpty } from '../src/io/wholeFolder.ts';
import { joinPath, UserError } from '../src/platform.ts';
import type { Platform } from '../src/platform.ts';
import { listCheckpoints } from '../src/train/checkpointFolder.ts';

/** @throws UserError for a folder that cannot be written, or holds another run: its checkpoints would mix with the new ones. Leaves no trace. */
export async function checkOutput(platform: Platform, dir: string, mayReplace: boolean): Promise<void> {
  const missing = await missingFolders(platform, dir);
  try {
    const probe = joinPath(dir, `.writable-${Date.now()}`);
    await platform.makeDir(dir);
    await platform.writeFile(probe, '');
    await platform.remove(probe);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`--lora_checkpoint_dir ${dir} cannot be written. ${error.message}`, { cause: error });
  } finally {
    await removeEmpty(platform, missing);
  }
  const last = (await listCheckpoints(platform, dir)).at(-1);
  if (last === undefined || mayReplace) return;
  throw new UserError(`${dir} holds ${last.name} of an earlier run; give another --lora_checkpoint_dir, or --overwrite true to replace it.`);
}

/** Removes the checkpoints and the log of an earlier run; the result at the root stands until the new one takes its place. */
export async function clearOutput(platform: Platform, dir: string): Promise<void> {
  if (!(await platform.isDirectory(dir))) return;
  // What a kill left half done and what a resume set aside too.
  const earlier = (await platform.listDir(dir)).filter((name) => /^checkpoint-\d+(\.tmp|\.old|\.superseded)?$/.test(name));
  for (const name of earlier) await platform.remove(joinPath(dir, name));
  if (earlier.length > 0) await platform.remove(joinPath(dir, 'trainer_log.jsonl'));
}
