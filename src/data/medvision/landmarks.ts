/**
 * Where on a slice a sample's answer is measured: end points of an ellipse's axes, and the lines that a distance or an angle lies between.
 * For pictures.
 */
import { textOrNothing } from '../../io/parseJson.ts';
import { joinPath } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { fileChunks } from '../gzip.ts';
import { onCanvas } from './canvas.ts';
import { asArray, asIndex, asNumbers, asObject, parseJson } from './json.ts';
import type { JsonObject } from './json.ts';
import { insideDataDir } from './paths.ts';
import { openPlan, planTask } from './plan.ts';
import type { MedvisionSample } from './sample.ts';
import { parseTaskName } from './tasks.ts';

/** Column (x) and row (y) in pixels of the slice, from the upper left corner of the picture; a voxel's middle is at half a pixel. */
export interface Point {
  x: number;
  y: number;
}

/** What of a sample says where its landmarks are. */
export type LandmarkPlace = Pick<MedvisionSample, 'annotation' | 'landmarkFile' | 'task' | 'sliceDim' | 'sliceIdx' | 'canvas'>;

/** Rows come case by case. */
const FILES_HELD = 64;

/** Landmark files and the names in plans, each read once as long as its case is at hand. */
export class LandmarkLines {
  private readonly platform: Platform;
  private readonly dataDir: string;
  private readonly plannerVersion: string | undefined;
  private readonly files = new Map<string, Promise<JsonObject | undefined>>();
  private readonly keys = new Map<string, Promise<Map<string, string>>>();

  constructor(platform: Platform, dataDir: string, plannerVersion?: string) {
    this.platform = platform;
    this.dataDir = dataDir;
    this.plannerVersion = plannerVersion;
  }

  /** Empty for boxes and several ellipses, and where there is no such file, or no such landmark in it: they are only drawn. */
  async of(sample: LandmarkPlace): Promise<[Point, Point][]> {
    const { annotation } = sample;
    if (annotation.kind === 'box' || sample.landmarkFile === undefined) return [];
    if (annotation.kind === 'ellipse' && annotation.others !== undefined) return [];
    const names = annotation.kind === 'ellipse' ? ['P1', 'P2', 'P3', 'P4'] : await this.keysOf(sample.task, annotation.landmarks);
    const points = await this.points(sample, sample.landmarkFile, names);
    const found = names.map((name) => points.get(name));
    const lines: [Point, Point][] = [];
    for (let i = 0; i + 1 < found.length; i += 2) {
      const [from, to] = [found[i], found[i + 1]];
      if (from && to) lines.push([from, to]);
    }
    return lines;
  }

  /** Landmark names as the prompts say them → keys of the landmark files. */
  private async keysOf(taskName: string, names: readonly string[]): Promise<string[]> {
    let reading = this.keys.get(taskName);
    if (reading === undefined) this.keys.set(taskName, (reading = this.readKeys(taskName)));
    const keys = await reading;
    return names.map((name) => keys.get(name.trim()) ?? '');
  }

  private async readKeys(taskName: string): Promise<Map<string, string>> {
    const { dataset, id } = parseTaskName(taskName, 'sample');
    const plan = await openPlan(this.platform, this.dataDir, dataset, 'biometry', this.plannerVersion);
    const map = asObject(planTask(plan, id).raw['landmarks_map'], `${plan.path}: landmarks_map`);
    return new Map(Object.entries(map).map(([key, name]) => [textOrNothing(name).trim(), key]));
  }

  private async points(sample: LandmarkPlace, file: string, names: readonly string[]): Promise<Map<string, Point>> {
    let reading = this.files.get(file);
    if (reading === undefined) {
      const [oldest] = this.files.keys();
      if (oldest !== undefined && this.files.size >= FILES_HELD) this.files.delete(oldest);
      this.files.set(file, (reading = this.readFile(file)));
    }
    const read = await reading;
    if (read === undefined) return new Map();
    const slices = asArray(read[`slice_landmarks_${'xyz'[sample.sliceDim] ?? ''}`], `${file}: slice_landmarks`);
    const held = slices
      .map((entry) => asObject(entry, file))
      .filter((entry) => asIndex(entry['slice_idx'], `${file}: slice_idx`) === sample.sliceIdx)
      // An ellipse's file has a list, one entry a cluster; the sample's slices have one cluster.
      .map(({ landmarks }) => asObject((Array.isArray(landmarks) ? (landmarks as unknown[])[0] : landmarks) ?? {}, `${file}: landmarks`));
    // A slice may be there several times, with other landmarks each time.
    const landmarks = held.find((own) => names.every((name) => name in own)) ?? held[0] ?? {};
    const [rowAxis, columnAxis] = sliceAxes(sample);
    return new Map(
      Object.entries(landmarks).flatMap(([key, voxels]) => {
        if (!Array.isArray(voxels)) return [];
        const voxel = asNumbers(voxels, 3, `${file}: ${key}`);
        const place = { x: (voxel[columnAxis] ?? 0) + 0.5, y: (voxel[rowAxis] ?? 0) + 0.5 };
        return [[key, sample.canvas ? onCanvas(sample.canvas, place) : place] as const];
      }),
    );
  }

  private async readFile(file: string): Promise<JsonObject | undefined> {
    const path = joinPath(this.dataDir, file);
    await insideDataDir(this.platform, this.dataDir, path);
    if (!(await this.platform.exists(path))) return undefined;
    const pieces: Uint8Array[] = [];
    for await (const piece of fileChunks(this.platform, path)) pieces.push(piece);
    return asObject(parseJson(new Uint8Array(await new Blob(pieces.map((piece) => piece.slice())).arrayBuffer()), path), path);
  }
}

/** Row and column axis of a sample's slice in the volume. */
export function sliceAxes({ sliceDim }: Pick<MedvisionSample, 'sliceDim'>): [0 | 1 | 2, 0 | 1 | 2] {
  return [sliceDim === 0 ? 1 : 0, sliceDim === 2 ? 1 : 2];
}

/** mm that a pixel of a sample's picture covers, which may have another shape than its slice. @param zooms of the volume */
export function picturePixel(
  sample: Pick<MedvisionSample, 'sliceDim' | 'canvas' | 'width' | 'height'>,
  zooms: readonly [number, number, number],
): { pixelWidth: number; pixelHeight: number } {
  const [rowAxis, columnAxis] = sliceAxes(sample);
  const { content, slice: whole } = sample.canvas ?? { content: sample, slice: sample };
  return {
    pixelWidth: (zooms[columnAxis] * whole.width) / content.width,
    pixelHeight: (zooms[rowAxis] * whole.height) / content.height,
  };
}
