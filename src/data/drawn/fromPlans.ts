/**
 * The annotations of a MedVision data folder as if they had been drawn: boxes, and distances, angles and axes between their landmarks. What
 * the hub's loader leaves out is left out here.
 */
import { joinPath } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { LandmarkLines } from '../medvision/landmarks.ts';
import type { Point } from '../medvision/landmarks.ts';
import { openPlan, planCases, planVersions } from '../medvision/plan.ts';
import type { Plan, PlanTask } from '../medvision/plan.ts';
import type { Annotation } from '../medvision/sample.ts';
import { caseRecords, sampleOf, scanOf } from '../medvision/samples.ts';
import type { RecordOptions } from '../medvision/samples.ts';
import { VolumeCache } from '../medvision/slices.ts';
import { parseTaskName } from '../medvision/tasks.ts';
import type { MedvisionTask } from '../medvision/tasks.ts';
import { MAX_NAME } from './annotation.ts';
import { PLANES } from '../planes.ts';
import type { DrawnAnnotation, DrawnPoint } from './annotation.ts';

/** An annotation and the volume that it is on. */
export interface PlannedDrawing {
  /** Relative to the data folder. */
  imageFile: string;
  split: 'train' | 'test';
  modality: string;
  description: string;
  /** Without the ids that a project gives. */
  drawn: Omit<DrawnAnnotation, 'id' | 'scan'>;
}

/** Of a plan, which volumes or landmarks are not there. */
export interface PlanLeftOut {
  volumes: Set<string>;
  /** Annotations without landmarks. */
  landmarks: number;
}

const KINDS = ['detection', 'biometry'] as const;

/**
 * All of them, plan by plan and case by case.
 * @param dataDir with `Datasets/` in it
 * @throws UserError for plans that cannot be read
 */
export async function* planDrawings(
  platform: Platform,
  dataDir: string,
  leftOut: PlanLeftOut,
): AsyncGenerator<PlannedDrawing, void, undefined> {
  const volumes = new VolumeCache(platform, dataDir);
  const options: RecordOptions = { resizedSize: (height, width) => ({ height, width }), volumes, isFixedSize: false };
  const landmarks = new LandmarkLines(platform, dataDir);
  for (const dataset of await platform.listDir(joinPath(dataDir, 'Datasets'))) {
    if (!(await platform.isDirectory(joinPath(dataDir, 'Datasets', dataset)))) continue;
    for (const kind of KINDS) {
      if ((await planVersions(platform, dataDir, dataset, kind)).length === 0) continue;
      const plan = await openPlan(platform, dataDir, dataset, kind);
      for (const info of plan.tasks)
        for (const task of tasksOf(plan, info))
          for (const split of ['train', 'test'] as const) {
            const scan = scanOf(plan, task, split);
            for await (const { item } of planCases(platform, plan, [{ task: info, split }])) {
              if (!(await volumes.exists(item.info.imageFile))) {
                leftOut.volumes.add(item.info.imageFile);
                continue;
              }
              for (const record of await caseRecords(scan, item, options)) {
                const sample = sampleOf(record, 'corrected');
                const lines = record.annotation.kind === 'box' ? [] : await landmarks.of(sample);
                const points = pointsOf(record.annotation, lines);
                if (points === undefined) {
                  leftOut.landmarks++;
                  continue;
                }
                const { sliceDim, sliceIdx, imageFile } = sample;
                const drawn = { plane: PLANES[sliceDim], slice: sliceIdx, points, ...namesOf(record.annotation) };
                yield { imageFile, split, modality: info.imageModality, description: info.imageDescription, drawn };
              }
            }
          }
    }
  }
}

/** A plan's task in each of its planes. */
function tasksOf(plan: Plan, info: PlanTask): MedvisionTask[] {
  const type = plan.kind === 'detection' ? 'BoxSize' : info.targetLabel === undefined ? 'BiometricsFromLandmarks' : 'TumorLesionSize';
  const id = String(info.id).padStart(2, '0');
  return ['Sagittal', 'Coronal', 'Axial'].map((plane) => parseTaskName(`${plan.dataset}_${type}_Task${id}_${plane}`, info.where));
}

function pointsOf(annotation: Annotation, lines: readonly [Point, Point][]): DrawnPoint[] | undefined {
  if (annotation.kind === 'box') return [annotation.min, annotation.max];
  const wanted = annotation.kind === 'distance' ? 1 : 2;
  if (lines.length !== wanted) return undefined;
  const points = lines.map((line) => line.map(({ x, y }): DrawnPoint => [y - 0.5, x - 0.5]));
  // Landmarks are whole voxels: two of them may be one.
  return points.some(([a, b]) => a?.[0] === b?.[0] && a?.[1] === b?.[1]) ? undefined : points.flat();
}

function namesOf(annotation: Annotation): Pick<DrawnAnnotation, 'shape' | 'label' | 'landmarks'> {
  const short = (text: string): string => text.trim().slice(0, MAX_NAME);
  if (annotation.kind === 'box' || annotation.kind === 'ellipse')
    return { shape: annotation.kind, label: short(annotation.labelName), landmarks: [] };
  const landmarks = annotation.landmarks.map(short);
  return { shape: annotation.kind, label: short(annotation.name) || short(landmarks.join(' – ')), landmarks };
}
