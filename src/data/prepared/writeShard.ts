/**
 * The work of one file: slices cut and turned into PNG, rows into Parquet, the file written under its final name in one step. It depends on
 * nothing but its samples, so any worker may do it, in any order, and a second time after a kill.
 */
import { PLANES } from '../planes.ts';
import { joinPath, parentPath } from '../../platform.ts';
import type { DecodedImage, Platform } from '../../platform.ts';
import type { MedvisionSample } from '../medvision/sample.ts';
import { sha256Hex } from './identity.ts';
import type { ImageStorage } from './identity.ts';
import type { ShardEntry } from './manifest.ts';
import type { PreparedImage, PreparedRow } from './row.ts';

/** Rows of a row group. */
const GROUP_ROWS = { pictures: 32, annotations: 1024 } as const;

/** What a worker is sent. */
export interface ShardJob {
  /** The prepared folder. */
  dir: string;
  file: string;
  images: ImageStorage;
  samples: MedvisionSample[];
  /** One a sample. */
  lengthEstimates: number[];
}

/** The picture of a sample's slice. */
export type SliceSource = (sample: MedvisionSample) => Promise<DecodedImage>;

/**
 * @param slice the picture of a sample, RGB (height, width)
 * @returns the file's entry of the manifest: name, rows, bytes, hash
 */
export async function writeShard(platform: Platform, job: ShardJob, slice: SliceSource): Promise<ShardEntry> {
  const { samples, images: storage } = job;
  const images = new Array<PreparedImage | null>(samples.length).fill(null);
  if (storage !== 'none') {
    // By volume, so that each is opened once; the rows keep their places.
    const order = [...samples.keys()].sort((a, b) => compare(samples[a]?.imageFile, samples[b]?.imageFile) || a - b);
    const drawn = new Map<string, PreparedImage>();
    for (const at of order) {
      const sample = samples[at];
      if (sample === undefined) continue;
      const path = picturePath(sample);
      const image = drawn.get(path) ?? (await picture(platform, sample, path, slice));
      drawn.set(path, image);
      images[at] = image;
      if (storage === 'files') await writePicture(platform, joinPath(job.dir, path), image.bytes);
    }
  }
  const rows = samples.map((sample, i): PreparedRow => ({ sample, image: images[i] ?? null, lengthEstimate: job.lengthEstimates[i] ?? 0 }));
  const { encodeShard } = await import('./encodeShard.ts'); // the writer of Parquet, where there is something to write
  const bytes = encodeShard(rows, storage === 'none' ? GROUP_ROWS.annotations : GROUP_ROWS.pictures);
  // Pictures of patients, or where they are.
  await platform.writeFile(joinPath(job.dir, job.file), bytes, { isPrivate: true });
  return { file: job.file, rows: rows.length, bytes: bytes.length, sha256: await sha256Hex(bytes) };
}

async function picture(platform: Platform, sample: MedvisionSample, path: string, slice: SliceSource): Promise<PreparedImage> {
  const picture = await slice(sample);
  const { width, height, grey } = picture;
  // In colour, as the reference has them: not every processor takes greys.
  const png = await (grey ? platform.encodePng(grey, width, height, 1, 3) : platform.encodePng(picture.data, width, height, 3));
  picture.release?.();
  return { bytes: png, path };
}

/** A file that is there is whole, and was made from the same slice: a folder of other settings is not continued. */
async function writePicture(platform: Platform, path: string, png: Uint8Array): Promise<void> {
  if (await platform.exists(path)) return;
  await platform.makeDir(parentPath(path));
  await platform.writeFile(path, png, { isPrivate: true });
}

/** `png/<dataset>/…/<volume>/axial-0042.png`: the volume's whole path and name, so that no two slices share a file. */
export function picturePath(sample: MedvisionSample): string {
  const volume = sample.imageFile.replace(/^Datasets\//, '');
  // Annotations of one slice share its picture, unless the window of grey levels follows the structure.
  const window = typeof sample.intensity === 'object' ? `-${sample.intensity.low}to${sample.intensity.high}` : '';
  return joinPath('png', volume, `${PLANES[sample.sliceDim]}-${String(sample.sliceIdx).padStart(4, '0')}${window}.png`);
}

function compare(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
