/**
 * The MPI library, found and called through koffi: Open MPI, MPICH (and what has its ABI: Intel MPI, MVAPICH, Cray), or the standard ABI of
 * MPI 5. Nothing else of MPI is called than what is here.
 */
import process from 'node:process';
import { errorWords } from '../../src/io/errorWords.ts';
import { UserError } from '../../src/platform.ts';
import { strangers } from '../../src/world/launcher.ts';
import type { Place } from '../../src/world/launcher.ts';
import { handlesOf, namesFor, versionWords } from '../../src/world/mpiHandles.ts';
import type { Abi, Handle, Handles } from '../../src/world/mpiHandles.ts';
import { nativeCalls } from '../nativeCalls.ts';

/** Memory that stays where it is: V8 may keep what is small on its own heap, and move it under a call that is not done. */
export function memory(bytes: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(bytes));
}

/** Whether what a request stands for is done. A fault of it counts as not done: its collective, or the heartbeat, tells of the rank. */
export function isDone(mpi: Mpi, request: Uint8Array): boolean {
  const flag: [number] = [0];
  mpi.test(request, flag, memory(64));
  return flag[0] !== 0;
}

type Call<Args extends unknown[]> = ((...args: Args) => number) & {
  async: (...args: [...Args, (error: Error | null, code: number) => void]) => void;
};
type Bytes = Uint8Array | Float32Array | Int32Array;

/** The calls, with counts in elements. Requests, and handles that are made, are 8 bytes of memory. */
export interface Mpi {
  abi: Abi;
  /** The library's own words for itself. */
  version: string;
  handles: Handles;
  initThread: Call<[null, null, number, [number]]>;
  commRank: Call<[Handle, [number]]>;
  commSize: Call<[Handle, [number]]>;
  commDup: Call<[Handle, Uint8Array]>;
  commSetErrhandler: Call<[Handle, Handle]>;
  errorString: Call<[number, Uint8Array, [number]]>;
  iallgather: Call<[Bytes, number, Handle, Bytes, number, Handle, Handle, Uint8Array]>;
  iallgatherv: Call<[Bytes, number, Handle, Bytes, Int32Array, Int32Array, Handle, Handle, Uint8Array]>;
  test: Call<[Uint8Array, [number], Uint8Array]>;
  allreduce: Call<[number, Bytes, number, Handle, Handle, Handle]>;
  alltoall: Call<[Bytes, number, Handle, Bytes, number, Handle, Handle]>;
  allgather: Call<[Bytes, number, Handle, Bytes, number, Handle, Handle]>;
  isend: Call<[Bytes, number, Handle, number, number, Handle, Uint8Array]>;
  irecv: Call<[Bytes, number, Handle, number, number, Handle, Uint8Array]>;
  abort: Call<[Handle, number]>;
  finalize: Call<[]>;
  /** Of libc: ends the process whatever its threads do. */
  exit: Call<[number]>;
  /** A handle that was made, from the memory that a call has put it into. */
  made(memory: Uint8Array): Handle;
}

/**
 * UCX, on which Debian's MPICH is built, would watch the allocations of the whole process by patching libc under V8's threads (once in
 * some thirty starts a part of node's own heap was gone then), and take SIGSEGV, by which V8 knows what WebAssembly may not touch. It
 * needs the first for memory that is registered with a network card again and again, which ours is not.
 */
const UCX: Readonly<Record<string, string>> = { UCX_MEM_EVENTS: 'n', UCX_ERROR_SIGNALS: 'SIGILL,SIGBUS,SIGFPE' };

/**
 * @param named `--mpi_library`: a path, or a name that the dynamic linker finds
 * @throws UserError where there is none, or koffi is not installed
 */
