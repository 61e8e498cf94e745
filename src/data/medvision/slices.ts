/** Slices as the model sees them, and the volumes they are cut from, each opened once as long as memory allows. */
import type { DecodedImage, Platform } from '../../platform.ts';
import { UserError, joinPath } from '../../platform.ts';
import { anyVolumeHeader, openAnyVolume } from '../openVolume.ts';
import type { NiftiHeader, Volume } from '../nifti.ts';
import type { SpacingUnit } from '../niftiHeader.ts';
import { resampled } from './canvas.ts';
import type { Canvas } from './canvas.ts';
import { checkFinite, sliceToRgb } from './intensity.ts';
import { insideDataDir } from './paths.ts';
import type { MedvisionSample } from './sample.ts';

/** The RGB picture of a sample's slice, (height, width). */
export async function renderSlice(volume: Volume, sample: MedvisionSample): Promise<DecodedImage> {
  const { sliceDim, sliceIdx, intensity = 'reference', canvas } = sample;
  const { height, width } = canvas?.slice ?? sample;
  const slice = await volume.slice(sliceDim, sliceIdx);
  const where = `${volume.header.path}: slice ${sliceIdx} along axis ${sliceDim}`;
  if (slice.rows !== height || slice.cols !== width) {
    throw new UserError(
      `${where} is ${slice.rows}×${slice.cols}, the plan says ${height}×${width}. ` +
        'The volume is not the one that was annotated; fetch it again.',
    );
  }
  if (intensity !== 'reference') checkFinite(slice, where);
  const picture = canvas === undefined ? sliceToRgb(slice, intensity) : onBlack(sliceToRgb(resampled(slice, canvas), intensity), canvas);
  slice.release?.();
  return picture;
}

/** The content on its canvas. */
function onBlack(content: DecodedImage, { height, width, content: { top, left } }: Canvas): DecodedImage {
  if (content.height === height && content.width === width) return content;
  const data = new Uint8Array(height * width * 3);
  for (let row = 0; row < content.height; row++)
    data.set(content.data.subarray(row * content.width * 3, (row + 1) * content.width * 3), ((top + row) * width + left) * 3);
  return { width, height, data };
}

/** Volumes of a data dir by relative path, least recently used out first once they hold more than a number of bytes. */
export class VolumeCache {
  private readonly platform: Platform;
  private readonly dataDir: string;
  private readonly limitBytes: number;
  private readonly stop: AbortSignal | undefined;
  private readonly volumes = new Map<string, Promise<Volume>>();
  private readonly headers = new Map<string, Promise<NiftiHeader>>();
  private readonly opened = new Map<string, Volume>();
  /** By unit other than mm: the files whose headers were read, and the sizes of the first. */
  private readonly otherUnits = new Map<SpacingUnit, { files: Set<string>; zooms: NiftiHeader['zooms'] }>();

  /** @param stop no header is begun once it is aborted: what is thrown is its reason. Slices are read on, for what is being written */
  constructor(platform: Platform, dataDir: string, limitBytes = 512 * 2 ** 20, stop?: AbortSignal) {
    this.platform = platform;
    this.dataDir = dataDir;
    this.limitBytes = limitBytes;
    this.stop = stop;
  }

  /** Bytes of the volumes it holds; a volume larger than the limit is held alone, until the next one. */
  get bytes(): number {
    return [...this.opened.values()].reduce((sum, volume) => sum + volume.byteLength, 0);
  }

  async open(imageFile: string): Promise<Volume> {
    const held = this.volumes.get(imageFile);
    if (held !== undefined) {
      this.volumes.delete(imageFile); // to the end: most recently used
      this.volumes.set(imageFile, held);
      return held;
    }
    const opening = this.path(imageFile).then((path) => openAnyVolume(this.platform, path));
    this.volumes.set(imageFile, opening);
    try {
      const volume = await opening;
      this.keep(imageFile, volume);
      return volume;
    } catch (cause) {
      this.volumes.delete(imageFile);
      throw cause;
    }
  }

  private keep(imageFile: string, volume: Volume): void {
    this.opened.set(imageFile, volume);
    this.evict(imageFile);
  }

  exists(imageFile: string): Promise<boolean> {
    return this.platform.exists(joinPath(this.dataDir, imageFile));
  }

  /** Shape and zooms without the voxels, which are there: a file that is cut off is an error. */
  header(imageFile: string): Promise<NiftiHeader> {
    const held = this.headers.get(imageFile);
    if (held !== undefined) return held;
    const reading = this.readHeader(imageFile);
    reading.catch(() => this.headers.delete(imageFile)); // a later attempt may succeed
    // A few kB at most: a plan's cases come one after the other, so only the latest headers are asked for again.
    if (this.headers.size >= 256) for (const oldest of [...this.headers.keys()].slice(0, 128)) this.headers.delete(oldest);
    this.headers.set(imageFile, reading);
    return reading;
  }

  private async readHeader(imageFile: string): Promise<NiftiHeader> {
    this.stop?.throwIfAborted();
    const { header, opened } = await anyVolumeHeader(this.platform, await this.path(imageFile));
    if (opened !== undefined && !this.volumes.has(imageFile)) {
      this.volumes.set(imageFile, Promise.resolve(opened));
      this.keep(imageFile, opened);
    }
    const { spacingUnit, zooms, sizeless = [] } = header;
    if (sizeless.some((axis) => header.shape[axis] > 1))
      throw new UserError(
        `${imageFile} does not say how many mm a voxel has along each axis, which tasks measure in. Say it in ImageJ (Image › ` +
          'Properties) and save it, or save the scan as NIfTI, NRRD or MHA.',
      );
    if (spacingUnit === 'mm') return header;
    const found = this.otherUnits.get(spacingUnit) ?? { files: new Set(), zooms };
    this.otherUnits.set(spacingUnit, found);
    found.files.add(imageFile);
    return header;
  }

  /** A sentence for each unit other than mm that headers read so far state: lengths in mm are computed from their voxel sizes. */
  unitNotes(): string[] {
    return [...this.otherUnits].map(([unit, { files, zooms }]) => {
      const [first = ''] = files;
      const who = files.size === 1 ? `${first} states` : `${files.size} volumes (${first} the first) state`;
      const what = unit === 'no unit' ? 'no unit of the voxel sizes' : `voxel sizes in ${unit}`;
      const sizes = `${zooms.map((zoom) => Number(zoom.toPrecision(4))).join(' × ')} mm${files.size === 1 ? '' : ' in the first'}`;
      const advice = unit === 'no unit' ? 'Check that they are.' : 'Lengths are wrong if the unit is right; write sizes and unit in mm.';
      return `${who} ${what} (xyzt_units); as by nibabel, they are taken for mm: ${sizes}. ${advice}`;
    });
  }

  private async path(imageFile: string): Promise<string> {
    const path = joinPath(this.dataDir, imageFile);
    await insideDataDir(this.platform, this.dataDir, path);
    return path;
  }

  private evict(keep: string): void {
    let used = this.bytes;
    for (const name of [...this.volumes.keys()]) {
      // Volumes that hold almost nothing (their files are read slice by slice) are let go by number.
      if (used <= this.limitBytes && this.volumes.size <= MAX_OPEN) return;
      const volume = this.opened.get(name);
      if (name === keep || volume === undefined) continue; // the one just asked for, or one that is still being read
      this.volumes.delete(name);
      this.opened.delete(name);
      used -= volume.byteLength;
    }
  }
}

const MAX_OPEN = 1024;
