/**
 * Everything that is trained, laid end to end: values, gradients and AdamW's two moments in a few flat f32 buffers ("arenas"), so that
 * zeroing, the gradient norm and the update are one dispatch an arena, not one a parameter (LoRA has hundreds of small ones). The four
 * buffers of an arena share one layout. Parameters with and without weight decay live in different arenas. Each begins at a multiple
 * of 256 bytes, as bindings must; the gaps hold zeros and stay zero. A parameter larger than the adapter binds is split by rows.
 */
import type { Device } from '../gpu/device.ts';
import type { BufferView } from '../gpu/pool.ts';
import { Tensor } from '../gpu/tensor.ts';
import type { TensorPart } from '../gpu/tensor.ts';
import type { Parameter } from '../ops/parameter.ts';
import { UserError } from '../platform.ts';
import { HostMoments } from './hostMoments.ts';

const ALIGNMENT = 256;

export interface ParameterSpec {
  /** Hugging Face's name. */
  name: string;
  shape: readonly number[];
  /** Weight decay applies. */
  decay: boolean;
}

/** Ranges of `bytes` bytes (a multiple of 256) with the same layout. */
export interface Arena {
  readonly decay: boolean;
  readonly bytes: number;
  readonly values: BufferView;
  readonly gradients: BufferView;
  /** Absent where the moments are in host memory. */
  readonly moments?: {
    /** First moment: running mean of the gradient. */
    readonly m: BufferView;
    /** Second moment: running mean of its square. */
    readonly v: BufferView;
  };
}

export interface ArenaOptions {
  /** What the values count as in the memory report ('adapters', or 'weights' where a whole model is trained). Default: adapters. */
  label?: 'adapters' | 'weights';
  /** The values are only read: there is no room for gradients and moments (all ranges are the values'). */
  isFrozen?: boolean;
  /** The moments are in host memory and pass through the GPU in pieces. */
  hasHostMoments?: boolean;
}

export interface Moments {
  m: Float32Array;
  v: Float32Array;
}

/** Where trained values and their moments are read from: the GPU as it is then, or a snapshot. */
export interface TrainedState {
  values(name: string): Promise<Float32Array>;
  /** AdamW's first or second moment. */
  moment(name: string, of: 'm' | 'v'): Promise<Float32Array>;
}

export interface Snapshot extends TrainedState {
  /** Resolves when all of it is here, and needs the GPU no more. */
  arrived: Promise<unknown>;
}

/** A run of whole rows and where it lies. */
interface Piece {
  arena: number;
  offset: number;
  rowStart: number;
  rows: number;
}

interface Slot {
  spec: ParameterSpec;
  pieces: Piece[];
  /** Where the moments are on the GPU. */
  moments?: Record<'m' | 'v', Tensor>;
}

/** Values, gradients and moments (f32) of everything that trains, by the parameters' names. */
export class ParameterArena {
  readonly arenas: readonly Arena[];
  /** By name, in the order of the specs; each with its gradient. Values, gradients and moments start as zeros. */
  readonly parameters: ReadonlyMap<string, Parameter & { grad: Tensor }>;
  private readonly device: Device;
  private readonly slots = new Map<string, Slot>();

  private readonly isFrozen: boolean;
  /** Where the moments are not on the GPU. */
  readonly hostMoments: HostMoments | undefined;

  constructor(
    device: Device,
    specs: readonly ParameterSpec[],
    { label = 'adapters', isFrozen = false, hasHostMoments = false }: ArenaOptions = {},
  ) {
    this.device = device;
    this.isFrozen = isFrozen;
    const { pieces, arenas } = layOut(specs, device.maxBindingBytes);
    const isHosted = hasHostMoments && !isFrozen;
    this.arenas = arenas.map(({ decay, bytes }) => {
      const range = (name: string): BufferView => {
        const view = device.pool.acquire(bytes, name, 'always');
        device.clear(view);
        return view;
      };
      const values = range(label);
      if (isFrozen) return { decay, bytes, values, gradients: values, moments: { m: values, v: values } };
      const gradients = range('gradients');
      return isHosted
        ? { decay, bytes, values, gradients }
        : { decay, bytes, values, gradients, moments: { m: range('optimizer'), v: range('optimizer') } };
    });
    this.hostMoments = isHosted
      ? new HostMoments(
          device,
          arenas.map(({ bytes }) => bytes),
        )
      : undefined;
    const parameters = new Map<string, Parameter & { grad: Tensor }>();
    specs.forEach((spec, at) => {
      if (parameters.has(spec.name)) throw new Error(`parameter '${spec.name}' is listed twice`);
      const own = pieces[at]!;
      const tensor = (of: (arena: Arena) => BufferView): Tensor => new Tensor(spec.shape, 'f32', this.parts(spec, own, of));
      parameters.set(spec.name, { name: spec.name, tensor: tensor(({ values }) => values), grad: tensor(({ gradients }) => gradients) });
      const moments = isHosted ? undefined : { m: tensor((arena) => arena.moments!.m), v: tensor((arena) => arena.moments!.v) };
      this.slots.set(spec.name, { spec, pieces: own, ...(moments && { moments }) });
    });
    this.parameters = parameters;
  }

