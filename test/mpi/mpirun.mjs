/** Ranks on a test's machine: what `mpirun` of Open MPI, 4 to 6, refuses, warns of or stumbles over there unless told. */
import process from 'node:process';

/** As root, and without the copies between processes that a container may forbid; no model is downloaded. */
export const RANKS_ENV = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_btl_vader_single_copy_mechanism: 'none',
  HF_HUB_OFFLINE: '1',
};

/** More ranks than cores, and none bound to one core with all its threads, as each of two would be. */
export const MPIRUN = { openmpi: ['mpirun.openmpi', '--oversubscribe', '--bind-to', 'none'], mpich: ['mpirun.mpich'] };

/** Of `mpirun.openmpi` or `mpirun.mpich`. */
export const ranksEnv = (more = {}) => ({ ...process.env, ...RANKS_ENV, ...more });
