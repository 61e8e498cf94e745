/**
 * What the first rank asks of another, and the answers: a head with the number of the call and a length, then a body, both by messages that
 * MPI keeps in order. One rank is asked several things at once; answers come when they are ready.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { UserError } from '../../src/platform.ts';
import { rankWords } from '../../src/world/world.ts';
import type { Handle } from '../../src/world/mpiHandles.ts';
import type { World } from '../../src/world/world.ts';
import { isDone, memory } from './library.ts';
import type { Mpi } from './library.ts';

const TAG = 2;
const HEAD = 8;
const PAUSE_MS = 1;
/** The number of a call that asks for nothing more. */
const NO_MORE = 0;

interface Answer {
  value?: unknown;
  /** What the rank has failed with. */
  fault?: string;
}

interface Incoming {
  bytes: Uint8Array;
  request: Uint8Array;
  /** Of the body that follows; absent where this is a head. */
  call?: number;
}

export class Mail {
  private readonly mpi: Mpi;
  private readonly comm: Handle;
  private readonly world: Pick<World, 'rank' | 'hosts'>;
  private sent: { bytes: Uint8Array; request: Uint8Array }[] = [];
  private readonly incoming = new Map<number, Incoming>();
  private readonly calls = new Map<number, { rank: number; resolve: (value: never) => void; reject: (error: Error) => void }>();
  private count = NO_MORE;
  private isListening = false;

  constructor(mpi: Mpi, comm: Handle, world: Pick<World, 'rank' | 'hosts'>) {
    this.mpi = mpi;
    this.comm = comm;
    this.world = world;
  }

  call<Result>(rank: number, task: unknown): Promise<Result> {
    const call = ++this.count;
    const answer = new Promise<Result>((resolve, reject) => this.calls.set(call, { rank, resolve, reject }));
    this.send(rank, call, task);
    void this.listen();
    return answer;
  }

  async serve<Task>(act: (task: Task) => Promise<unknown>): Promise<void> {
    const working = new Set<Promise<void>>();
    for (let isDone = false; !isDone;) {
      const message = this.receive(0);
      if (message === undefined) await pause(PAUSE_MS);
      else if (message.call === NO_MORE) isDone = true;
      else {
        const answered = act(message.value as Task)
          .then((value): Answer => ({ value }))
          .catch((error: unknown): Answer => ({ fault: faultOf(error) }))
          .then((answer) => this.send(0, message.call, answer))
          .finally(() => working.delete(answered));
        working.add(answered);
      }
    }
    await Promise.all(working);
    await this.delivered();
  }

  /** @param ranks of the job */
  async dismiss(ranks: number): Promise<void> {
    for (let rank = 1; rank < ranks; rank++) this.send(rank, NO_MORE, null);
    await this.delivered();
  }

  /** The first rank hears for as long as an answer is awaited. */
  private async listen(): Promise<void> {
    if (this.isListening) return;
    this.isListening = true;
    while (this.calls.size > 0) {
      let isAnything = false;
      for (const rank of new Set([...this.calls.values()].map((call) => call.rank))) {
        const message = this.receive(rank);
        if (message === undefined) continue;
        isAnything = true;
        const asked = this.calls.get(message.call)!;
        this.calls.delete(message.call);
        const { value, fault } = message.value as Answer;
        if (fault === undefined) asked.resolve(value as never);
        else asked.reject(new UserError(`${rankWords(this.world, rank)}: ${fault}`));
      }
      if (!isAnything) await pause(PAUSE_MS);
    }
    this.isListening = false;
  }

  private send(rank: number, call: number, value: unknown): void {
    const body = Uint8Array.from(serialize(value));
    const head = memory(HEAD);
    const view = new DataView(head.buffer);
    view.setUint32(0, call, true);
    view.setUint32(4, body.length, true);
    for (const bytes of [head, body]) {
      const request = memory(8);
      this.mpi.isend(bytes, bytes.length, this.mpi.handles.byte, rank, TAG, this.comm, request);
      this.sent.push({ bytes, request });
    }
    this.sent = this.sent.filter((message) => !isDone(this.mpi, message.request));
  }

  /** Undefined where nothing whole has come yet. */
  private receive(rank: number): { call: number; value: unknown } | undefined {
    for (;;) {
      const coming = this.incoming.get(rank) ?? this.expect(rank, HEAD);
      if (!isDone(this.mpi, coming.request)) return undefined;
      this.incoming.delete(rank);
      if (coming.call !== undefined) return { call: coming.call, value: deserialize(coming.bytes) };
      const view = new DataView(coming.bytes.buffer);
      this.expect(rank, view.getUint32(4, true), view.getUint32(0, true));
    }
  }

  private expect(rank: number, length: number, call?: number): Incoming {
    const coming: Incoming = { bytes: memory(length), request: memory(8), ...(call !== undefined && { call }) };
    this.mpi.irecv(coming.bytes, length, this.mpi.handles.byte, rank, TAG, this.comm, coming.request);
    this.incoming.set(rank, coming);
    return coming;
  }

  private async delivered(): Promise<void> {
    while ((this.sent = this.sent.filter(({ request }) => !isDone(this.mpi, request))).length > 0) await pause(PAUSE_MS);
  }
}

function faultOf(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
