/**
 * What the thread of the Data step does, which is not that of training: volumes stay open here and slices go to the page, so that scrolling
 * waits for no step of a run. The step Use looks at slices by it too.
 */
import { transfer } from 'comlink';
import { sliceDimOf } from '../../src/data/drawn/annotation.ts';
import { PLANES } from '../../src/data/planes.ts';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import type { Plane } from '../../src/data/planes.ts';
import { clusters, ellipseAxes, labelsOf } from '../../src/data/drawn/masks.ts';
import type { PixelSize } from '../../src/data/drawn/measured.ts';
import { volumeInMemory } from '../../src/data/newVolume.ts';
import { openStoredVolume } from '../../src/data/openVolume.ts';
import type { Volume } from '../../src/data/nifti.ts';
import { rasVolume } from '../../src/data/niftiRas.ts';
import { isRas, orientationOf } from '../../src/data/niftiSpace.ts';
import { UserError } from '../../src/platform.ts';
import { mounts, platform } from '../here.ts';
import type { Scan } from '../studio/project.ts';
import { askedFunctions } from '../use/askedInWorker.ts';
import { importFiles } from './importing.ts';
import { volumeOf } from './openVolumes.ts';
import { ofScan, pictureOf, pixelSizeOf, rangesOf } from './scanPixels.ts';
import type { Ranges } from './scanPixels.ts';

/** A slice, or a picture. */
export interface SlicePixels {
  rows: number;
  cols: number;
  /** Of a volume: (rows, cols), in its own units. */
  values?: Float32Array;
  ranges?: Ranges;
  /** Of a picture: (rows, cols, 3). */
  rgb?: Uint8Array;
}

/** What of a mask becomes drawings. */
export interface MaskChoice {
  /** By label; labels without a name are left out. */
  names: Record<number, string>;
  /** Boxes, or ellipse axes. */
  shape: 'box' | 'ellipse';
  planes: Plane[];
  /** Of a plane's slices with something on them, at most so many, spread evenly. */
  slices: number;
  /** Smaller clusters are left out. */
  leastPixels: number;
}

/** Why something on a slice became no drawing, and how often. */
export type MaskLeftOut = Record<'severalClusters' | 'small' | 'noEllipse', number>;

/** As MedVision's loader leaves out boxes. */
const LEAST_SIDE = 10;

export const scanFunctions = {
  importFiles: (...given: Parameters<typeof importFiles>): ReturnType<typeof importFiles> => importFiles(...given),

  /** Voxels along the three axes; of a picture [height, width]. */
  shapeOf: (scan: Scan): Promise<number[]> =>
    ofScan(scan, async () => {
      if (scan.kind === 'volume') return (await volumeOf(scan.file)).shape;
      const { height, width } = await pictureOf(platform, scan);
      return [height, width];
    }),

  slice: (scan: Scan, plane: Plane | null, index: number): Promise<SlicePixels> =>
    ofScan(scan, async () => {
      if (scan.kind === 'picture' || plane === null) {
        const { data, height, width } = await pictureOf(platform, scan);
        const rgb = data.slice();
        return transfer({ rows: height, cols: width, rgb }, [rgb.buffer]);
      }
      const { rows, cols, values } = await (await volumeOf(scan.file)).slice(sliceDimOf(plane), index);
      const own = Float32Array.from(values);
      return transfer({ rows, cols, values: own, ranges: rangesOf(own) }, [own.buffer]);
    }),

  ...askedFunctions,

  /** Labels of a mask for a scan, with how many voxels each has. @throws UserError for what is no mask of it */
  async maskLabels(scan: Scan, mask: File): Promise<{ label: number; voxels: number }[]> {
    const volume = await maskOf(scan, mask);
    const counts = new Map<number, number>();
    for (let index = 0; index < volume.shape[2]; index++) {
      const slice = await volume.slice(2, index);
      for (const label of labelsOf(slice, `${mask.name}: axial slice ${index}`)) {
        let count = 0;
        for (const value of slice.values) if (value === label) count++;
        counts.set(label, (counts.get(label) ?? 0) + count);
      }
    }
    return [...counts].map(([label, voxels]) => ({ label, voxels })).sort((a, b) => a.label - b.label);
  },

  /** Drawings made of a mask, as MedVision's planner and loader make and choose them. */
  async maskAnnotations(
    scan: Scan,
    mask: File,
    { names, shape, planes, slices, leastPixels }: MaskChoice,
  ): Promise<{ annotations: DrawnAnnotation[]; leftOut: MaskLeftOut }> {
    const volume = await maskOf(scan, mask);
    const annotations: DrawnAnnotation[] = [];
    const leftOut: MaskLeftOut = { severalClusters: 0, small: 0, noEllipse: 0 };
    for (const plane of PLANES.filter((one) => planes.includes(one))) {
      const dim = sliceDimOf(plane);
      const found: DrawnAnnotation[][] = [];
      for (let index = 0; index < volume.shape[dim]; index++) {
        const slice = await volume.slice(dim, index);
        const own: DrawnAnnotation[] = [];
        for (const label of labelsOf(slice, `${mask.name}: ${plane} slice ${index}`)) {
          const name = names[label];
          if (name === undefined || name.trim() === '') continue;
          const all = clusters(slice, label);
          const points = shape === 'box' ? boxOf(all, leftOut) : axesOf(all, slice, pixelSizeOf(scan, plane), leastPixels, leftOut);
          if (points === undefined) continue;
          const id = crypto.randomUUID();
          own.push({ id, scan: scan.id, plane, slice: index, shape, label: name.trim(), landmarks: [], points });
        }
        if (own.length > 0) found.push(own);
      }
      const count = Math.min(slices, found.length);
      for (let i = 0; i < count; i++) annotations.push(...(found[Math.floor(((i + 0.5) * found.length) / count)] ?? []));
    }
    return { annotations, leftOut };
  },
};

