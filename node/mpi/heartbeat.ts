/**
 * Signs of life: every rank sends one to the next, the last to the first, and listens to the one before. A rank that is killed is noticed
 * by its launcher; one that was stopped, or whose host has lost the network, by nobody but who waits for it here.
 */
import type { Handle } from '../../src/world/mpiHandles.ts';
import type { World } from '../../src/world/world.ts';
import { isDone, memory } from './library.ts';
import type { Mpi } from './library.ts';
import type { Watchdog } from './watchdog.ts';

const EVERY_MS = 1000;
const LEAST_LOOKS = 10;
const TAG = 1;
const ALIVE = 0;
const LAST = 1;

interface Message {
  bytes: Uint8Array;
  request: Uint8Array;
}

export class Heartbeat {
  private readonly mpi: Mpi;
  private readonly comm: Handle;
  private readonly next: number;
  private readonly previous: number;
  private readonly limitMs: number;
  private readonly watchdog: Watchdog;
  private readonly onSilence: (rank: number, seconds: number) => void;
  private readonly timer: NodeJS.Timeout;
  private sent: Message[] = [];
  private expected: Message | undefined;
  private isLastHeard = false;
  private heardAt = performance.now();
  /** In vain, since it was heard. */
  private looks = 0;

  /** @param onSilence called once, with the rank and the seconds since its last sign */
  constructor(
    mpi: Mpi,
    comm: Handle,
    { rank, size }: Pick<World, 'rank' | 'size'>,
    limitMs: number,
    watchdog: Watchdog,
    onSilence: (rank: number, seconds: number) => void,
  ) {
    this.mpi = mpi;
    this.comm = comm;
    this.next = (rank + 1) % size;
    this.previous = (rank + size - 1) % size;
    this.limitMs = limitMs;
    this.watchdog = watchdog;
    this.onSilence = onSilence;
    this.timer = setInterval(() => this.beat(), EVERY_MS);
    this.timer.unref();
  }

  /** Says no more, and asks no more. */
  stop(): void {
    clearInterval(this.timer);
  }

  /** At the end of a job that all ranks have come to: no message is left under way, as MPI_Finalize asks. */
  async end(): Promise<void> {
    this.stop();
    this.send(LAST);
    const until = performance.now() + this.limitMs;
    while ((!this.isLastHeard || this.sent.length > 0) && performance.now() < until) {
      this.receive();
      this.sent = this.sent.filter(({ request }) => !isDone(this.mpi, request));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  private beat(): void {
    this.sent = this.sent.filter(({ request }) => !isDone(this.mpi, request));
    this.send(ALIVE);
    const now = performance.now();
    this.looks++;
    if (this.receive() || this.isLastHeard) {
      this.heardAt = now;
      this.looks = 0;
      this.watchdog.feed();
    }
    // The first looks of a process that was itself stopped, or busy, say nothing of the others.
    if (now - this.heardAt <= this.limitMs || this.looks < Math.min(LEAST_LOOKS, this.limitMs / EVERY_MS)) return;
    this.stop();
    this.onSilence(this.previous, (now - this.heardAt) / 1000);
  }

  private send(sign: number): void {
    const { mpi } = this;
    const message = { bytes: memory(1).fill(sign), request: memory(8) };
    mpi.isend(message.bytes, 1, mpi.handles.byte, this.next, TAG, this.comm, message.request);
    this.sent.push(message);
  }

  /** All that has come. @returns whether anything has */
  private receive(): boolean {
    const { mpi } = this;
    let isAnything = false;
    while (!this.isLastHeard) {
      if (!this.expected) {
        this.expected = { bytes: memory(1), request: memory(8) };
        mpi.irecv(this.expected.bytes, 1, mpi.handles.byte, this.previous, TAG, this.comm, this.expected.request);
      }
      if (!isDone(this.mpi, this.expected.request)) break;
      isAnything = true;
      this.isLastHeard = this.expected.bytes[0] === LAST;
      this.expected = undefined;
    }
    return isAnything;
  }
}
