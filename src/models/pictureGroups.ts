/**
 * Many pictures through a tower that trains: a group after the other, so that what they take of the GPU is what a group takes. Forward only
 * their features are kept; when the text has given the gradients of these, each group goes through the tower again and is differentiated.
 * It is gradient checkpointing once more, with a group as what is run again. A picture depends on no other, so that features and gradients
 * are those of all pictures at once, but for the order of sums.
 */
import type { Example } from '../data/example.ts';
import type { Device } from '../gpu/device.ts';
import { Tensor } from '../gpu/tensor.ts';
import { BatchTables } from './batchTables.ts';
import { picturePixels } from './pictureKey.ts';
import { StageChain } from './stageChain.ts';
import type { ChainOptions } from './stageChain.ts';
import { HIDDEN } from './stages.ts';
import type { Tensors } from './stages.ts';
import type { Grid, Vision } from './vision.ts';

/** The widest activation of a group, at most, where a picture alone is not more: 7 pictures of MedGemma, 42 tiles of SmolVLM-256M. */
export const GROUP_BYTES = 2 ** 29;

/** A picture, or a tile of one. */
export interface Picture {
  grid: Grid;
  /** (patches, …) */
  pixels: Float32Array;
}

/** A run of the tower. */
export interface TowerRun {
  chain: StageChain;
  /** Features by name, (Σ features, width), the caller's. */
  made: Tensors;
  /** Of the tables that the stages read. */
  release(): void;
}

/** Some pictures through the tower. */
export async function runTower(device: Device, vision: Vision, pictures: readonly Picture[], options: ChainOptions): Promise<TowerRun> {
  const tables = new BatchTables(device);
  const grids = pictures.map(({ grid }) => grid);
  const stages = vision.stages(tables, grids, { grad: options.grad });
  const input = tables.pixels(
    pictures.map(({ pixels }) => pixels),
    grids.reduce((sum, grid) => sum + vision.patches(grid), 0),
  );
  const chain = new StageChain(device, options);
  const made = await chain.runFor(vision.gives, stages, { [HIDDEN]: input });
  const release = (): void => {
    for (const { view } of tables.tables) device.pool.release(view);
  };
  return { chain, made, release };
}

export class PictureGroups {
  private readonly device: Device;
  private readonly vision: Vision;
  private readonly options: ChainOptions;
  private readonly groups: readonly Picture[][];

  private constructor(device: Device, vision: Vision, groups: Picture[][], { tap: _, keptStages: __, ...options }: ChainOptions) {
    [this.device, this.vision, this.groups, this.options] = [device, vision, groups, options];
  }

  /** Undefined where the pictures of a batch are one group. */
  static of(device: Device, vision: Vision, examples: readonly Example[], options: ChainOptions): PictureGroups | undefined {
    const pictures = examples.flatMap((example) =>
      picturePixels(vision, example).map((pixels, at): Picture => ({ grid: example.imageGrids[at]!, pixels })),
    );
    const limit = Math.min(GROUP_BYTES, device.maxBindingBytes);
    const groups: Picture[][] = [];
    let bytes = Infinity;
    for (const picture of pictures) {
      const own = 4 * Math.max(picture.pixels.length, vision.patches(picture.grid) * vision.widest);
      if (bytes + own > limit) {
        groups.push([]);
        bytes = 0;
      }
      groups.at(-1)!.push(picture);
      bytes += own;
    }
    return groups.length > 1 ? new PictureGroups(device, vision, groups, options) : undefined;
  }

  /** Features of all pictures, by name, which are the caller's; they want a gradient where the tower trains. */
  async forward(): Promise<Tensors> {
    const { device, vision } = this;
    const rows = this.groups.reduce((sum, group) => sum + this.rowsOf(group), 0);
    const whole: Record<string, Tensor> = {};
    for (const name of vision.gives) {
      whole[name] = new Tensor([rows, vision.width], 'f32', device.pool.acquire(4 * rows * vision.width, 'batch'));
      whole[name].requiresGrad = this.options.grad && vision.modules.trains;
    }
    let at = 0;
    for (const [group, pictures] of this.groups.entries()) {
      const { made, release } = await runTower(device, vision, pictures, { ...this.optionsOf(group), grad: false });
      for (const [name, { view, bytes }] of Object.entries(made)) {
        const { buffer, offset } = whole[name]!.view;
        device.copy(view, { buffer, offset: offset + at, bytes }, bytes);
        device.pool.release(view);
      }
      release();
      at += 4 * this.rowsOf(pictures) * vision.width;
    }
    return whole;
  }

  /** Adds the gradients of what trains in the tower. @param gradients of `forward`'s features, by name, which it takes over */
  async backward(gradients: Tensors): Promise<void> {
    const { device, vision } = this;
    let end = Object.values(gradients)[0]?.bytes ?? 0;
    for (let group = this.groups.length - 1; group >= 0; group--) {
      const pictures = this.groups[group]!;
      const { chain, made, release } = await runTower(device, vision, pictures, this.optionsOf(group));
      for (const { view } of Object.values(made)) device.pool.release(view);
      const rows = this.rowsOf(pictures);
      const bytes = 4 * rows * vision.width;
      end -= bytes;
      const own = Object.entries(gradients).map(([name, { view }]): [string, Tensor] => {
        const part = new Tensor([rows, vision.width], 'f32', device.pool.acquire(bytes, 'scratch'));
        device.copy({ buffer: view.buffer, offset: view.offset + end, bytes }, part.view, bytes);
        return [name, part];
      });
      await chain.backward(Object.fromEntries(own));
      chain.release();
      release();
      device.flush();
    }
    for (const { view } of Object.values(gradients)) device.pool.release(view);
  }

  private rowsOf(group: readonly Picture[]): number {
    return group.reduce((sum, { grid }) => sum + this.vision.features(grid), 0);
  }

  /** Every group draws numbers of its own, the same whenever it is run; what trains is passed with the group that goes back last. */
  private optionsOf(group: number): ChainOptions {
    const { onPassed, random, ...options } = this.options;
    const seed = (random.seed + group * 0x9e3779b9) >>> 0;
    return { ...options, random: { ...random, seed: group === 0 ? random.seed : seed }, ...(onPassed && group === 0 && { onPassed }) };
  }
}