export type ScanFunctions = typeof scanFunctions;

function boxOf(all: ReturnType<typeof clusters>, leftOut: MaskLeftOut): DrawnAnnotation['points'] | undefined {
  const [only] = all;
  if (only === undefined || all.length > 1) {
    leftOut.severalClusters++;
    return undefined;
  }
  const { min, max } = only;
  if (max[0] - min[0] + 1 < LEAST_SIDE || max[1] - min[1] + 1 < LEAST_SIDE) {
    leftOut.small++;
    return undefined;
  }
  return [min, max];
}

function axesOf(
  all: ReturnType<typeof clusters>,
  size: { rows: number; cols: number },
  pixelSize: PixelSize | null,
  leastPixels: number,
  leftOut: MaskLeftOut,
): DrawnAnnotation['points'] | undefined {
  if (all.length > 1) {
    leftOut.severalClusters++;
    return undefined;
  }
  if (!all.some(({ pixels }) => pixels >= leastPixels)) {
    leftOut.small++;
    return undefined;
  }
  const [found] = ellipseAxes(all, size, pixelSize ?? [1, 1], leastPixels);
  if (found === undefined) leftOut.noEllipse++;
  return found?.points;
}

/** DICOM has become volumes in RAS+; masks of it, as of what dcm2niix makes, need not lie so. */
async function turned(volume: Volume): Promise<Volume> {
  return volumeInMemory(await rasVolume(volume), volume.header.path);
}

/** A picked file, read in place. */
async function maskOf(scan: Scan, mask: File): Promise<Volume> {
  if (scan.kind !== 'volume') throw new UserError(`${scan.name} is a picture; a mask goes with a volume.`);
  const path = `/masks/${mask.name}`;
  mounts.set(path, mask);
  let volume: Volume;
  try {
    ({ volume } = await openStoredVolume(platform, path));
    await volume.slice(0, 0);
  } finally {
    mounts.delete(path);
  }
  const { shape, header } = await volumeOf(scan.file);
  const liesSo = isRas(orientationOf(volume.header.affine));
  if (isRas(orientationOf(header.affine)) && volume.header.hasOrientation && !liesSo) volume = await turned(volume);
  if (volume.shape.some((size, axis) => size !== shape[axis])) {
    throw new UserError(
      `${mask.name}: the mask is ${volume.shape.join('×')}, ${scan.name} is ${shape.join('×')}. A mask has the voxels of its scan.`,
    );
  }
  return volume;
}
