/** What of a case its masks, landmarks and boxes say: the entries of the plans, and the files beside them. */
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { openVolume } from '../nifti.ts';
import { labelsOf } from '../drawn/masks.ts';
import type { SliceDim, Volume } from '../nifti.ts';
import { toRas, voxelAt } from '../niftiSpace.ts';
import { fileInMemory } from '../../platform.ts';
import { planBox, sliceBoxes, sliceSpacing, volumeBoxes } from './boxes.ts';
import type { LabelBoxes } from './boxes.ts';
import type { PictureBox } from './boxFiles.ts';
import type { Stored } from './caseVolume.ts';
import type { Description } from './description.ts';
import type { PlacedLandmark } from './landmarkFiles.ts';
import type { CaseLandmarks } from './landmarkMetrics.ts';
import { lesionMetrics, sliceLesions, voxelOf } from './lesions.ts';
import { sameName } from './names.ts';

/** Slice profiles by plane, in the plan's keys. */
export type Profiles = Record<'slice_profiles_x' | 'slice_profiles_y' | 'slice_profiles_z', unknown[]>;

export interface DetectionProfiles extends Profiles {
  profile_3D: LabelBoxes[];
}

export interface MaskDetection {
  profiles: DetectionProfiles;
  /** Values of the mask that are labels and have no name. */
  unnamed: Set<number>;
}

export interface LesionCase {
  profiles: Profiles;
  landmarks: Record<string, unknown[]>;
  /** Ellipses, and clusters that have none. */
  counts: { kept: number; left: number };
}

const AXES = ['x', 'y', 'z'] as const;

/** The volume of bytes that are in memory. */
export function volumeOf(stored: Stored, path: string): Promise<Volume> {
  return openVolume({ openFile: () => Promise.resolve(fileInMemory(path, stored.bytes)) } as unknown as Platform, path);
}

/** @param where names the mask, for messages */
export async function detectionOfMask(mask: Volume, { labels }: Pick<Description, 'labels'>, where: string): Promise<MaskDetection> {
  const unnamed = new Set<number>();
  const wanted = new Set(labels.keys());
  const planes: unknown[][] = [[], [], []];
  for (const dim of planesOf(mask.shape)) {
    const spacing = sliceSpacing(mask.zooms, dim);
    for (let index = 0; index < mask.shape[dim]; index++) {
      const slice = await mask.slice(dim, index);
      const found = labelsOf(slice, `${where}: slice ${index} along axis ${dim}`);
      for (const label of found) if (!wanted.has(label)) unnamed.add(label);
      const profile = sliceBoxes(
        slice,
        found.filter((label) => wanted.has(label)),
        spacing,
      );
      if (profile.length > 0) planes[dim]?.push({ slice_idx: index, slice_profile: profile });
    }
  }
  return { profiles: { ...named(planes), profile_3D: await volumeBoxes(mask, wanted) }, unnamed };
}

/** Of a picture on which boxes were drawn. @throws UserError for a name that is no label */
export function detectionOfBoxes(
  boxes: readonly PictureBox[],
  { labels }: Pick<Description, 'labels'>,
  picture: Stored,
  where: string,
): DetectionProfiles {
  const [height, width] = picture.shape;
  if (!picture.isPicture)
    throw new UserError(`${where}: boxes are drawn on pictures, and this is a volume. Give it a mask, of which every slice has its boxes.`);
  const byLabel = new Map<number, PictureBox[]>();
  for (const box of boxes) {
    const label = [...labels].find(([, name]) => sameName(name, box.name))?.[0];
    if (label === undefined)
      throw new UserError(
        `${where}: a box of ${JSON.stringify(box.name.slice(0, 80))}; the labels are ${[...labels.values()].join(', ')}.`,
      );
    if (box.on !== undefined && (box.on[0] !== height || box.on[1] !== width))
      throw new UserError(
        `${where}: its boxes were drawn on ${box.on.join('×')} pixels (height × width); the picture has ${height}×${width}. ` +
          'Is it another one, resized or turned since?',
      );
    if (box.max[0] >= height || box.max[1] >= width)
      throw new UserError(
        `${where}: a box of ${box.name} reaches row ${box.max[0]}, column ${box.max[1]}; the picture is ${height}×${width}. ` +
          'Is it of another one?',
      );
    byLabel.set(label, [...(byLabel.get(label) ?? []), box]);
  }
  const [row, column, depth] = picture.space.zooms;
  const sorted = [...byLabel].sort(([a], [b]) => a - b);
  const flat = sorted.map(([label, own]) => ({ label, bboxes: own.map(({ min, max }) => planBox(min, max, [row, column])) }));
  const solid = sorted.map(([label, own]) => ({
    label,
    bboxes: own.map(({ min, max }) => planBox([...min, 0], [...max, 0], [row, column, depth])),
  }));
  return { ...named([[], [], flat.length > 0 ? [{ slice_idx: 0, slice_profile: flat }] : []]), profile_3D: solid };
}

