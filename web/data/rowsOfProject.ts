/**
 * In the worker: a project's drawings as files of rows that `vernier train --train_file` takes too. They lie in `rows/` of the project,
 * named by what they say, so that a run that is gone on with finds its own; pictures beside them are shared.
 */
import { sliceDimOf } from '../../src/data/drawn/annotation.ts';
import type { DrawnAnnotation } from '../../src/data/drawn/annotation.ts';
import { drawnRows } from '../../src/data/drawn/rows.ts';
import type { Intensity } from '../../src/data/medvision/intensity.ts';
import type { ResizedSize } from '../../src/data/medvision/samples.ts';
import { Volume } from '../../src/data/nifti.ts';
import { openAnyVolume } from '../../src/data/openVolume.ts';
import { sha256Hex } from '../../src/data/prepared/identity.ts';
import { pixelBounds } from '../../src/models/model.ts';
import type { PixelBounds } from '../../src/models/model.ts';
import { loadProcessor } from '../../src/models/processor.ts';
import { joinPath, UserError } from '../../src/platform.ts';
import type { DecodedImage, Platform } from '../../src/platform.ts';
import { platform } from '../here.ts';
import { projectFolder } from '../studio/project.ts';
import type { Project, Scan } from '../studio/project.ts';
import { quietModelFolder } from '../studio/quietly.ts';
import { intensityFor, ofScan, pictureOf, pixelSizeOf, sliceSeen, structureOf } from './scanPixels.ts';

export interface RowsRequest extends PixelBounds {
  project: Pick<Project, 'id' | 'scans' | 'annotations'>;
  /** Folder or hub id: image sizes in the questions are those that this model sees. */
  base: string;
}

export interface RowsMade {
  train: string;
  /** Of the scans that are held out; null: nothing is drawn on any. */
  val: string | null;
  rows: { train: number; val: number };
}

export const rowFunctions = {
  /**
   * @param tell hears how far it is, 0 to 1
   * @throws UserError where nothing is drawn to train on, and for a drawing that no row can be made of
   */
  async makeRows({ base, project, ...pixels }: RowsRequest, tell?: (share: number) => Promise<void>): Promise<RowsMade> {
    const dir = await quietModelFolder('--base_model_hf', base);
    const processor = await loadProcessor(platform, dir, pixelBounds(pixels));
    return writeRows(platform, { project }, (height, width) => processor.resizedSize(height, width), tell);
  },
};

export async function writeRows(
  files: Platform,
  { project }: Pick<RowsRequest, 'project'>,
  resizedSize: ResizedSize,
  tell?: (share: number) => Promise<void>,
): Promise<RowsMade> {
  const { id, scans, annotations } = project;
  const folder = joinPath(projectFolder(id), 'rows');
  await files.makeDir(joinPath(folder, 'pictures'));
  const lines: Record<Scan['side'], string[]> = { train: [], test: [] };
  let done = 0;
  for (const scan of scans) {
    const own = annotations.filter((annotation) => annotation.scan === scan.id);
    if (own.length === 0) continue;
    const pixels = await ofScan(scan, () => openScan(files, scan));
    for (const group of bySlice(own)) {
      const rows = await ofScan(scan, () => sliceRows(files, folder, scan, pixels, group, resizedSize));
      lines[scan.side].push(...rows.map((row) => `${JSON.stringify(row)}\n`));
      done += group.length;
      await tell?.(done / annotations.length);
    }
  }
  if (lines.train.length === 0) {
    throw new UserError(
      lines.test.length === 0
        ? 'Nothing is drawn yet. Draw boxes, distances, angles or ellipses on the scans, or give a file of rows.'
        : 'All scans with drawings are held out. Let one of them train.',
    );
  }
  const write = async (name: string, rows: readonly string[]): Promise<string> => {
    const text = rows.join('');
    const path = joinPath(folder, `${name}-${(await sha256Hex(new TextEncoder().encode(text))).slice(0, 12)}.jsonl`);
    if (!(await isWritten(files, path))) await files.writeFile(path, text);
    return path;
  };
  return {
    train: await write('train', lines.train),
    val: lines.test.length === 0 ? null : await write('test', lines.test),
    rows: { train: lines.train.length, val: lines.test.length },
  };
}

/** Slice after slice, in the order of the planes; of a slice in the order that they were drawn in. */
function bySlice(annotations: readonly DrawnAnnotation[]): DrawnAnnotation[][] {
  const groups = new Map<string, DrawnAnnotation[]>();
  for (const annotation of annotations) {
    const key = `${annotation.plane === null ? 9 : sliceDimOf(annotation.plane)} ${String(annotation.slice).padStart(6, '0')}`;
    groups.set(key, [...(groups.get(key) ?? []), annotation]);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/** A browser makes a file before anything is in it, and a tab may be closed in between. */
async function isWritten(files: Platform, path: string): Promise<boolean> {
  if (!(await files.exists(path))) return false;
  const file = await files.openFile(path);
  await file.close();
  return file.size > 0;
}

async function openScan(files: Platform, scan: Scan): Promise<Volume | DecodedImage> {
  return scan.kind === 'volume' ? openAnyVolume(files, scan.file) : pictureOf(files, scan);
}

/** The pictures are written unless they are there. */
async function sliceRows(
  files: Platform,
  folder: string,
  scan: Scan,
  pixels: Volume | DecodedImage,
  group: readonly DrawnAnnotation[],
  resizedSize: ResizedSize,
): Promise<object[]> {
  const [first] = group;
  if (first === undefined) return [];
  const { plane, slice } = first;
  if ((plane === null) !== (scan.kind === 'picture'))
    throw new UserError(`${scan.name}: a drawing on ${plane ?? 'a picture'} is not on this ${scan.kind}. Delete it.`);
  const values = pixels instanceof Volume ? await pixels.slice(sliceDimOf(plane ?? 'axial'), slice) : undefined;
  const rgb = pixels instanceof Volume ? undefined : pixels;
  const size = { height: values?.rows ?? rgb?.height ?? 0, width: values?.cols ?? rgb?.width ?? 0 };
  const rows: object[] = [];
  const written = new Set<string>();
  for (const annotation of group) {
    const intensity = intensityFor(scan, structureOf(annotation));
    const picture = `pictures/${scan.id}${plane === null ? '' : `-${plane}-${slice}-${nameOf(intensity)}`}.png`;
    if (!written.has(picture) && !(await isWritten(files, joinPath(folder, picture)))) {
      const image = values ? sliceSeen(values, intensity, `${scan.name}: ${plane} slice ${slice}`) : rgb;
      if (image) await files.writeFile(joinPath(folder, picture), await files.encodePng(image.data, image.width, image.height, 3));
    }
    written.add(picture);
    const { name, modality, description } = scan;
    rows.push(
      ...drawnRows([annotation], { ...size, picture, scan: name, modality, description, pixelSize: pixelSizeOf(scan, plane) }, resizedSize),
    );
  }
  return rows;
}

const nameOf = (intensity: Intensity): string => (typeof intensity === 'string' ? intensity : `${intensity.low}to${intensity.high}`);