export async function loadMpi(named: string | null, place: Place): Promise<Mpi> {
  const { launcher } = place;
  const koffi = await nativeCalls().catch((error: unknown) => {
    throw new UserError('Several ranks need the optional package koffi, which is not installed: npm install koffi.', { cause: error });
  });
  for (const [variable, value] of Object.entries(UCX)) process.env[variable] ??= value;
  const tried = named === null ? namesFor(launcher) : [named];
  const found = tried.flatMap((name) => {
    try {
      return { name, library: koffi.load(name) };
    } catch (error) {
      if (named !== null) throw new UserError(`--mpi_library ${named} cannot be loaded: ${errorWords(error)}`, { cause: error });
      return [];
    }
  })[0];
  if (!found) {
    throw new UserError(
      `${launcher} started this process as one of several, and there is no MPI library (${tried.join(', ')}). Install the launcher's own ` +
        '(Debian: openmpi-bin brings that of mpirun.openmpi, mpich that of mpirun.mpich), or name it: --mpi_library PATH.',
    );
  }
  const { name, library } = found;
  const has = (symbol: string): boolean => {
    try {
      library.symbol(symbol, 'char');
      return true;
    } catch {
      return false;
    }
  };
  if (!has('MPI_Init_thread'))
    throw new UserError(`${name} is no MPI library: it has no MPI_Init_thread. Name another: --mpi_library PATH.`);
  // Open MPI's library of the standard ABI shows the symbols of its own as well, and MPICH's those of MPICH: the call alone tells.
  const isStandard = (): boolean => {
    const [major, minor]: [[number], [number]] = [[-1], [-1]];
    library.func('int MPI_Abi_get_version(_Out_ int* major, _Out_ int* minor)')(major, minor);
    return major[0] > 0;
  };
  const abi: Abi = has('MPI_Abi_get_version') && isStandard() ? 'MPI 5' : has('ompi_mpi_comm_world') ? 'Open MPI' : 'MPICH';
  const handles = handlesOf(abi, (symbol) => BigInt(koffi.address(library.symbol(symbol, 'char'))));
  const h = abi === 'MPICH' ? 'int' : 'intptr_t';
  const call = <Args extends unknown[]>(definition: string): Call<Args> =>
    library.func(`int MPI_${definition.replaceAll('H ', `${h} `)}`) as unknown as Call<Args>;
  const versionOf = call<[Uint8Array, [number]]>('Get_library_version(void* text, _Out_ int* length)');
  const text = new Uint8Array(8192);
  const length: [number] = [0];
  versionOf(text, length);
  const version = versionWords(new TextDecoder('latin1').decode(text.subarray(0, length[0])));
  // MPICH 5 that was built without PMIx ends the process within MPI_Init, where MPICH 4 saw itself alone.
  if (launcher === 'Open MPI' && has('MPIR_Err_create_code') && !has('PMIx_Init')) throw strangers(place, version, 1);
  return {
    abi,
    version,
    handles,
    initThread: call('Init_thread(void* argc, void* argv, int required, _Out_ int* provided)'),
    commRank: call('Comm_rank(H comm, _Out_ int* rank)'),
    commSize: call('Comm_size(H comm, _Out_ int* size)'),
    commDup: call('Comm_dup(H comm, void* made)'),
    commSetErrhandler: call('Comm_set_errhandler(H comm, H handler)'),
    errorString: call('Error_string(int code, void* text, _Out_ int* length)'),
    iallgather: call('Iallgather(void* from, int count, H type, void* to, int each, H kind, H comm, void* request)'),
    iallgatherv: call('Iallgatherv(void* from, int count, H type, void* to, void* counts, void* starts, H kind, H comm, void* request)'),
    test: call('Test(void* request, _Out_ int* flag, void* status)'),
    allreduce: call('Allreduce(intptr_t from, void* to, int count, H type, H op, H comm)'),
    alltoall: call('Alltoall(void* from, int count, H type, void* to, int each, H kind, H comm)'),
    allgather: call('Allgather(void* from, int count, H type, void* to, int each, H kind, H comm)'),
    isend: call('Isend(void* from, int count, H type, int to, int tag, H comm, void* request)'),
    irecv: call('Irecv(void* to, int count, H type, int from, int tag, H comm, void* request)'),
    abort: call('Abort(H comm, int code)'),
    finalize: call('Finalize()'),
    exit: library.func('void _exit(int code)') as unknown as Call<[number]>,
    made: (memory) => {
      const view = new DataView(memory.buffer, memory.byteOffset);
      return abi === 'MPICH' ? view.getInt32(0, true) : view.getBigInt64(0, true);
    },
  };
}
