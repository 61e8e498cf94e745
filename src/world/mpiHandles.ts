/**
 * What MPI libraries are called, and what a handle is in each: Open MPI's are addresses of symbols that it exports, MPICH's integers, those
 * of the standard ABI small numbers (MPI 5.0, chapter 20; mpi-forum/mpi-abi-stubs, mpi.h).
 */
import type { Launcher } from './launcher.ts';

export type Handle = number | bigint;
export type Abi = 'Open MPI' | 'MPICH' | 'MPI 5';

export interface Handles {
  world: Handle;
  float: Handle;
  byte: Handle;
  sum: Handle;
  errorsReturn: Handle;
  inPlace: number;
  threadMultiple: number;
  threadSerialized: number;
}

const OF_MPICH: Handles = {
  world: 0x44000000,
  float: 0x4c00040a,
  byte: 0x4c00010d,
  sum: 0x58000003,
  errorsReturn: 0x54000001,
  inPlace: -1,
  threadMultiple: 3,
  threadSerialized: 2,
};

const OF_STANDARD: Handles = {
  world: 0x101,
  float: 0x210,
  byte: 0x247,
  sum: 0x21,
  errorsReturn: 0x143,
  inPlace: 1,
  threadMultiple: 4096,
  threadSerialized: 2048,
};

/** @param address of a symbol that the library exports */
export function handlesOf(abi: Abi, address: (symbol: string) => bigint): Handles {
  if (abi === 'MPICH') return OF_MPICH;
  if (abi === 'MPI 5') return OF_STANDARD;
  return {
    world: address('ompi_mpi_comm_world'),
    float: address('ompi_mpi_float'),
    byte: address('ompi_mpi_byte'),
    sum: address('ompi_mpi_op_sum'),
    errorsReturn: address('ompi_mpi_errors_return'),
    inPlace: 1,
    threadMultiple: 3,
    threadSerialized: 2,
  };
}

/** The first line of what a library says of itself: "MPICH 5.0.2", "Open MPI v4.1.4, package: …". */
export function versionWords(text: string): string {
  return text
    .split(/[\n\0]/)[0]!
    .replace(' Version:', '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** Where nothing is named: by launcher, since a library waits in vain for another's launcher. */
const NAMES: Readonly<Record<Abi, readonly string[]>> = {
  'MPI 5': ['libmpi_abi.so.1', 'libmpi_abi.so', 'libmpi_abi.1.dylib'],
  'Open MPI': ['libmpi.so.40', 'libmpi.so', 'libmpi.40.dylib'],
  MPICH: ['libmpich.so.12', 'libmpi.so.12', 'libmpich.so', 'libmpi.12.dylib'],
};

export function namesFor(launcher: Launcher): string[] {
  const order: readonly Abi[] =
    launcher === 'Open MPI' ? ['Open MPI', 'MPI 5'] : launcher === 'PMI' ? ['MPICH', 'MPI 5'] : ['Open MPI', 'MPICH', 'MPI 5'];
  return order.flatMap((abi) => NAMES[abi]);
}
