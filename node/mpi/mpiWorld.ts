/**
 * The ranks of an MPI job. Small values go by collectives that do not block, asked after between turns of the event loop, so that a rank
 * that waits for a slower one leaves the processor to it and hears signals; gradients, for which all have arrived by then, by blocking
 * collectives on another thread. Calls are made one after the other, in the same order at every rank.
 */
import { availableParallelism, cpus, hostname } from 'node:os';
import process from 'node:process';
import { deserialize, serialize } from 'node:v8';
import { UserError } from '../../src/platform.ts';
import { strangers } from '../../src/world/launcher.ts';
import type { Place } from '../../src/world/launcher.ts';
import { orderedSum } from '../../src/world/orderedSum.ts';
import { boundWords, placesWords, silenceWords } from '../../src/world/world.ts';
import type { Handle } from '../../src/world/mpiHandles.ts';
import type { Seat, World } from '../../src/world/world.ts';
import { Heartbeat } from './heartbeat.ts';
import { loadMpi, memory } from './library.ts';
import { Mail } from './mail.ts';
import type { Mpi } from './library.ts';
import { Watchdog } from './watchdog.ts';

export interface MpiOptions {
  /** `--mpi_library`. */
  library: string | null;
  /** library: by MPI_Allreduce, in whatever order; ordered: in the order of the ranks, so that any network gives the same bits. */
  reduce: 'library' | 'ordered';
  /** Seconds without a sign of life after which a rank counts as lost. */
  silence: number;
  /** Told what must not be missed. */
  warn: (text: string) => void;
}

/** What a rank does in a job beside its work. */
export interface MpiJob extends World {
  /** "Open MPI v4.1.4: 2 ranks on 2 hosts (rank: process; ward-1 has 0: 4711; ward-2 has 1: 815)". */
  readonly words: string;
  /** Of ranks that the launcher has bound to one processor; undefined where there are none. */
  readonly bound: string | undefined;
  /** Waits for all ranks, and leaves MPI. */
  close(): Promise<void>;
  /** Ends all ranks, on all hosts; does not return. */
  abort(): Promise<never>;
}

/** Bytes of a value that travel with its length, so that most need one collective. */
const FRAME = 256;
const HEAD = 4;

/** Turns of the event loop without a pause when something is waited for, then pauses. */
const SPIN_MS = 2;
const PAUSE_MS = 1;

/** The time an MPI_Abort may take: where the launcher cannot be reached it does not come back. */
const ABORT_S = 5;

/** Beyond the silence that ends a job by this thread, until another one does. */
const WATCHED_S = 10;

/** The time of an MPI_Finalize: MPICH's UCX, by TCP, may wait there for ever for ranks that have done with it (test/bench/RESULTS.md). */
const FINALIZE_MS = 10_000;

export async function openMpiWorld(place: Place, options: MpiOptions): Promise<MpiJob> {
  const mpi = await loadMpi(options.library, place);
  const out: [number] = [0];
  const level = await initialised(mpi, options.silence);
  if (level < mpi.handles.threadSerialized) {
    throw new UserError(
      `${mpi.version} was built for one thread alone (level ${level} of MPI_Init_thread); sums are made on a thread of their own ` +
        'here. Use a build with MPI_THREAD_SERIALIZED or MPI_THREAD_MULTIPLE, or name another library: --mpi_library PATH.',
    );
  }
  const world = mpi.handles.world;
  check(mpi, mpi.commSetErrhandler(world, mpi.handles.errorsReturn), 'MPI_Comm_set_errhandler');
  const rank = (check(mpi, mpi.commRank(world, out), 'MPI_Comm_rank'), out[0]);
  const size = (check(mpi, mpi.commSize(world, out), 'MPI_Comm_size'), out[0]);
  if (size === 1 || (place.size !== undefined && place.size !== size)) {
    mpi.finalize();
    throw strangers(place, mpi.version, size);
  }
  const ranks = new MpiRanks(mpi, rank, size, options);
  await ranks.begin(level === mpi.handles.threadMultiple);
  return ranks;
}

/**
 * MPI_Init_thread returns when all ranks have called it. Where one ends before, some launchers let the others wait for ever.
 * @returns the level of threads that is given
 */