  /** Numbers of trained values, without the gaps. */
  get size(): number {
    let total = 0;
    for (const { tensor } of this.parameters.values()) total += tensor.size;
    return total;
  }

  /** Names of the parameters of which something lies from byte `from` to byte `end` of an arena. */
  within(arena: number, from: number, end: number): string[] {
    return [...this.slots.values()].flatMap(({ spec, pieces }) =>
      pieces.some((piece) => piece.arena === arena && piece.offset < end && piece.offset + piece.rows * bytesPerRow(spec) > from)
        ? spec.name
        : [],
    );
  }

  zeroGradients(): void {
    if (this.isFrozen) throw new Error('these parameters were opened to be read, not to be trained');
    for (const arena of this.arenas) this.device.clear(arena.gradients);
  }

  writeValues(name: string, values: Float32Array): void {
    this.write(name, 'values', this.parameter(name).tensor, values);
  }

  /** Values of whole rows from `rowStart` on; a large tensor is filled piece by piece. */
  writeRows(name: string, rowStart: number, values: Float32Array): void {
    const { tensor } = this.parameter(name);
    const rows = values.length / tensor.rowSize;
    for (const part of tensor.parts) {
      const from = Math.max(rowStart, part.rowStart);
      const end = Math.min(rowStart + rows, part.rowStart + part.rows);
      if (from >= end) continue;
      const piece = values.subarray((from - rowStart) * tensor.rowSize, (end - rowStart) * tensor.rowSize);
      this.device.write(part.view, piece, (from - part.rowStart) * tensor.rowSize * 4);
    }
  }

  async readValues(name: string): Promise<Float32Array> {
    return this.device.readF32(this.parameter(name).tensor);
  }

  /** AdamW's moments of a parameter, in the parameter's shape. */
  async readMoments(name: string): Promise<Moments> {
    return { m: await this.moment(name, 'm'), v: await this.moment(name, 'v') };
  }

  writeMoments(name: string, moments: Moments): void {
    for (const [of, what] of [
      ['m', 'first moment'],
      ['v', 'second moment'],
    ] as const) {
      const slot = this.slot(name);
      if (slot.moments) this.write(name, what, slot.moments[of], moments[of]);
      else {
        this.checkSize(name, what, moments[of]);
        for (const [host, from] of this.onHost(slot, of)) host.set(moments[of].subarray(from, from + host.length));
      }
    }
  }

  private async moment(name: string, of: 'm' | 'v'): Promise<Float32Array> {
    const slot = this.slot(name);
    if (slot.moments) return this.device.readF32(slot.moments[of]);
    const whole = new Float32Array(this.parameter(name).tensor.size);
    for (const [host, from] of this.onHost(slot, of)) whole.set(host, from);
    return whole;
  }

  /** The runs of a parameter's moment in host memory, and the first value of each. */
  private onHost({ spec, pieces }: Slot, of: 'm' | 'v', arrays = this.hostMoments![of]): [Float32Array, number][] {
    const rowSize = bytesPerRow(spec) / 4;
    return pieces.map(({ arena, offset, rowStart, rows }) => [
      arrays[arena]!.subarray(offset / 4, offset / 4 + rows * rowSize),
      rowStart * rowSize,
    ]);
  }

  /** Bytes that `snapshot` copies. */
  get snapshotBytes(): number {
    return this.arenas.reduce((sum, { bytes }) => sum + 3 * bytes, 0);
  }

  /**
   * Values and moments as they are after everything dispatched so far. The copies are part of the GPU's command stream, so the next steps
   * may be dispatched at once; whoever asks waits for them.
   */
  snapshot(): Snapshot {
    const { hostMoments } = this;
    const copies = this.arenas.map(({ values, moments }, at) => {
      const read = (view: BufferView): Promise<ArrayBuffer> => {
        const bytes = this.device.read(view);
        bytes.catch(() => undefined); // told to whoever asks; a save that failed earlier asks no more
        return bytes;
      };
      const moment = (of: 'm' | 'v'): Promise<ArrayBuffer> =>
        moments ? read(moments[of]) : Promise.resolve(hostMoments![of][at]!.slice().buffer);
      return { values: read(values), m: moment('m'), v: moment('v') };
    });
    const gather = async (name: string, of: 'values' | 'm' | 'v'): Promise<Float32Array> => {
      const { tensor } = this.parameter(name);
      const runs: Float32Array[] = [];
      for (const { arena, offset, rows } of this.slot(name).pieces)
        runs.push(new Float32Array(await copies[arena]![of], offset, rows * tensor.rowSize));
      if (runs.length === 1) return runs[0]!;
      const whole = new Float32Array(tensor.size);
      tensor.parts.forEach(({ rowStart }, index) => {
        whole.set(runs[index]!, rowStart * tensor.rowSize);
      });
      return whole;
    };
    const arrived = Promise.all(copies.flatMap(({ values, m, v }) => [values, m, v]));
    arrived.catch(() => undefined);
    return { values: (name) => gather(name, 'values'), moment: gather, arrived };
  }

