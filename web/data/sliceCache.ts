/** Slices that the page holds: the one that is shown, its neighbours, and those seen last. */
import type { Plane } from '../../src/data/planes.ts';
import type { Scan } from '../studio/project.ts';
import type { ScanClient } from './scanClient.ts';
import type { SlicePixels } from './scanFunctions.ts';

/** Slices ahead and behind that are fetched before they are asked for. */
const AHEAD = 6;
/** Bytes of all that are held. */
const MOST_BYTES = 96 * 2 ** 20;

export class SliceCache {
  readonly #scans: Pick<ScanClient, 'slice'>;
  /** Least recently used first. */
  readonly #held = new Map<string, SlicePixels>();
  readonly #coming = new Map<string, Promise<SlicePixels>>();
  #bytes = 0;

  constructor(scans: Pick<ScanClient, 'slice'>) {
    this.#scans = scans;
  }

  /** At once, if it is here. */
  peek(scan: Scan, plane: Plane | null, index: number): SlicePixels | undefined {
    const key = keyOf(scan, plane, index);
    const found = this.#held.get(key);
    if (found === undefined) return undefined;
    this.#held.delete(key);
    this.#held.set(key, found);
    return found;
  }

  async get(scan: Scan, plane: Plane | null, index: number): Promise<SlicePixels> {
    const held = this.peek(scan, plane, index);
    if (held !== undefined) return held;
    const key = keyOf(scan, plane, index);
    let coming = this.#coming.get(key);
    if (coming === undefined) {
      coming = this.#scans.slice(scan, plane, index).finally(() => this.#coming.delete(key));
      this.#coming.set(key, coming);
      const pixels = await coming;
      this.#held.set(key, pixels);
      this.#bytes += bytesOf(pixels);
      this.#evict();
    }
    return coming;
  }

  /** The neighbours, the nearest first. What fails is told when it is asked for. */
  ahead(scan: Scan, plane: Plane | null, index: number, count: number): void {
    if (plane === null) return;
    for (let step = 1; step <= AHEAD; step++)
      for (const next of [index + step, index - step])
        if (next >= 0 && next < count && !this.#held.has(keyOf(scan, plane, next))) void this.get(scan, plane, next).catch(() => undefined);
  }

  #evict(): void {
    for (const [key, pixels] of this.#held) {
      if (this.#bytes <= MOST_BYTES || this.#held.size <= 1) return;
      this.#held.delete(key);
      this.#bytes -= bytesOf(pixels);
    }
  }
}

const keyOf = ({ id }: Scan, plane: Plane | null, index: number): string => `${id} ${plane ?? ''} ${index}`;
const bytesOf = ({ values, rgb }: SlicePixels): number => (values?.byteLength ?? 0) + (rgb?.byteLength ?? 0);
