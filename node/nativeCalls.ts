import type koffi from 'koffi';

let opened: Promise<typeof koffi> | undefined;

/**
 * The optional package koffi, which calls functions of C libraries; rejects where it is not installed. Calls on other threads have 128 KiB
 * of stack unless told before the first library, and an MPI_Allreduce of MPICH 4.0 runs past that.
 */
export function nativeCalls(): Promise<typeof koffi> {
  opened ??= import('koffi').then(({ default: native }) => (native.config({ async_stack_size: 2 ** 23 }), native));
  return opened;
}