async function initialised(mpi: Mpi, seconds: number): Promise<number> {
  const level: [number] = [0];
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new UserError(
          `The other ranks have not come to MPI_Init within ${seconds} s: one has failed before (see its message), its host is not ` +
            'reached, or it starts slowly (--mpi_timeout SECONDS).',
        ),
      );
    }, seconds * 1000);
  });
  await Promise.race([onThread(mpi, 'MPI_Init_thread', mpi.initThread, null, null, mpi.handles.threadMultiple, level), tooLong]);
  clearTimeout(timer);
  return level[0];
}

class MpiRanks implements MpiJob {
  readonly rank: number;
  readonly size: number;
  hosts: readonly string[];
  /** By rank: a launcher tells of a process that has ended by its number. */
  private seats: readonly Seat[] = [];
  private readonly mpi: Mpi;
  private readonly options: MpiOptions;
  private readonly comm: Handle;
  private readonly mail: Mail;
  private heartbeat: Heartbeat | undefined;
  private watchdog: Watchdog | undefined;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(mpi: Mpi, rank: number, size: number, options: MpiOptions) {
    this.mpi = mpi;
    this.rank = rank;
    this.size = size;
    this.options = options;
    this.hosts = Array.from({ length: size }, () => '?');
    this.comm = duplicate(mpi);
    this.mail = new Mail(mpi, duplicate(mpi), this);
  }

  /** Learns where the others are. @param canListen MPI may be called while a sum is under way */
  async begin(canListen: boolean): Promise<void> {
    const processors = cpus().length;
    this.seats = await this.gather<Seat>({ host: hostname(), process: process.pid, mayUse: availableParallelism(), processors });
    this.hosts = this.seats.map(({ host }) => host);
    if (!canListen) return;
    const { silence } = this.options;
    this.watchdog = new Watchdog(silence + WATCHED_S);
    this.heartbeat = new Heartbeat(this.mpi, duplicate(this.mpi), this, silence * 1000, this.watchdog, (silent, seconds) => {
      this.options.warn(silenceWords(this, silent, seconds));
      void this.abort();
    });
  }

  get words(): string {
    const { version, abi } = this.mpi;
    return `${version.split(',')[0]!}${abi === 'MPI 5' ? " by MPI 5's ABI" : ''}: ${placesWords(this.seats)}`;
  }

  get bound(): string | undefined {
    return boundWords(this.seats);
  }

  gather<T>(own: T): Promise<T[]> {
    return this.inTurn(async () => {
      const bytes = serialize(own);
      const frame = new Uint8Array(FRAME);
      new DataView(frame.buffer).setUint32(0, bytes.length, true);
      if (bytes.length <= FRAME - HEAD) frame.set(bytes, HEAD);
      const frames = new Uint8Array(FRAME * this.size);
      const { mpi, comm } = this;
      const { byte } = mpi.handles;
      await this.settled('MPI_Iallgather', [frame, frames], (request) =>
        mpi.iallgather(frame, FRAME, byte, frames, FRAME, byte, comm, request),
      );
      const view = new DataView(frames.buffer);
      const lengths = Int32Array.from({ length: this.size }, (_, rank) => view.getUint32(rank * FRAME, true));
      const isLong = lengths.some((length) => length > FRAME - HEAD);
      const starts = Int32Array.from(lengths, (_, rank) =>
        isLong ? lengths.subarray(0, rank).reduce((sum, length) => sum + length, 0) : rank * FRAME + HEAD,
      );
      let all: Uint8Array = frames;
      if (isLong) {
        all = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
        await this.settled('MPI_Iallgatherv', [bytes, all, lengths, starts], (request) =>
          mpi.iallgatherv(bytes, bytes.length, byte, all, lengths, starts, byte, comm, request),
        );
      }
      return Array.from(lengths, (length, rank) => deserialize(all.subarray(starts[rank]!, starts[rank]! + length)) as T);
    });
  }

