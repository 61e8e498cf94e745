/**
 * Frozen weights that do not stay on the GPU: those of one stage at a time lie in a slot, those of the next arrive in a second slot while
 * the first computes, forward and backward alike. Tensors keep their shape and type; where their parts lie changes from stage to stage,
 * which an op sees when it dispatches. What is computed is the same to the bit.
 */
import type { Device } from '../gpu/device.ts';
import type { BufferView } from '../gpu/pool.ts';
import type { TensorPart } from '../gpu/tensor.ts';
import type { TableElsewhere } from '../ops/parameter.ts';
import type { Model } from './model.ts';
import type { Stage } from './stages.ts';

const PIECE_BYTES = 16 * 2 ** 20;
const ALIGNMENT = 256;

/** A run of a weight's rows as it lies on the GPU, and where its bytes come from. */
export interface HostPart {
  part: TensorPart;
  bytes: number;
  /** In host memory, or in the file. */
  read(at: number, length: number): Promise<Uint8Array>;
}

/** What is on the GPU together, and where in a slot's buffers each part lies. */
interface Group {
  places: { host: HostPart; buffer: number; offset: number }[];
  /** Of each buffer. */
  bytes: number[];
}

interface Slot {
  group: string | undefined;
  /** Counts what has been sent for: an upload that is no longer wanted ends. */
  turn: number;
  /** The weights have been handed to the queue. */
  ready: Promise<void>;
  /** The GPU is done with what lay here before. */
  idle: Promise<unknown>;
}

/** Where a part lies while it is not on the GPU: nowhere that can be bound. */
export function nowhere(bytes: number): BufferView {
  return {
    get buffer(): never {
      throw new Error('a weight that is not on the GPU was used: its stage has not begun');
    },
    offset: 0,
    bytes,
  };
}

export class StreamedWeights {
  private readonly device: Device;
  private readonly held = new Map<string, HostPart[]>();
  private readonly tables = new Map<string, string[]>();
  private readonly groups = new Map<string, Group | undefined>();
  private readonly slots: readonly Slot[] = [0, 1].map(() => ({
    group: undefined,
    turn: 0,
    ready: Promise.resolve(),
    idle: Promise.resolve(),
  }));
  /** Of each slot. */
  private buffers: BufferView[][] = [[], []];
  private current: Slot | undefined;
  private stagingBytes = 0;

  constructor(device: Device) {
    this.device = device;
  }

  /** A weight, by its canonical name. */
  add(name: string, parts: HostPart[]): void {
    this.held.set(name, parts);
  }

  /** An embedding or head: its parts come one at a time, or single rows of it. */
  addTable(name: string, parts: HostPart[], row: TableElsewhere['row']): TableElsewhere {
    const key = (part: number): string => `part ${part} of ${name}`; // the name of no stage, and in none
    parts.forEach((part, at) => this.held.set(key(at), [part]));
    this.tables.set(
      name,
      parts.map((_, at) => key(at)),
    );
    return { row, arrive: (part) => this.arrive(key(part), part + 1 < parts.length ? key(part + 1) : undefined) };
  }

  has(name: string): boolean {
    return this.held.has(name) || this.tables.has(name);
  }

  /** The model with its stages bringing their weights along. */
  model(model: Model): Model {
    const stagesOf = (stages: readonly Stage[], ...others: readonly string[]): Stage[] => {
      this.makeRoom([...stages.map(({ name }) => name), ...others]);
      return stages.map((stage) => ({
        ...stage,
        arrive: async (next: string | undefined): Promise<void> => {
          await stage.arrive?.(next);
          await this.arrive(stage.name, next);
        },
      }));
    };
    const { vision } = model;
    return {
      ...model,
      ...(vision && { vision: { ...vision, stages: (...batch) => stagesOf(vision.stages(...batch)) } }),
      prepare: (device, examples, options) => {
        const batch = model.prepare(device, examples, options);
        return { ...batch, stages: stagesOf(batch.stages, ...(this.tables.get(model.head.name) ?? [])) };
      },
    };
  }

