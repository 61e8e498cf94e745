/**
 * A program as one rank of the job that its launcher has started, or by itself. Rank 0 speaks; the others are silent unless they fail, and
 * then wait a moment before they say so, since most faults are everybody's and rank 0 says those.
 */
import process from 'node:process';
import { EXIT } from '../../src/run/main.ts';
import type { Surroundings } from '../../src/run/main.ts';
import type { Terminal } from '../../src/track/console.ts';
import { sameEverywhere } from '../../src/world/agreement.ts';
import { placeOf } from '../../src/world/launcher.ts';
import type { Place } from '../../src/world/launcher.ts';
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
  let unsaid = '';
  const around: Surroundings = isFirst
    ? own
    : { ...own, stdout: SILENT, writeError: (text) => void (unsaid = (unsaid + text).slice(-UNSAID)) };
  const named = (text: string): string => {
    const words = job ? rankWords(job, place.rank) : `rank ${place.rank}`;
    return text.trimEnd().replaceAll(/^/gm, `${words}: `);
  };
  return {
    around,
    async inWorld({ reduce = 'library', mpi_library: library, mpi_timeout: silence }, work) {
      const { openMpiWorld } = await import('./mpiWorld.ts');
      job = await openMpiWorld(place, { library, reduce, silence, warn: (text) => own.writeError(`${named(text)}\n`) });
      await sameEverywhere(job, { version: version() });
      await work(job);
      await job.close();
      job = undefined;
    },
    async leave(code) {
      // A job that was closed has come to its end at every rank, whatever the code says of it.
      const isSaidByFirst = job === undefined && code === EXIT.usage; // the command line is everybody's
      if (code !== 0 && !isFirst && !isSaidByFirst && (job !== undefined || unsaid !== '')) {
        await new Promise((resolve) => setTimeout(resolve, OTHERS_WAIT_MS));
        own.writeError(`${named(unsaid === '' ? `ended with exit code ${code}` : unsaid)}\n`);
      }
      return job ? job.abort() : process.exit(code);
    },
  };
}

const SILENT: Terminal = { write: () => undefined, isTty: false, columns: 100 };
/** Characters kept of what a rank would have said. */
const UNSAID = 20_000;
