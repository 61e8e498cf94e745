/**
 * Sums the gradients of a step, and its loss, over all ranks: from the GPU to this machine's memory in slices, through `World.sum`, and
 * back. A slice is sent for as soon as backward has passed the stages whose parameters it holds, those of the last layers first, so that
 * most of the sum is hidden behind the last micro-batch. The GPU may be a second behind what is dispatched (src/gpu/pacing.ts): what is
 * sent for when the slice before has come would wait behind all of that, so the copy is dispatched with the backward itself.
 */
import type { Device } from '../gpu/device.ts';
import type { BufferView } from '../gpu/pool.ts';
import type { Opened } from '../gpu/readback.ts';
import type { Tensor } from '../gpu/tensor.ts';
import { ahead } from '../io/ahead.ts';
import { doAll } from '../world/world.ts';
import type { World } from '../world/world.ts';
import type { ParameterArena } from './parameterArena.ts';

/** Large enough for a network's full speed, small enough that a few of them are nothing beside the gradients. */
const SLICE_BYTES = 8 * 2 ** 20;
/** Of slices that are sent for and not yet on their way back: an adapter of a large model; of a whole model the rest waits. */
const HELD_BYTES = 256 * 2 ** 20;

interface Slice {
  view: BufferView;
  /** Parameters whose gradients lie in it. */
  names: readonly string[];
}

/** A step that some rank has given up; its gradients are nothing. */
export type StepOutcome = 'summed' | 'given up';

export class GradientSum {
  private readonly device: Device;
  private readonly world: World;
  private readonly slices: readonly Slice[];
  private readonly heldBytes: number;
  private waiting: Set<string>[] = [];
  /** Of the first slices, as far as they are sent for. */
  private reads: Promise<Opened>[] = [];
  private held = 0;
  private wake: () => void = () => undefined;
  private failure: Error | undefined;
  private summing: Promise<StepOutcome> | undefined;

  /** @param lossSum summed with the gradients */
  constructor(
    device: Device,
    world: World,
    arena: ParameterArena,
    lossSum: Tensor,
    { sliceBytes = SLICE_BYTES, heldBytes = HELD_BYTES }: { sliceBytes?: number; heldBytes?: number } = {},
  ) {
    this.device = device;
    this.world = world;
    this.heldBytes = heldBytes;
    this.slices = [...slicesOf(arena, sliceBytes), { view: lossSum.view, names: [] }];
  }

  /**
   * Called by every rank in every step, when it comes to the last of its micro-batches or has given the step up: the sum begins when all
   * have said that they go on.
   */
  begin(goesOn: boolean): void {
    this.waiting = this.slices.map(({ names }) => new Set(names));
    this.reads = [];
    this.held = 0;
    this.failure = undefined;
    this.summing = ahead(this.run(goesOn));
  }

  /** The backward of the last micro-batch has gone past this stage, and none of its parameters gets anything more. */
  passed(stage: string): void {
    for (const names of this.waiting) for (const name of names) if (name.startsWith(`${stage}.`)) names.delete(name);
    this.send();
  }

  /** All micro-batches are done. Gradients and loss are the sums when this resolves, for whatever is dispatched after it. */
  async finish(): Promise<StepOutcome> {
    if (!this.summing) throw new Error('finish() of a sum that was not begun');
    for (const names of this.waiting) names.clear();
    this.send();
    return this.summing;
  }

  /** This rank has failed: what waits for its gradients here ends. */
  drop(error: unknown): void {
    this.failure = error instanceof Error ? error : new Error(String(error));
    this.wake();
  }

  private async run(goesOn: boolean): Promise<StepOutcome> {
    try {
      return (await doAll(this.world, goesOn)) ? await this.sumAll() : 'given up';
    } finally {
      for (const read of this.reads)
        void read.then(
          ({ close }) => close(),
          () => undefined,
        );
    }
  }

  /** A slice is summed where it was read to, and is in this machine's memory once: there, or on its way up. */
  private async sumAll(): Promise<StepOutcome> {
    let written: Promise<void> = Promise.resolve();
    for (const [at, { view }] of this.slices.entries()) {
      while (this.reads[at] === undefined && this.failure === undefined) await new Promise<void>((resolve) => (this.wake = resolve));
      this.throwFailure();
      const { content, close } = await this.reads[at]!;
      const values = new Float32Array(content);
      await this.world.sum(values);
      this.throwFailure();
      await written;
      this.device.write(view, values);
      close();
      this.held -= view.bytes;
      this.send();
      written = ahead(this.device.drain());
    }
    await written;
    return 'summed';
  }

  private throwFailure(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  /** Sends for the next slices that are ready, while there is room for them. */
  private send(): void {
    for (let at = this.reads.length; at < this.slices.length && this.waiting[at]!.size === 0; at++) {
      const { view } = this.slices[at]!;
      if (this.held > 0 && this.held + view.bytes > this.heldBytes) break;
      this.held += view.bytes;
      this.reads.push(ahead(this.device.open(view)));
    }
    this.wake();
  }
}

/**
 * In the order in which backward comes to have passed them: what was placed last (the last layers) first. It is the same at every rank,
 * whatever is in its rows.
 */
function slicesOf(arena: ParameterArena, sliceBytes: number): Slice[] {
  const slices: (Slice & { first: number })[] = [];
  const order = new Map([...arena.parameters.keys()].map((name, at) => [name, at]));
  arena.arenas.forEach(({ gradients }, at) => {
    for (let from = 0; from < gradients.bytes; from += sliceBytes) {
      const bytes = Math.min(sliceBytes, gradients.bytes - from);
      const names = arena.within(at, from, from + bytes);
      const first = Math.min(...names.map((name) => order.get(name) ?? 0));
      slices.push({ view: { buffer: gradients.buffer, offset: gradients.offset + from, bytes }, names, first });
    }
  });
  return slices.sort((a, b) => b.first - a.first);
}
