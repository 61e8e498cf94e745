/**
 * The heartbeat of held locks: a number in the lock file that grows every few seconds. It is written by a thread of its own, because the
 * main thread may be busy for minutes at a time (a driver that compiles kernels). The thread begins when a lock has been held for a second,
 * so that short ones cost nothing, and ends with the last lock.
 */
import * as fs from 'node:fs';
import type { Worker as Thread } from 'node:worker_threads';
import { Worker } from 'node:worker_threads';
import type { Beating, Heartbeat } from '../../src/io/locks/locks.ts';

const BEGIN_AFTER_MS = 1_000;

type Order = { id: number; start?: Beating };
type Answer = { id: number; wasOurs?: boolean; isStopped?: true };

/**
 * Runs in the thread, and where there are no threads, in ours. Its text is sent there, so it may use nothing but what it is given. The file
 * is opened anew for every beat and closed after it: that is what makes a network file system ask the server, and tell it. What is written
 * goes into the file that was read through the same handle, so never into a lock that has taken our one's place since.
 */
function beatThread(files: typeof fs, answer: (message: Answer) => void): (order: Order) => void {
  const timers = new Map<number, ReturnType<typeof setInterval>>();
  const beat = (id: number, { file, line }: Beating, count: number): void => {
    let handle;
    try {
      handle = files.openSync(file, files.constants.O_RDWR | (files.constants.O_NOFOLLOW || 0));
      const found = Buffer.alloc(Buffer.byteLength(line));
      files.readSync(handle, found, 0, found.length, 0);
      const isOurs = found.toString() === line;
      if (isOurs) {
        try {
          // As bytes: Deno writes a string at the start of the file, wherever it was to go.
          const next = Buffer.from(String(count).padStart(12, '0') + '\n');
          files.writeSync(handle, next, 0, next.length, found.length);
        } catch {
          files.futimesSync(handle, new Date(), new Date()); // a full disk that copies on write; a changed time is a beat too
        }
      }
      answer({ id, wasOurs: isOurs });
    } catch (cause) {
      // Anything but a lock that is gone may pass (a server that is away), and the next beat tries again.
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') answer({ id, wasOurs: false });
    } finally {
      if (handle !== undefined) files.closeSync(handle);
    }
  };
  return ({ id, start }) => {
    if (start === undefined) {
      clearInterval(timers.get(id));
      timers.delete(id);
      answer({ id, isStopped: true });
      return;
    }
    let count = 0;
    beat(id, start, ++count);
    const timer = setInterval(() => beat(id, start, ++count), start.everyMs);
    timer.unref(); // the messages keep the thread, and nothing should keep ours
    timers.set(id, timer);
  };
}

interface Room {
  tell(order: Order): void;
  end(): void;
}

const listeners = new Map<number, (answer: Answer) => void>();
let room: Room | undefined;
let count = 0;

function hear(answer: Answer): void {
  listeners.get(answer.id)?.(answer);
}

function openRoom(): Room {
  const inThisThread = (): Room => {
    const handle = beatThread(fs, hear);
    return { tell: handle, end: () => undefined };
  };
  const source = `const { parentPort } = require('node:worker_threads');
    parentPort.on('message', (${beatThread.toString()})(require('node:fs'), (message) => parentPort.postMessage(message)));`;
  let thread: Thread;
  try {
    thread = new Worker(source, { eval: true, stdout: false, stderr: false });
  } catch {
    return inThisThread();
  }
  const told = new Map<number, Order>();
  const opened: Room = {
    tell(order) {
      if (order.start) told.set(order.id, order);
      else told.delete(order.id);
      thread.postMessage(order);
    },
    end: () => void thread.terminate(),
  };
  thread.on('message', hear);
  thread.on('error', () => {
    // No threads for us here: what was begun goes on in this one.
    const here = inThisThread();
    for (const order of told.values()) here.tell(order);
    opened.tell = here.tell;
    opened.end = here.end;
  });
  thread.unref();
  return opened;
}

/** @param onBeat with whether the lock was still ours then; once it was not, nothing is written any more */
export function beginHeartbeat(beating: Beating, onBeat: (wasOurs: boolean) => void): Heartbeat {
  const id = count++;
  let isBegun = false;
  const timer = setTimeout(
    () => {
      isBegun = true;
      room ??= openRoom();
      listeners.set(id, ({ wasOurs }) => wasOurs !== undefined && onBeat(wasOurs));
      room.tell({ id, start: beating });
    },
    Math.min(BEGIN_AFTER_MS, beating.everyMs),
  );
  timer.unref();
  return {
    async stop() {
      clearTimeout(timer);
      if (!isBegun) return;
      await new Promise<void>((resolve) => {
        // A file system that hangs holds the thread, not the end of the program.
        const patience = setTimeout(resolve, 2_000);
        listeners.set(id, ({ isStopped }) => {
          if (!isStopped) return;
          clearTimeout(patience);
          resolve();
        });
        room?.tell({ id });
      });
      listeners.delete(id);
      if (listeners.size > 0) return;
      room?.end();
      room = undefined;
    },
  };
}
