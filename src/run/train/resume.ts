/**
 * `--resume_from_checkpoint true|PATH` to the checkpoint that a run goes on from, looked at (every file against its checksum) before the
 * GPU is opened.
 */
import { joinPath, lastName, parentPath, UserError } from '../../platform.ts';
import { listCheckpoints, tidyRunFolder } from '../../train/checkpointFolder.ts';
import { newestCheckpoint, openCheckpoint, setLaterAside } from '../../train/resume.ts';
import type { OpenCheckpoint } from '../../train/resume.ts';
import type { RunContext } from '../context.ts';

export interface Resume {
  /** Absent: the run was interrupted before its first checkpoint and begins again. */
  checkpoint?: OpenCheckpoint;
  /** The run goes on in its own folder. */
  isInPlace: boolean;
}

/** Undefined without `--resume_from_checkpoint`. @throws UserError where nothing can be resumed */
export async function findResume({ platform, options, say, warn }: RunContext): Promise<Resume | undefined> {
  const { resume_from_checkpoint: word, output_dir: out } = options;
  if (word === 'false') return undefined;
  const isOut = (dir: string): boolean => platform.absolutePath(dir) === platform.absolutePath(out);
  if (word === 'true' || isOut(word)) {
    await tidyRunFolder(platform, out);
    const checkpoint = await newestCheckpoint(platform, out, warn);
    if (checkpoint) return { checkpoint, isInPlace: true };
    say(`--resume_from_checkpoint: there is no checkpoint in ${out} yet; the run begins at its first step.`);
    return { isInPlace: true };
  }
  if (!(await platform.isDirectory(word)))
    throw new UserError(`--resume_from_checkpoint ${word}: there is no such folder. Give true, false, or a checkpoint folder.`);
  const parent = parentPath(platform.absolutePath(word));
  const isInPlace = isOut(parent) && /^checkpoint-\d+$/.test(lastName(word));
  if (isInPlace) {
    await tidyRunFolder(platform, out);
    return { checkpoint: await openNamed(joinPath(out, lastName(word))), isInPlace };
  }
  const runs = await listCheckpoints(platform, word);
  const checkpoint = runs.length > 0 ? await newestCheckpoint(platform, word, warn) : await openNamed(word.replace(/(?<=.)\/+$/, ''));
  return { ...(checkpoint && { checkpoint }), isInPlace: false };

  /** A checkpoint that was asked for by name is not replaced by another; the message names those beside it. */
  async function openNamed(dir: string): Promise<OpenCheckpoint> {
    try {
      return await openCheckpoint(platform, dir);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const others = (await listCheckpoints(platform, parent)).map(({ name }) => name).filter((name) => name !== lastName(dir));
      throw new UserError(
        `--resume_from_checkpoint: ${error.message}${others.length === 0 ? '' : ` Beside it are ${others.join(', ')}.`}`,
        { cause: error },
      );
    }
  }
}

/** When the run begins in its own folder: checkpoints of later steps are renamed, which is told. */
export async function beginInPlace({ platform, options, warn }: RunContext, { checkpoint }: Resume): Promise<void> {
  const moved = await setLaterAside(platform, options.output_dir, checkpoint?.step ?? 0);
  if (moved.length > 0)
    warn(`the run goes on from step ${checkpoint?.step ?? 0}; later checkpoints are set aside and may be removed: ${moved.join(', ')}`);
}
