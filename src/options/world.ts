/** Options of a program that several ranks run together (node/mpi/README.md). */
import type { Definition } from './definition.ts';

/** Of every program that computes. It is no `adapter` there: `ask` and `evaluate` mean PEFT's by that. */
export const gpu_adapter = {
  group: 'Several GPUs',
  type: 'string',
  default: null,
  env: 'VERNIER_ADAPTER',
  help:
    'Compute on the GPU that has this in its name, as `vernier setup` shows it; several of the same name are not told apart. Unset: the ' +
    'one the system holds to be the fastest.',
} as const satisfies Definition;

export const worldOptions = {
  gpu_adapter: { ...gpu_adapter, aliases: ['adapter'] },
  reduce: {
    group: 'Several GPUs',
    type: 'enum',
    default: 'library',
    choices: ['library', 'ordered'],
    help:
      'With several ranks (mpirun, srun), how gradients are summed. library: MPI_Allreduce, in whatever order it and the network choose; ' +
      'ordered: in the order of the ranks, so that as many ranks give the same bits on any network.',
  },
  mpi_library: {
    group: 'Several GPUs',
    type: 'string',
    default: null,
    place: 'path',
    env: 'VERNIER_MPI_LIBRARY',
    help: 'The MPI library: a path, or a name that the dynamic linker finds. Unset: the one of the launcher (Open MPI, MPICH, or MPI 5).',
  },
  mpi_timeout: {
    group: 'Several GPUs',
    type: 'number',
    default: 40,
    min: 5,
    help: 'Seconds without a sign of life after which a rank counts as lost and the job ends, to be resumed.',
  },
} as const satisfies Record<string, Definition>;
