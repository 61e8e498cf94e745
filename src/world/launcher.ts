/**
 * Who started this process, and as which of how many: read from the environment, before any MPI library is loaded. The variables are those
 * of Open MPI (mpirun), MPICH and Intel MPI (Hydra, PMI), PMIx, Slurm's srun, and torchrun's or accelerate's, which start no MPI job.
 */
import { UserError } from '../platform.ts';

type Env = (name: string) => string | undefined;

export type Launcher = 'Open MPI' | 'PMI' | 'PMIx' | 'Slurm';

/** One process of a job. */
export interface Place {
  launcher: Launcher;
  /** From 0. */
  rank: number;
  /** Undefined where the launcher does not say, as PMIx; MPI will. */
  size: number | undefined;
}

/**
 * Undefined for a process that was started by itself.
 * @throws UserError for one of torchrun's or accelerate's, which knows of the others and has no way to reach them
 */
export function placeOf(env: Env): Place | undefined {
  const number = (name: string): number | undefined => {
    const text = env(name);
    return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
  };
  const found = (launcher: Launcher, rank: string, size: string): Place | undefined => {
    const own = number(rank);
    return own === undefined ? undefined : { launcher, rank: own, size: number(size) };
  };
  const place =
    found('Open MPI', 'OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE') ??
    found('PMI', 'PMI_RANK', 'PMI_SIZE') ??
    // A batch script has SLURM_PROCID too; a step's tasks alone have the step's number.
    (env('SLURM_STEP_ID') === undefined ? undefined : found('Slurm', 'SLURM_PROCID', 'SLURM_STEP_NUM_TASKS')) ??
    found('PMIx', 'PMIX_RANK', '');
  if (place) return place.size === 1 ? undefined : place;
  const others = number('WORLD_SIZE') ?? 1;
  if (others <= 1) return undefined;
  throw new UserError(
    `WORLD_SIZE is ${others}: torchrun or accelerate has started ${others} of these, and each would train the whole run by itself. Start ` +
      `them with MPI: mpirun -n ${others} node dist/train.js …, or srun; node/mpi/README.md says how. For one process, unset WORLD_SIZE.`,
  );
}

/** Of processes that were started together and do not see each other. @param version of the library @param size as it sees it */
export function strangers(place: Place, version: string, size: number): UserError {
  return new UserError(
    `${place.launcher} started ${place.size ?? 'several'} processes, and ${version} sees ${size}: the library is not that of the ` +
      "launcher. Use the mpirun of that library, name the launcher's own (--mpi_library PATH), or give srun its plugin (--mpi=pmix or " +
      '--mpi=pmi2; srun --mpi=list shows them).',
  );
}
