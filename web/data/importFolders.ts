/** Folders that `vernier train` knows: a MedVision data folder becomes scans with drawings, a prepared folder becomes rows. */
import { PLANES } from '../../src/data/planes.ts';
import { planDrawings } from '../../src/data/drawn/fromPlans.ts';
import type { PlanLeftOut, PlannedDrawing } from '../../src/data/drawn/fromPlans.ts';
import { MANIFEST } from '../../src/data/prepared/manifest.ts';
import { PreparedSet } from '../../src/data/prepared/preparedSet.ts';
import type { PreparedRow, PreparedSplit } from '../../src/data/prepared/row.ts';
import { sampleMessages } from '../../src/data/medvision/sample.ts';
import { TASK_TAGS } from '../../src/data/medvision/tasks.ts';
import { countOf, joinPath, lastName, parentPath, UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';

/** Drawings that are taken of a data folder: lists and files of many more are slow to work with. */
const MOST_DRAWINGS = 3000;

/** Folders among files, each with what it is. @param paths of all files */
export function foldersAmong(paths: readonly string[]): { dataDirs: string[]; preparedDirs: string[] } {
  const dataDirs = new Set<string>();
  for (const path of paths) {
    const root = /^(.*)\/Datasets\/[^/]+\/benchmark_plan_(?:detection|biometry)_v[\d.]+\.json\.gz$/.exec(path)?.[1];
    if (root !== undefined) dataDirs.add(root);
  }
  const all = new Set(paths);
  const preparedDirs = paths
    .filter((path) => lastName(path) === MANIFEST)
    .map(parentPath)
    .filter((dir) => [...all].some((path) => path.startsWith(`${dir}/`) && path.endsWith('.parquet')));
  return { dataDirs: [...dataDirs], preparedDirs };
}

/** By volume, evenly spread where there are more than can be worked with. */
export async function dataFolderDrawings(
  files: Platform,
  dataDir: string,
): Promise<{ byVolume: Map<string, PlannedDrawing[]>; notes: string[] }> {
  const leftOut: PlanLeftOut = { volumes: new Set(), landmarks: 0 };
  const all: PlannedDrawing[] = [];
  for await (const drawing of planDrawings(files, dataDir, leftOut)) all.push(drawing);
  const count = Math.min(MOST_DRAWINGS, all.length);
  const byVolume = new Map<string, PlannedDrawing[]>();
  for (let i = 0; i < count; i++) {
    const drawing = all[Math.floor(((i + 0.5) * all.length) / count)];
    if (drawing) byVolume.set(drawing.imageFile, [...(byVolume.get(drawing.imageFile) ?? []), drawing]);
  }
  return {
    byVolume,
    notes: [
      ...(count < all.length ? [`${count} of ${all.length} annotations were taken, spread evenly.`] : []),
      ...(leftOut.volumes.size > 0
        ? [`The plans name ${countOf(leftOut.volumes.size, 'volume')} that ${are(leftOut.volumes.size)} not there.`]
        : []),
      ...(leftOut.landmarks > 0
        ? [`${countOf(leftOut.landmarks, 'annotation')} without landmarks ${are(leftOut.landmarks)} left out.`]
        : []),
    ],
  };
}

const are = (count: number): string => (count === 1 ? 'is' : 'are');

/**
 * Writes the rows of a prepared folder as files of conversations with their pictures.
 * @returns how many there are of each set; of a set without rows no file is written
 * @throws UserError where the folder holds no pictures
 */
export async function preparedRows(
  files: Platform,
  dir: string,
  target: string,
): Promise<{ split: PreparedSplit; path: string; rows: number }[]> {
  const set = await PreparedSet.open(files, dir);
  await files.makeDir(joinPath(target, 'pictures'));
  const written: { split: PreparedSplit; path: string; rows: number }[] = [];
  for (const split of ['train', 'validation'] as const) {
    const rows = set.rows(split);
    if (rows === 0) continue;
    const path = joinPath(target, `${split}.jsonl`);
    const file = await files.createFile(path);
    try {
      for (let index = 0; index < rows; index++) {
        const row = await set.row(split, index);
        if ((await set.picture(row)) === undefined || row.image === null) {
          throw new UserError(
            `${lastName(dir)}: it was prepared without pictures (--process_img). Drop the data folder with its volumes instead.`,
          );
        }
        const picture = `pictures/${split}-${index}.png`;
        await files.writeFile(joinPath(target, picture), row.image.bytes);
        await file.write(new TextEncoder().encode(`${JSON.stringify(conversationOf(row, picture, `${split}-${index}`))}\n`));
      }
    } catch (error) {
      await file.abort();
      throw error;
    }
    await file.commit();
    written.push({ split, path, rows });
  }
  return written;
}

function conversationOf({ sample }: PreparedRow, picture: string, id: string): object {
  const { annotation, modality, caseId, sliceDim, sliceIdx } = sample;
  const isLabelled = annotation.kind === 'box' || annotation.kind === 'ellipse';
  const isAngle = annotation.kind === 'angle';
  return {
    id,
    messages: sampleMessages(sample),
    images: [picture],
    task: TASK_TAGS[sample.taskType],
    measure: {
      kind: annotation.kind,
      name: isLabelled ? annotation.labelName : annotation.name.trim() || annotation.landmarks.map((name) => name.trim()).join(' – '),
      ...(annotation.kind !== 'box' && { unit: isAngle ? 'degrees' : /^c/i.test(annotation.unit.trim()) ? 'cm' : 'mm' }),
      ...(!isLabelled && { landmarks: annotation.landmarks.map((name) => name.trim()) }),
      ...(modality !== undefined && { modality }),
      scan: caseId,
      plane: PLANES[sliceDim],
      slice: sliceIdx,
    },
  };
}
