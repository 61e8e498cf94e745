/**
 * Features of pictures, where nothing trains that makes them: they are the same in every epoch, so those that fit into a part of the
 * machine's memory are made once. A picture is known by its pixels, whatever row it stands in (src/models/pictureKey.ts). Each goes through
 * the tower by itself, so that its features are the same to the bit whichever pictures are kept, and no batch takes more memory there than
 * its largest picture.
 */
import type { Example } from '../data/example.ts';
import type { Device } from '../gpu/device.ts';
import { Tensor } from '../gpu/tensor.ts';
import { ahead } from '../io/ahead.ts';
import { runTower } from './pictureGroups.ts';
import type { Picture } from './pictureGroups.ts';
import { pictureKeys, picturePixels } from './pictureKey.ts';
import type { Tensors } from './stages.ts';
import type { Vision } from './vision.ts';

/**
 * first: what came first stays. Rows that come round again and again are kept for the part that fits, while the least recently used of
 * them would always be gone when its turn came. latest: the least recently used makes room, for questions that nobody knows beforehand.
 */
export type Keeping = 'first' | 'latest';

export interface FeatureRoom {
  /** Of the machine's memory; 0 keeps nothing. */
  bytes: number;
  keeping: Keeping;
}

/** Of MedGemma, 800 pictures. */
const FEATURE_BYTES = 2 * 2 ** 30;

/** Undefined where something trains that makes features. Rows that are trained on come again, questions are not known beforehand. */
export function picturesFor(
  { modules }: Vision,
  { isAsked, bytes = FEATURE_BYTES }: { isAsked: boolean; bytes?: number | undefined },
): PictureFeatures | undefined {
  if (modules.trains && !isAsked) return undefined;
  return new PictureFeatures({ bytes, keeping: isAsked ? 'latest' : 'first' });
}

/** A picture's features by name, (features, width); without values on a dry device. Not there before they are read back. */
interface Held {
  bytes: number;
  values?: ReadonlyMap<string, Float32Array<ArrayBuffer>>;
}

/** Its pixels are empty in a row that comes without them. */
interface PlacedPicture extends Picture {
  /** Rows of the batch's features at which its own begin: more than one where it is there twice. */
  places: number[];
}

/** Nothing trains, and nothing is left out. */
const ALONE = { grad: false, training: false, checkpointing: true, random: { seed: 0, step: 0 } };
const NO_VALUES = new Float32Array(0);

export class PictureFeatures {
  private readonly room: FeatureRoom;
  /** The least recently used first. */
  private readonly held = new Map<string, Held>();
  private heldBytes = 0;

  constructor(room: FeatureRoom) {
    this.room = room;
  }

  /** What it takes of the machine's memory. */
  get bytes(): number {
    return this.heldBytes;
  }

  /** Features of all pictures of a batch, by name (Σ features, width), which are the caller's. */
  async of(device: Device, vision: Vision, examples: readonly Example[]): Promise<Tensors> {
    const { pictures, rows } = picturesOf(vision, await this.withPixels(examples));
    const rowBytes = 4 * vision.width;
    const whole = new Map(
      vision.gives.map((name) => [name, new Tensor([rows, vision.width], 'f32', device.pool.acquire(rows * rowBytes, 'batch'))] as const),
    );
    const missing: [string, PlacedPicture][] = [];
    for (const [key, picture] of pictures) {
      const known = this.recall(key);
      if (!known) missing.push([key, picture]);
      else
        for (const [name, values] of known)
          for (const place of picture.places) device.write(whole.get(name)!.view, values, place * rowBytes);
    }
    // What is read back of a picture is waited for when the next one is on its way.
    let reading: (() => Promise<void>) | undefined;
    for (const [key, picture] of missing) {
      const { made, release } = await runTower(device, vision, [picture], ALONE);
      release();
      for (const [name, { view, bytes }] of Object.entries(made)) {
        const { buffer, offset } = whole.get(name)!.view;
        for (const place of picture.places) device.copy(view, { buffer, offset: offset + place * rowBytes, bytes }, bytes);
      }
      await reading?.();
      reading = this.keep(device, key, made);
      for (const { view } of Object.values(made)) device.pool.release(view);
    }
    await reading?.();
    return Object.fromEntries(whole);
  }

  /** For when what makes features is not what it was, or makes them in another way. */
  clear(): void {
    this.held.clear();
    this.heldBytes = 0;
  }

  /** Features of all these pictures are there. @param keys `pictureKeys` */
  holds(keys: readonly string[]): boolean {
    return keys.every((key) => this.held.get(key)?.values !== undefined);
  }

  /** Rows that came without pixels, since their features were kept, are made again where these are gone. */
  private async withPixels(examples: readonly Example[]): Promise<readonly Example[]> {
    const rows = [...examples];
    const lacking = (): number => rows.findIndex(({ again, pictureKeys: keys = [] }) => again !== undefined && !this.holds(keys));
    for (let at = lacking(); at >= 0; at = lacking()) rows[at] = await rows[at]!.again!();
    return rows;
  }

  private recall(key: string): Held['values'] {
    const held = this.held.get(key);
    if (!held?.values) return undefined;
    this.held.delete(key);
    this.held.set(key, held);
    return held.values;
  }

  /** Begins to read back what was made, where there is room for it. @returns what ends that */
  private keep(device: Device, key: string, made: Tensors): (() => Promise<void>) | undefined {
    const bytes = Object.values(made).reduce((sum, tensor) => sum + tensor.bytes, 0);
    if (this.held.has(key) || !this.makeRoom(bytes)) return undefined;
    const held: Held = { bytes };
    this.held.set(key, held);
    this.heldBytes += bytes;
    const opening = Object.entries(made).map(([name, { view }]) => [name, ahead(device.open(view))] as const);
    // The buffer that is read through is given back here and nowhere else: memory is planned, and does not depend on who is faster.
    return async () => {
      const values = new Map<string, Float32Array<ArrayBuffer>>();
      for (const [name, opened] of opening) {
        const { content, close } = await opened;
        values.set(name, device.isDry ? NO_VALUES : new Float32Array(content.slice(0)));
        close();
      }
      held.values = values;
    };
  }

  private makeRoom(bytes: number): boolean {
    if (bytes > this.room.bytes) return false;
    for (const [key, held] of this.held) {
      if (this.heldBytes + bytes <= this.room.bytes) return true;
      if (this.room.keeping === 'first') return false;
      this.held.delete(key);
      this.heldBytes -= held.bytes;
    }
    return true;
  }
}

/** The pictures of a batch by what they show, each once, and how many rows of features they are. */
function picturesOf(vision: Vision, examples: readonly Example[]): { pictures: Map<string, PlacedPicture>; rows: number } {
  const pictures = new Map<string, PlacedPicture>();
  let rows = 0;
  for (const example of examples) {
    const keys = example.pictureKeys ?? pictureKeys(vision, example);
    picturePixels(vision, example).forEach((pixels, at) => {
      const grid = example.imageGrids[at]!;
      const same = pictures.get(keys[at]!);
      if (same) same.places.push(rows);
      else pictures.set(keys[at]!, { grid, pixels, places: [rows] });
      rows += vision.features(grid);
    });
  }
  return { pictures, rows };
}