  /** Room for the largest of these groups in both slots. */
  makeRoom(keys: readonly string[]): void {
    const { pool } = this.device;
    const needed: number[] = [];
    for (const key of keys) this.groupOf(key)?.bytes.forEach((bytes, at) => (needed[at] = Math.max(needed[at] ?? 0, bytes)));
    if (needed.every((bytes, at) => bytes <= (this.buffers[0]![at]?.bytes ?? 0))) return;
    this.buffers = this.buffers.map((slot) => {
      for (const view of slot) pool.release(view);
      return needed.map((bytes, at) => pool.acquire(Math.max(bytes, slot[at]?.bytes ?? 0), 'weights', 'always'));
    });
    this.empty();
    this.countStaging(this.buffers[0]!.reduce((sum, { bytes }) => sum + bytes, 0));
  }

  /** Waits until the weights of a group (a stage, or a single weight) are in a slot, and sends for those of the next. */
  async arrive(key: string, next?: string): Promise<void> {
    this.device.flush();
    const passed = this.device.gpu.queue.onSubmittedWorkDone();
    passed.catch(() => undefined); // a lost GPU is told by what reads from it
    if (this.groupOf(key)) {
      if (this.current && this.current.group !== key) this.current.idle = passed;
      const slot = this.slots.find(({ group }) => group === key) ?? this.begin(key);
      await slot.ready;
      this.current = slot;
    }
    if (next !== undefined && this.groupOf(next) && !this.slots.some(({ group }) => group === next)) this.begin(next);
  }

  release(): void {
    this.empty();
    for (const view of this.buffers.flat()) this.device.pool.release(view);
    this.buffers = [[], []];
    this.countStaging(0);
  }

  /**
   * Into the slot that is not in use. At most one group is on its way at a time, so that no more than one lies in the queue's own memory.
   */
  private begin(key: string): Slot {
    const at = this.slots[0] === this.current ? 1 : 0;
    const slot = this.slots[at]!;
    const buffers = this.buffers[at]!;
    slot.group = key;
    const turn = ++slot.turn;
    const places = this.groupOf(key)!.places.map((place) => ({
      ...place.host,
      view: { buffer: buffers[place.buffer]!.buffer, offset: place.offset, bytes: place.host.bytes },
    }));
    for (const { part, view } of places) part.view = view;
    slot.ready = slot.idle.then(async () => {
      for (const { view, bytes, read } of places) {
        await this.device.fill(view, bytes, PIECE_BYTES, async (at, length) => {
          const piece = await read(at, length);
          if (slot.turn !== turn) throw new Error(`${key} is no longer wanted on the GPU`);
          return piece;
        });
      }
    });
    slot.ready.catch(() => undefined); // told to whoever waits for it
    return slot;
  }

  /** What is on its way ends; what has been handed to the queue is ahead of all that follows. */
  private empty(): void {
    for (const slot of this.slots) {
      slot.group = undefined;
      slot.turn++;
    }
    this.current = undefined;
  }

  /** Weights of the module `key`, or the one of that name; undefined where none is streamed. */
  private groupOf(key: string): Group | undefined {
    if (this.groups.has(key)) return this.groups.get(key);
    const places: Group['places'] = [];
    const bytes: number[] = [];
    let buffer = 0;
    for (const [name, parts] of this.held) {
      if (name !== key && !name.startsWith(`${key}.`)) continue;
      for (const host of parts) {
        let offset = Math.ceil((bytes[buffer] ?? 0) / ALIGNMENT) * ALIGNMENT;
        if (offset + host.bytes > this.device.capabilities.maxBufferBytes) [buffer, offset] = [buffer + 1, 0];
        bytes[buffer] = offset + Math.ceil(host.bytes / 4) * 4;
        places.push({ host, buffer, offset });
      }
    }
    const group = places.length > 0 ? { places, bytes } : undefined;
    this.groups.set(key, group);
    return group;
  }

  /** Uploads lie in the queue's memory until they have run: those of a group at most. */
  private countStaging(bytes: number): void {
    const { pool } = this.device;
    pool.count('staging', bytes - this.stagingBytes);
    pool.reserve(bytes - this.stagingBytes);
    this.stagingBytes = bytes;
  }
}