  sum(values: Float32Array): Promise<void> {
    return this.inTurn(async () => {
      const { mpi, comm, options } = this;
      const { float, sum, inPlace } = mpi.handles;
      if (options.reduce === 'library')
        return onThread(mpi, 'MPI_Allreduce', mpi.allreduce, inPlace, values, values.length, float, sum, comm);
      await orderedSum(values, this.size, {
        exchange: (from, to, each) => onThread(mpi, 'MPI_Alltoall', mpi.alltoall, from, each, float, to, each, float, comm),
        collect: (from, to, each) => onThread(mpi, 'MPI_Allgather', mpi.allgather, from, each, float, to, each, float, comm),
      });
    });
  }

  call<Result>(rank: number, task: unknown): Promise<Result> {
    return this.mail.call(rank, task);
  }

  serve<Task>(act: (task: Task) => Promise<unknown>): Promise<void> {
    return this.mail.serve(act);
  }

  dismiss(): Promise<void> {
    return this.mail.dismiss(this.size);
  }

  async close(): Promise<void> {
    await this.gather(null);
    await this.heartbeat?.end();
    this.watchdog?.end();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<'late'>((resolve) => (timer = setTimeout(resolve, FINALIZE_MS, 'late')));
    const end = await Promise.race([onThread(this.mpi, 'MPI_Finalize', this.mpi.finalize), late]);
    clearTimeout(timer);
    // All is done, and the thread that waits would keep the process from ending.
    if (end === 'late') process.on('exit', (code) => this.mpi.exit(code));
  }

  async abort(): Promise<never> {
    this.heartbeat?.stop();
    (this.watchdog ??= new Watchdog(ABORT_S)).limit(ABORT_S);
    this.mpi.abort.async(this.mpi.handles.world, 1, () => undefined);
    return new Promise<never>(() => setInterval(() => undefined, 1000)); // which keeps the process until then
  }

  private inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(act);
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  /** Begins a collective that does not block, and asks until it is done. @param held memory that it works on until then */
  private async settled(name: string, held: readonly ArrayBufferView[], begin: (request: Uint8Array) => number): Promise<void> {
    const request = memory(8);
    inUse.add(held);
    check(this.mpi, begin(request), name);
    const status = memory(64);
    const isDone: [number] = [0];
    const began = performance.now();
    for (;;) {
      check(this.mpi, this.mpi.test(request, isDone, status), name);
      if (isDone[0] !== 0) {
        inUse.delete(held);
        return;
      }
      await new Promise<void>((resolve) => {
        if (performance.now() - began < SPIN_MS) setImmediate(resolve);
        else setTimeout(resolve, PAUSE_MS);
      });
    }
  }
}

/** What calls under way work on: koffi keeps no memory from the garbage collector. */
const inUse = new Set<readonly unknown[]>();

/** A call that blocks, on another thread. */
function onThread<Args extends unknown[]>(
  mpi: Mpi,
  name: string,
  call: { async: (...args: [...Args, (error: Error | null, code: number) => void]) => void },
  ...args: Args
): Promise<void> {
  return new Promise((resolve, reject) => {
    inUse.add(args);
    call.async(...args, (error, code) => {
      inUse.delete(args);
      try {
        if (error) throw error;
        check(mpi, code, name);
        resolve();
      } catch (failure) {
        reject(failure as Error);
      }
    });
  });
}

/** Messages of ours never meet those of another communicator. */
function duplicate(mpi: Mpi): Handle {
  const made = memory(8);
  check(mpi, mpi.commDup(mpi.handles.world, made), 'MPI_Comm_dup');
  const comm = mpi.made(made);
  check(mpi, mpi.commSetErrhandler(comm, mpi.handles.errorsReturn), 'MPI_Comm_set_errhandler');
  return comm;
}

function check(mpi: Mpi, code: number, call: string): void {
  if (code === 0) return;
  const text = new Uint8Array(1024);
  const length: [number] = [0];
  mpi.errorString(code, text, length);
  const words = new TextDecoder('latin1').decode(text.subarray(0, length[0])).replaceAll(/\s+/g, ' ').trim();
  throw new UserError(
    `${call} failed: ${words}. Another rank is gone, or the network between the hosts is: see the messages of the launcher and of the ` +
      'other ranks.',
  );
}
