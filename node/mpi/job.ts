/**
 * A program as one rank of the job that its launcher has started, or by itself. Rank 0 speaks; the others are silent unless they fail, and
 * then wait a moment before they say so, since most faults are everybody's and rank 0 says those.
 */
import process from 'node:process';
import type { Surroundings } from '../../src/run/main.ts';
import { SILENT } from '../../src/track/console.ts';
import { sameEverywhere } from '../../src/world/agreement.ts';
import { placeOf } from '../../src/world/launcher.ts';
import type { Place } from '../../src/world/launcher.ts';
import { UserError } from '../../src/platform.ts';
import { ALONE, rankWords } from '../../src/world/world.ts';
import type { World } from '../../src/world/world.ts';
import { version } from '../version.ts';
import type { MpiJob } from './mpiWorld.ts';

export interface JobOptions {
  /** Of a program that sums gradients. Default: library. */
  reduce?: 'library' | 'ordered';
  mpi_library: string | null;
  mpi_timeout: number;
}

/** What a program of several ranks is run with. */
export interface Job {
  around: Surroundings;
  /** Does `work` when all ranks are there. @throws what `work` throws */
  inWorld(options: JobOptions, work: (world: World) => Promise<void>): Promise<void>;
  /** Ends the process with the program's exit code, and all other ranks with it where this one has failed. Does not return. */
  leave(code: number): Promise<never>;
}

/** Long enough for rank 0 to say the same, and to end the job with it. */
const OTHERS_WAIT_MS = 3000;
/** In which a launcher reads what was said last: MPICH's ends all at once when it is asked to, with or without that. */
const PASSED_ON_MS = 300;

/** @throws UserError where the launcher is one that cannot be served */
export function jobOf(own: Surroundings): Job {
  let place: Place | undefined;
  let fault: unknown;
  try {
    place = placeOf((name) => process.env[name]);
  } catch (error) {
    fault = error;
  }
  if (!place) {
    return {
      around: own,
      inWorld(_, work) {
        if (fault !== undefined) throw fault as Error;
        return work(ALONE);
      },
      leave: (code) => process.exit(code),
    };
  }
  const isFirst = place.rank === 0;
  let job: MpiJob | undefined;
  let state: 'apart' | 'joining' | 'joined' | 'closed' = 'apart';
  let unsaid = '';
  const around: Surroundings = {
    ...own,
    ...(!isFirst && { stdout: SILENT, writeError: (text) => void (unsaid = (unsaid + text).slice(-UNSAID)) }),
    onInterrupt: (act) => onLauncherSignal(act, own.onInterrupt(act)),
  };
  const isJoining = (): boolean => state === 'joining';
  const named = (text: string): string => {
    const words = job ? rankWords(job, place.rank) : `rank ${place.rank}`;
    return text.trimEnd().replaceAll(/^/gm, `${words}: `);
  };
  const join = async ({ reduce = 'library', mpi_library: library, mpi_timeout: silence }: JobOptions): Promise<MpiJob> => {
    state = 'joining';
    const { openMpiWorld } = await import('./mpiWorld.ts');
    job = await openMpiWorld(place, { library, reduce, silence, warn: (text) => own.writeError(`${named(text)}\n`) });
    state = 'joined';
    return job;
  };
  const close = async (joined: MpiJob): Promise<void> => {
    await joined.close();
    job = undefined;
    state = 'closed';
  };
  /** A thread of this process may be in MPI_Init for good, and the others wait there: a signal ends all, with any launcher. */
  const endBySignal = (): Promise<never> => {
    own.endBy('SIGTERM');
    return new Promise(() => undefined);
  };
  /** A launcher ends all at the first exit code that is not 0, and the first rank may still have the last word. */
  const exit = async (code: number): Promise<never> => {
    if (code !== 0 && !isFirst) await new Promise((resolve) => setTimeout(resolve, OTHERS_WAIT_MS / 2));
    return process.exit(code);
  };
  // Before it is told what has been thrown where nobody waits for it, which ends the process.
  process.prependListener('uncaughtException', () => own.writeError(`${named('has failed')}\n`));
  return {
    around,
    async inWorld(options, work) {
      const joined = await join(options);
      if (isFirst && joined.bound !== undefined) own.writeError(`Warning: ${joined.bound}\n`);
      const faults = await joined.gather<string | null>(null);
      const failed = faults.flatMap((fault, rank) => (fault === null ? [] : `${rankWords(joined, rank)}: ${fault.trim()}`));
      if (failed.length > 0) {
        await close(joined);
        throw new UserError(`Not all ranks can begin.\n${failed.join('\n')}`);
      }
      await sameEverywhere(joined, { version: version() });
      await work(joined);
      await close(joined);
    },
    async leave(code) {
      if (code !== 0 && state === 'apart') {
        // The others wait for this one, within a library that would wait for ever.
        try {
          const joined = await join(UNASKED);
          await joined.gather(unsaid);
          await close(joined);
        } catch {
          // What was wrong has been said; that there is no way to the others is another matter.
        }
        return isJoining() ? endBySignal() : exit(code);
      }
      // A job that was closed has come to its end at every rank, and the first has said to which.
      if (code !== 0 && !isFirst && state !== 'closed') {
        await new Promise((resolve) => setTimeout(resolve, OTHERS_WAIT_MS));
        own.writeError(`${named(unsaid === '' ? `ended with exit code ${code}` : unsaid)}\n`);
      }
      if (isJoining()) return endBySignal();
      if (!job) return exit(code);
      await new Promise((resolve) => setTimeout(resolve, PASSED_ON_MS));
      return job.abort();
    },
  };
}

/**
 * `mpirun` hands SIGUSR2 on to its ranks, and goes on waiting for them; of Ctrl-C and SIGTERM Open MPI's makes an end within a second, in
 * which nothing large is saved (node/mpi/README.md).
 */
function onLauncherSignal(act: (signal: 'SIGTERM') => void, off: () => void): () => void {
  const asked = (): void => act('SIGTERM');
  process.once('SIGUSR2', asked);
  return () => {
    process.off('SIGUSR2', asked);
    off();
  };
}

/** Of a rank whose command line could not be read. */
const UNASKED: JobOptions = { mpi_library: null, mpi_timeout: 40 };

/** Characters kept of what a rank would have said. */
const UNSAID = 20_000;
