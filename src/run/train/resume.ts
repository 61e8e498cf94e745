/**
 * `--resume_from_checkpoint true|PATH` to the checkpoint that a run goes on from, looked at (every file against its checksum) before the
 * GPU is opened.
 */
import { joinPath, lastName, parentPath, UserError } from '../../platform.ts';
import { listCheckpoints, tidyRunFolder } from '../../train/checkpointFolder.ts';
import { newestCheckpoint, openCheckpoint, setLaterAside } from '../../train/resume.ts';
import type { OpenCheckpoint } from '../../train/resume.ts';
import { ALONE, fromFirst, rankWords } from '../../world/world.ts';
import type { RunContext } from '../context.ts';

export interface Resume {
  /** Absent: the run was interrupted before its first checkpoint and begins again. */
  checkpoint?: OpenCheckpoint;
  /** The run goes on in its own folder. */
  isInPlace: boolean;
}

/** Undefined without `--resume_from_checkpoint`. @throws UserError where nothing can be resumed */
export async function findResume(context: RunContext): Promise<Resume | undefined> {
  const { platform, options, world = ALONE } = context;
  if (options.resume_from_checkpoint === 'false') return undefined;
  if (world.size === 1) return lookForResume(context);
  // The first rank tidies the folder and chooses; the others open what it has chosen.
  const own = world.rank === 0 ? await lookForResume(context) : undefined;
  const chosen = await fromFirst(world, own && { isInPlace: own.isInPlace, dir: own.checkpoint?.dir });
  if (world.rank === 0 || chosen === undefined) return own;
  const { isInPlace, dir } = chosen;
  if (dir === undefined) return { isInPlace };
  if (!(await platform.isDirectory(dir))) {
    throw new UserError(
      `${rankWords(world, world.rank)} does not see ${dir}, from which ${rankWords(world, 0)} goes on: the folder of a run must lie on a ` +
        'file system that all hosts share, or be copied to each before it is resumed.',
    );
  }
  return { isInPlace, checkpoint: await openCheckpoint(platform, dir) };
}

async function lookForResume({ platform, options, say, warn }: RunContext): Promise<Resume | undefined> {
  const { resume_from_checkpoint: word, output_dir: out } = options;
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
