/** Ranks on a test's machine: what `mpirun` of Open MPI refuses, warns of or stumbles over there unless told. */
import process from 'node:process';

/** As root, more ranks than cores, and without the copies between processes that a container may forbid; no model is downloaded. */
export const RANKS_ENV = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  OMPI_MCA_btl_vader_single_copy_mechanism: 'none',
  HF_HUB_OFFLINE: '1',
};

/** Of `mpirun.openmpi` or `mpirun.mpich`. */
export const ranksEnv = (more = {}) => ({ ...process.env, ...RANKS_ENV, ...more });