  /** The same read from the GPU when asked for: for what is too large to copy, while nothing trains. */
  live(): TrainedState {
    return { values: (name) => this.readValues(name), moment: (name, of) => this.moment(name, of) };
  }

  /** Gives the buffers back to the pool; the parameters are unusable after that. */
  release(): void {
    for (const { values, gradients, moments } of this.arenas) {
      for (const view of new Set([values, gradients, ...(moments ? [moments.m, moments.v] : [])])) this.device.pool.release(view);
    }
    this.hostMoments?.release();
  }

  private parameter(name: string): Parameter & { grad: Tensor } {
    const parameter = this.parameters.get(name);
    if (!parameter) throw new Error(`no trained parameter is named '${name}'`);
    return parameter;
  }

  private slot(name: string): Slot {
    const slot = this.slots.get(name);
    if (!slot) throw new Error(`no trained parameter is named '${name}'`);
    return slot;
  }

  private checkSize(name: string, what: string, values: Float32Array): void {
    const { tensor } = this.parameter(name);
    if (values.length === tensor.size) return;
    throw new UserError(
      `'${name}': ${what} of shape (${tensor.shape.join(', ')}) expected, that is ${tensor.size} numbers, found ${values.length}. ` +
        'The file was made for another model or another --lora_r.',
    );
  }

  private write(name: string, what: string, tensor: Tensor, values: Float32Array): void {
    this.checkSize(name, what, values);
    for (const part of tensor.parts) {
      const from = part.rowStart * tensor.rowSize;
      this.device.write(part.view, values.subarray(from, from + part.rows * tensor.rowSize));
    }
  }

  private parts(spec: ParameterSpec, pieces: readonly Piece[], of: (arena: Arena) => BufferView): TensorPart[] {
    const rowBytes = bytesPerRow(spec);
    return pieces.map((piece) => {
      const whole = of(this.arenas[piece.arena]!);
      const view = { buffer: whole.buffer, offset: whole.offset + piece.offset, bytes: piece.rows * rowBytes };
      return { view, rowStart: piece.rowStart, rows: piece.rows };
    });
  }
}

function bytesPerRow(spec: ParameterSpec): number {
  return spec.shape.slice(1).reduce((product, extent) => product * extent, 4);
}

/** Where every parameter goes: in order, into the open arena of its group; where that is full, into a new one. */
function layOut(specs: readonly ParameterSpec[], limit: number): { pieces: Piece[][]; arenas: { decay: boolean; bytes: number }[] } {
  const arenas: { decay: boolean; bytes: number }[] = [];
  const open = new Map<boolean, number>();
  const place = (decay: boolean, bytes: number): { arena: number; offset: number } => {
    let arena = open.get(decay);
    if (arena === undefined || arenas[arena]!.bytes + bytes > limit) {
      arena = arenas.push({ decay, bytes: 0 }) - 1;
      open.set(decay, arena);
    }
    const offset = arenas[arena]!.bytes;
    arenas[arena]!.bytes += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return { arena, offset };
  };
  const pieces = specs.map((spec) => {
    const rowBytes = bytesPerRow(spec);
    const rows = spec.shape[0] ?? 1;
    if (rows * rowBytes === 0) throw new Error(`parameter '${spec.name}' of shape (${spec.shape.join(', ')}) holds nothing`);
    if (rowBytes > limit) {
      throw new UserError(
        `One row of '${spec.name}' (${spec.shape.join(', ')}) takes ${rowBytes} bytes and this adapter binds at most ${limit} at once. ` +
          'This parameter cannot be trained here; train LoRA adapters, or use another adapter.',
      );
    }
    const rowsAtOnce = Math.min(rows, Math.floor(limit / rowBytes));
    const out: Piece[] = [];
    for (let rowStart = 0; rowStart < rows; rowStart += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, rows - rowStart);
      out.push({ ...place(spec.decay, count * rowBytes), rowStart, rows: count });
    }
    return out;
  });
  return { pieces, arenas };
}