export async function lesionsOfMask(mask: Volume, label: number): Promise<LesionCase> {
  const profiles: unknown[][] = [[], [], []];
  const landmarks: unknown[][] = [[], [], []];
  const counts = { kept: 0, left: 0 };
  for (const dim of planesOf(mask.shape)) {
    const spacing = sliceSpacing(mask.zooms, dim);
    for (let index = 0; index < mask.shape[dim]; index++) {
      const { lesions, clusters } = sliceLesions(await mask.slice(dim, index), label, spacing);
      counts.kept += lesions.length;
      counts.left += clusters - lesions.length;
      if (lesions.length === 0) continue;
      profiles[dim]?.push({ slice_idx: index, slice_profile: lesions.map((one) => lesionMetrics(one, dim)), n_total_clusters: clusters });
      const places = lesions.map(({ points, pixels }) => ({
        ...Object.fromEntries(points.map((point, at) => [`P${at + 1}`, voxelOf(point, dim, index)])),
        ROI_pixels_count: pixels,
      }));
      landmarks[dim]?.push({ slice_idx: index, landmarks: places });
    }
  }
  const files = Object.fromEntries(AXES.map((axis, dim) => [`slice_landmarks_${axis}`, landmarks[dim] ?? []]));
  return { profiles: named(profiles), landmarks: files, counts };
}

/** Planes that show more than a line: of a picture its own alone. */
function planesOf(shape: readonly [number, number, number]): SliceDim[] {
  return ([0, 1, 2] as const).filter((dim) => shape.every((size, axis) => axis === dim || size > 1));
}

export function named(planes: readonly unknown[][]): Profiles {
  return { slice_profiles_x: planes[0] ?? [], slice_profiles_y: planes[1] ?? [], slice_profiles_z: planes[2] ?? [] };
}

/** Landmarks in the voxels of the RAS+ volume. @throws UserError for one outside it */
export function landmarksIn(placed: readonly PlacedLandmark[], image: Stored, where: string): CaseLandmarks {
  const { shape, space, isPicture } = image;
  return new Map(
    placed.map(({ key, place, coordinates }) => {
      const [x = NaN, y = NaN, z = 0] = place;
      if (isPicture && coordinates !== 'voxel')
        throw new UserError(
          `${where}: ${key} is in mm (${coordinates}); the image is a picture, which has no place in the patient. Give its row and ` +
            `column: "coordinates": "voxel", "${key}": [row, column].`,
        );
      if (!isPicture && place.length < 3)
        throw new UserError(
          `${where}: ${key} has two coordinates, as row and column of a picture; the image is a volume of ${space.shape.join('×')}. ` +
            'Give three: voxels along its axes, from 0.',
        );
      const mm = coordinates === 'LPS' ? [-x, -y, z] : [x, y, z];
      const at = coordinates === 'voxel' ? toRas([x, y, z], shape, space) : voxelAt(space.affine, mm);
      if (at === undefined)
        throw new UserError(`${where}: the image's affine cannot be turned round; landmarks in mm have no voxels there.`);
      const found = at.map((value) => Math.round(value * 100) / 100) as [number, number, number];
      if (found.some((value, axis) => !(value >= -0.5) || value > (space.shape[axis] ?? 0) - 0.5)) {
        const seen =
          coordinates === 'voxel' ? `voxel ${place.join(', ')}` : `${place.join(', ')} mm (${coordinates}), voxel ${found.join(', ')}`;
        throw new UserError(
          `${where}: ${key} at ${seen} is outside the image of ${space.shape.join('×')}. Is it of another image, or in other coordinates?`,
        );
      }
      return [key, found] as const;
    }),
  );
}
