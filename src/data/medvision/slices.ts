/** Slices as the model sees them, and the volumes they are cut from, each opened once as long as memory allows. */
import type { DecodedImage, Platform } from '../../platform.ts';
import { UserError, joinPath } from '../../platform.ts';
import { openVolume, readNiftiHeader } from '../nifti.ts';
import type { NiftiHeader, Volume, VolumeSlice } from '../nifti.ts';
import type { MedvisionSample } from './sample.ts';

/**
 * The reference's picture of a slice: min–max over the slice to 0…255 in float32, cut off (not rounded) to a byte, grey to RGB. A constant slice
 * or one with a NaN is black; with an infinity every pixel is 0 as well.
 */
export function sliceToRgb(slice: VolumeSlice): DecodedImage {
  const { rows, cols } = slice;
  const values = Float32Array.from(slice.values); // the reference casts nibabel's doubles to float32 first
  let min = Infinity;
  let max = -Infinity;
  let hasNaN = false;
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
    if (Number.isNaN(value)) hasNaN = true;
  }
  const data = new Uint8Array(rows * cols * 3);
  if (hasNaN || !(max > min)) return { width: cols, height: rows, data };
  const range = Math.fround(max - min);
  for (let i = 0; i < values.length; i++) {
    // Each step rounds to float32, as numpy does. NaN (from infinities) becomes 0.
    const grey = Math.trunc(Math.fround(Math.fround(Math.fround((values[i] ?? 0) - min) / range) * 255));
    data[i * 3] = grey;
    data[i * 3 + 1] = grey;
    data[i * 3 + 2] = grey;
  }
  return { width: cols, height: rows, data };
}

/** The RGB picture of a sample's slice. */
export function renderSlice(volume: Volume, sample: MedvisionSample): DecodedImage {
  const slice = volume.slice(sample.sliceDim, sample.sliceIdx);
  if (slice.rows !== sample.height || slice.cols !== sample.width) {
    throw new UserError(
      `${volume.header.path}: slices along axis ${sample.sliceDim} are ${slice.rows}×${slice.cols}, the plan says ${sample.height}×${sample.width}. ` +
        'The volume is not the one that was annotated; fetch it again.',
    );
  }
  return sliceToRgb(slice);
}

/** Volumes of a data dir by relative path, least recently used out first once they exceed a number of bytes. */
export class VolumeCache {
  private readonly platform: Platform;
  private readonly dataDir: string;
  private readonly limitBytes: number;
  private readonly volumes = new Map<string, Promise<Volume>>();
  private readonly headers = new Map<string, Promise<NiftiHeader>>();
  private readonly sizes = new Map<string, number>();
  private usedBytes = 0;

  constructor(platform: Platform, dataDir: string, limitBytes = 512 * 2 ** 20) {
    this.platform = platform;
    this.dataDir = dataDir;
    this.limitBytes = limitBytes;
  }

  /** Bytes of the volumes it holds; a volume larger than the limit is held alone, until the next one. */
  get bytes(): number {
    return this.usedBytes;
  }

  async open(imageFile: string): Promise<Volume> {
    const held = this.volumes.get(imageFile);
    if (held !== undefined) {
      this.volumes.delete(imageFile); // to the end: most recently used
      this.volumes.set(imageFile, held);
      return held;
    }
    const opening = openVolume(this.platform, joinPath(this.dataDir, imageFile));
    this.volumes.set(imageFile, opening);
    try {
      const volume = await opening;
      this.sizes.set(imageFile, volume.byteLength);
      this.usedBytes += volume.byteLength;
      this.evict(imageFile);
      return volume;
    } catch (cause) {
      this.volumes.delete(imageFile);
      throw cause;
    }
  }

  /** Shape and zooms without the voxels. */
  header(imageFile: string): Promise<NiftiHeader> {
    const held = this.headers.get(imageFile);
    if (held !== undefined) return held;
    const reading = readNiftiHeader(this.platform, joinPath(this.dataDir, imageFile));
    // A few kB at most: a plan's cases come one after the other, so only the latest headers are asked for again.
    if (this.headers.size >= 256) for (const oldest of [...this.headers.keys()].slice(0, 128)) this.headers.delete(oldest);
    this.headers.set(imageFile, reading);
    return reading;
  }

  private evict(keep: string): void {
    for (const [name] of this.volumes) {
      if (this.usedBytes <= this.limitBytes) return;
      const size = this.sizes.get(name);
      if (name === keep || size === undefined) continue; // the one just asked for, or one that is still being read
      this.volumes.delete(name);
      this.sizes.delete(name);
      this.usedBytes -= size;
    }
  }
}
