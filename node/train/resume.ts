/** `--resume_from_checkpoint true|PATH` to the checkpoint that a run goes on from, looked at (every file against its checksum) before the GPU is opened. */
import * as path from 'node:path';
import process from 'node:process';
import { joinPath, UserError } from '../../src/platform.ts';
import { printable } from '../../src/track/printable.ts';
import { redact } from '../../src/track/secrets.ts';
import { listCheckpoints, tidyRunFolder } from '../../src/train/checkpointFolder.ts';
import { newestCheckpoint, openCheckpoint, setLaterAside } from '../../src/train/resume.ts';
import type { OpenCheckpoint } from '../../src/train/resume.ts';
import type { RunContext } from '../../src/run/context.ts';

export interface Resume {
  /** Absent: the run was interrupted before its first checkpoint and begins again. */
  checkpoint?: OpenCheckpoint;
  /** The run goes on in its own folder. */
  isInPlace: boolean;
}

/** On stderr, whatever `--report_to` says: that a checkpoint is damaged must not be missed. */
function warn(text: string): void {
  process.stderr.write(printable(redact(`Warning: ${text}\n`)));
}

/** Undefined without `--resume_from_checkpoint`. @throws UserError where nothing can be resumed */
export async function findResume({ platform, options, say }: RunContext): Promise<Resume | undefined> {
  const { resume_from_checkpoint: word, output_dir: out } = options;
  if (word === 'false') return undefined;
  const isOut = (dir: string): boolean => path.resolve(dir) === path.resolve(out);
  if (word === 'true' || isOut(word)) {
    await tidyRunFolder(platform, out);
    const checkpoint = await newestCheckpoint(platform, out, warn);
    if (checkpoint) return { checkpoint, isInPlace: true };
    say(`--resume_from_checkpoint: there is no checkpoint in ${out} yet; the run begins at its first step.`);
    return { isInPlace: true };
  }
  if (!(await platform.isDirectory(word))) throw new UserError(`--resume_from_checkpoint ${word}: there is no such folder. Give true, false, or a checkpoint folder.`);
  const parent = path.dirname(path.resolve(word));
  const isInPlace = isOut(parent) && /^checkpoint-\d+$/.test(path.basename(word));
  if (isInPlace) {
    await tidyRunFolder(platform, out);
    return { checkpoint: await openNamed(joinPath(out, path.basename(word))), isInPlace };
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
      const others = (await listCheckpoints(platform, parent)).map(({ name }) => name).filter((name) => name !== path.basename(dir));
      throw new UserError(`--resume_from_checkpoint: ${error.message}${others.length === 0 ? '' : ` Beside it are ${others.join(', ')}.`}`, { cause: error });
    }
  }
}

/** When the run begins in its own folder: checkpoints of later steps are renamed, which is told. */
export async function beginInPlace({ platform, options }: RunContext, { checkpoint }: Resume): Promise<void> {
  const moved = await setLaterAside(platform, options.output_dir, checkpoint?.step ?? 0);
  if (moved.length > 0) warn(`the run goes on from step ${checkpoint?.step ?? 0}; later checkpoints are set aside and may be removed: ${moved.join(', ')}`);
}
