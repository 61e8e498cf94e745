/**
 * Ends this process where its main thread cannot: that one may wait in the library for a lock which a thread that is in MPI_Abort, or whose
 * host is cut off, keeps for good. A thread of its own counts seconds without a call of `feed`; those in which the process is stopped do
 * not count, since nothing then asks.
 */
import { Worker } from 'node:worker_threads';

const [SECONDS, LIMIT] = [0, 1];

const WATCH = `
const { workerData: state } = require('node:worker_threads');
const { kill, pid } = require('node:process');
setInterval(() => {
  if (Atomics.add(state, ${SECONDS}, 1) >= Atomics.load(state, ${LIMIT})) kill(pid, 'SIGKILL');
}, 1000);
`;

export class Watchdog {
  private readonly state = new Int32Array(new SharedArrayBuffer(8));
  private readonly thread: Worker;

  /** @param seconds without `feed` after which the process is killed */
  constructor(seconds: number) {
    this.limit(seconds);
    this.thread = new Worker(WATCH, { eval: true, workerData: this.state });
    this.thread.unref();
  }

  feed(): void {
    Atomics.store(this.state, SECONDS, 0);
  }

  /** From now on. */
  limit(seconds: number): void {
    Atomics.store(this.state, LIMIT, Math.ceil(seconds));
    this.feed();
  }

  end(): void {
    void this.thread.terminate();
  }
}
