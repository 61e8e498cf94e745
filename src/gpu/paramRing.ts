/** The parameters of the dispatches of one submit, a slot each in a uniform buffer that is uploaded with it. */
import { BUFFER_USAGE } from './flags.ts';
import { SLOT_BYTES } from './kernel.ts';
import type { ParamField } from './kernelSource.ts';

const SLOTS = 8192;
/** The one parameter that the device sets: where a dispatch begins that is made in several. */
const FIRST_GROUP = 'first_group';

export class ParamRing {
  readonly buffer: GPUBuffer;
  private readonly gpu: GPUDevice;
  private readonly data = new ArrayBuffer(SLOT_BYTES * SLOTS);
  private readonly view = new DataView(this.data);
  private used = 0;

  constructor(gpu: GPUDevice) {
    this.gpu = gpu;
    this.buffer = gpu.createBuffer({ size: SLOT_BYTES * SLOTS, usage: BUFFER_USAGE.UNIFORM | BUFFER_USAGE.COPY_DST, label: 'params' });
  }

  get isFull(): boolean {
    return this.used === SLOTS;
  }

  /** @returns the offset of the slot */
  put(label: string, fields: readonly ParamField[], values: Readonly<Record<string, number>>, firstGroup: number): number {
    const slot = this.used++ * SLOT_BYTES;
    let at = slot;
    for (const { name, type } of fields) {
      const value = name === FIRST_GROUP ? firstGroup : values[name];
      if (value === undefined) throw new Error(`kernel '${label}': parameter '${name}' is not set`);
      if (type === 'f32') this.view.setFloat32(at, value, true);
      else if (type === 'u32') this.view.setUint32(at, value, true);
      else this.view.setInt32(at, value, true);
      at += 4;
    }
    return slot;
  }

  /** Uploads what was put, for the submit that follows, and begins again. */
  upload(): void {
    this.gpu.queue.writeBuffer(this.buffer, 0, this.data, 0, this.used * SLOT_BYTES);
    this.used = 0;
  }

  drop(): void {
    this.used = 0;
  }
}
