/**
 * The processes that train (evaluate, prepare) together, each with a GPU of its own: `alone`, or the ranks of an MPI job
 * (node/mpi/). What is shared is small: sums of gradients, and values that every rank tells every other. All ranks make the
 * same calls in the same order.
 */
export interface World {
  /** From 0. Rank 0 speaks, logs and saves. */
  readonly rank: number;
  readonly size: number;
  /** What joins them, in words. Absent where nothing does. */
  readonly words?: string;
  /** The host of each rank. */
  readonly hosts: readonly string[];
  /**
   * Adds up over all ranks, in place; every rank then has the same. All have been seen to arrive before (`gather`), since a rank may use
   * the processor while it waits here.
   */
  sum(values: Float32Array): Promise<void>;
  /** What each rank gives (what a structured clone carries), by rank, at every rank. Waits without using the processor. */
  gather<T>(own: T): Promise<T[]>;
  /** Of the first rank: has another do something, of which several may be under way. Rejects with what that one has failed with. */
  call<Result>(rank: number, task: unknown): Promise<Result>;
  /** Of the others: does what the first calls for, until it has no more (`dismiss`). */
  serve<Task>(act: (task: Task) => Promise<unknown>): Promise<void>;
  /** Of the first rank: ends `serve` at all others. */
  dismiss(): Promise<void>;
}

/** One process. */
export const ALONE: World = {
  rank: 0,
  size: 1,
  hosts: [''],
  sum: () => Promise.resolve(),
  gather: (own) => Promise.resolve([own]),
  call: (rank) => Promise.reject(new Error(`there is no rank ${rank}`)),
  serve: () => Promise.resolve(),
  dismiss: () => Promise.resolve(),
};

/** Of so many things in order, those that are this rank's: every size-th, so that things of like cost that lie together are shared out. */
export function isDealtTo({ rank, size }: Pick<World, 'rank' | 'size'>, index: number): boolean {
  return index % size === rank;
}

/** What was dealt out (`isDealtTo`), in its order again. @param hands what each rank has made of its own, by rank */
export function inOrder<T>(hands: readonly (readonly T[])[]): T[] {
  const total = hands.reduce((sum, { length }) => sum + length, 0);
  return Array.from({ length: total }, (_, index) => hands[index % hands.length]![Math.floor(index / hands.length)]!);
}

/** Rank 0 first, then all others: they find what it has downloaded or written. */
export async function firstHere<T>(world: World, act: () => Promise<T>): Promise<T> {
  if (world.rank === 0) {
    const made = await act();
    await world.gather(null);
    return made;
  }
  await world.gather(null);
  return act();
}

/** What the first rank gives, at every rank; what the others give is of no account. */
export async function fromFirst<T>(world: World, own: T): Promise<T> {
  return (await world.gather(own))[0]!;
}

/** Whether it holds at every rank: what one of them does not go on with, none does. */
export async function doAll(world: World, own: boolean): Promise<boolean> {
  return !(await world.gather(own)).includes(false);
}

/** "rank 2 on ward-3". */
export function rankWords({ hosts }: Pick<World, 'hosts'>, rank: number): string {
  return `rank ${rank} on ${hosts[rank] ?? '?'}`;
}

/** "2 ranks on 2 hosts (rank: process; ward-1 has 0: 4711; ward-2 has 1: 815)". @param seats by rank */
export function placesWords(seats: readonly Seat[]): string {
  const names = [...new Set(seats.map(({ host }) => host))];
  const ranksOf = (host: string): string =>
    seats.flatMap((seat, rank) => (seat.host === host ? [`${rank}: ${seat.process}`] : [])).join(', ');
  const where = names.map((host) => `${host} has ${ranksOf(host)}`).join('; ');
  return `${seats.length} ranks on ${names.length === 1 ? 'one host' : `${names.length} hosts`} (rank: process; ${where})`;
}

/** Where a rank runs, and how many processors of its host it may use. */
export interface Seat {
  host: string;
  /** Its number there. */
  process: number;
  mayUse: number;
  /** Of the host. */
  processors: number;
}

/** Of ranks that a launcher has bound to one processor each; undefined where it has bound none. @param seats by rank */
export function boundWords(seats: readonly Seat[]): string | undefined {
  const bound = seats.flatMap((seat, rank) => (seat.mayUse === 1 && seat.processors > 1 ? [rank] : []));
  if (bound.length === 0) return undefined;
  const { host, processors } = seats[bound[0]!]!;
  return (
    `${bound.length === 1 ? 'rank' : 'ranks'} ${bound.join(', ')} may use one processor each (${host} has ${processors}), where reading, ` +
    "computing and the driver of the GPU take turns: the launcher has bound them to it. Open MPI's mpirun leaves them free with " +
    '--bind-to none; srun gives more with --cpus-per-task N.'
  );
}

/** What ends a job of which one rank is silent. */
export function silenceWords(world: Pick<World, 'hosts'>, rank: number, seconds: number): string {
  return (
    `${rankWords(world, rank)} has given no sign of life for ${Math.round(seconds)} s: it was stopped, has lost its network, or its ` +
    'host is gone. The job ends; the last checkpoint stands, and the command with --resume_from_checkpoint true goes on from it.'
  );
}
