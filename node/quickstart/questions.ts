/**
 * What the quick start trains on and asks about: samples of the embedded data set with their slices rendered. Training rows come from the two
 * training volumes, questions from the held-out one; both lists depend on the seed alone.
 */
import { fileChunks } from '../../src/data/gzip.ts';
import { asArray, asIndex, asNumbers, asObject, parseJson } from '../../src/data/medvision/json.ts';
import type { JsonObject } from '../../src/data/medvision/json.ts';
import { openPlan, planTask } from '../../src/data/medvision/plan.ts';
import type { SampleSplit } from '../../src/data/medvision/plan.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { sampleMessages } from '../../src/data/medvision/sample.ts';
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../../src/data/medvision/slices.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';
import type { Example, Processor } from '../../src/data/example.ts';
import { shuffled, streamId } from '../../src/data/random.ts';
import { joinPath } from '../../src/platform.ts';
import type { DecodedImage, Platform } from '../../src/platform.ts';

export type Subject = 'box' | 'distance' | 'angle' | 'ellipse';

/** Column (x) and row (y) in pixels of the slice, from the upper left corner of the picture. */
export interface Point {
  x: number;
  y: number;
}

export interface Question {
  sample: MedvisionSample;
  image: DecodedImage;
  /** mm a pixel. */
  pixelWidth: number;
  pixelHeight: number;
  /** Lines to draw: the axes of an ellipse, what a distance or an angle is measured between. Empty for boxes. */
  lines: [Point, Point][];
}

const DATASET = 'Colin27Mini';
const PLANES = ['Sagittal', 'Coronal', 'Axial'];
/** Detection task 01 (deep grey nuclei) alone: the held-out volume has no labels of task 02. */
const TASKS: Readonly<Record<'box' | 'metric' | 'ellipse', string>> = {
  box: 'BoxSize_Task01', metric: 'BiometricsFromLandmarks_Task02', ellipse: 'TumorLesionSize_Task01',
};

export function subjectOf(sample: MedvisionSample): Subject {
  return sample.annotation.kind;
}

export class SampleData {
  readonly volumes: VolumeCache;
  private readonly platform: Platform;
  private readonly dir: string;
  private readonly processor: Processor;
  private readonly landmarks = new Map<string, Promise<JsonObject>>();
  private landmarkKeys: Promise<Map<string, string>> | undefined;

  constructor(platform: Platform, dir: string, processor: Processor) {
    this.platform = platform;
    this.dir = dir;
    this.processor = processor;
    this.volumes = new VolumeCache(platform, dir);
  }

  async samples(kind: keyof typeof TASKS, split: SampleSplit): Promise<MedvisionSample[]> {
    const tasks = PLANES.map((plane) => parseTaskName(`${DATASET}_${TASKS[kind]}_${plane}`, 'quick start'));
    const found: MedvisionSample[] = [];
    const resizedSize = (height: number, width: number): { height: number; width: number } => this.processor.resizedSize(height, width);
    for await (const sample of medvisionSamples(this.platform, this.dir, tasks, { split, resizedSize, volumes: this.volumes })) found.push(sample);
    return found;
  }

  async image(sample: MedvisionSample): Promise<DecodedImage> {
    return renderSlice(await this.volumes.open(sample.imageFile), sample);
  }

  /** Token ids and pixels of a sample, with its answer (to learn) or up to where the answer begins (to ask). */
  async example(sample: MedvisionSample, purpose: 'learn' | 'ask'): Promise<Example> {
    const messages = sampleMessages(sample).slice(0, purpose === 'learn' ? 2 : 1);
    const options = { mask: 'completion' as const, addGenerationPrompt: purpose === 'ask' };
    return this.processor.encode({ messages, images: [sample.imageFile] }, [await this.image(sample)], options);
  }

  async question(sample: MedvisionSample): Promise<Question> {
    const { zooms } = await this.volumes.header(sample.imageFile);
    const [rowAxis, columnAxis] = axesOf(sample);
    return { sample, image: await this.image(sample), pixelWidth: zooms[columnAxis], pixelHeight: zooms[rowAxis], lines: await this.lines(sample) };
  }

  private async lines(sample: MedvisionSample): Promise<[Point, Point][]> {
    const { annotation } = sample;
    if (annotation.kind === 'box' || sample.landmarkFile === undefined) return [];
    const names = annotation.kind === 'ellipse' ? ['P1', 'P2', 'P3', 'P4'] : await this.keysOf(annotation.landmarks);
    const points = await this.points(sample);
    const found = names.map((name) => points.get(name));
    const lines: [Point, Point][] = [];
    for (let i = 0; i + 1 < found.length; i += 2) {
      const [from, to] = [found[i], found[i + 1]];
      if (from && to) lines.push([from, to]);
    }
    return lines;
  }

  /** Landmark names as the prompts say them → keys of the landmark files. */
  private async keysOf(names: readonly string[]): Promise<string[]> {
    this.landmarkKeys ??= openPlan(this.platform, this.dir, DATASET, 'biometry').then((plan) => {
      const map = asObject(planTask(plan, 2).raw['landmarks_map'], `${plan.path}: landmarks_map`);
      return new Map(Object.entries(map).map(([key, name]) => [String(name), key]));
    });
    const keys = await this.landmarkKeys;
    return names.map((name) => keys.get(name) ?? '');
  }

  private async points(sample: MedvisionSample): Promise<Map<string, Point>> {
    const file = sample.landmarkFile ?? '';
    let reading = this.landmarks.get(file);
    if (reading === undefined) this.landmarks.set(file, (reading = this.readLandmarks(file)));
    const slices = asArray((await reading)[`slice_landmarks_${'xyz'[sample.sliceDim] ?? ''}`], `${file}: slice_landmarks`);
    const slice = slices.map((entry) => asObject(entry, file)).find((entry) => asIndex(entry['slice_idx'], `${file}: slice_idx`) === sample.sliceIdx);
    // An ellipse's file has a list, one entry a cluster; the sample's slices have one cluster.
    const held = slice?.['landmarks'] ?? {};
    const landmarks = asObject(Array.isArray(held) ? held[0] : held, `${file}: landmarks`);
    const [rowAxis, columnAxis] = axesOf(sample);
    return new Map(
      Object.entries(landmarks).flatMap(([key, place]) => {
        if (!Array.isArray(place)) return [];
        const voxel = asNumbers(place, 3, `${file}: ${key}`);
        return [[key, { x: (voxel[columnAxis] ?? 0) + 0.5, y: (voxel[rowAxis] ?? 0) + 0.5 }] as const];
      }),
    );
  }

  private async readLandmarks(file: string): Promise<JsonObject> {
    const path = joinPath(this.dir, file);
    const pieces: Uint8Array[] = [];
    for await (const piece of fileChunks(this.platform, path)) pieces.push(piece);
    return asObject(parseJson(new Uint8Array(await new Blob(pieces.map((piece) => piece.slice())).arrayBuffer()), path), path);
  }
}

/** Row and column axis of the volume. */
function axesOf(sample: MedvisionSample): [0 | 1 | 2, 0 | 1 | 2] {
  return [sample.sliceDim === 0 ? 1 : 0, sample.sliceDim === 2 ? 1 : 2];
}

/** How often a training row of a kind is shown in an epoch: the few angles, distances and sizes must not drown among the boxes. */
const SHARES: readonly [keyof typeof TASKS, number][] = [['box', 1], ['metric', 3], ['ellipse', 6]];

export async function trainingRows(data: SampleData): Promise<MedvisionSample[]> {
  const rows: MedvisionSample[] = [];
  for (const [kind, times] of SHARES) {
    const samples = await data.samples(kind, 'train');
    for (let i = 0; i < times; i++) rows.push(...samples);
  }
  return rows;
}

/** Questions of the held-out volume: at most `counts` of each kind, drawn by the seed. */
export async function heldOutQuestions(data: SampleData, counts: Readonly<Record<keyof typeof TASKS, number>>, seed: number): Promise<Question[]> {
  const questions: Question[] = [];
  for (const kind of ['box', 'metric', 'ellipse'] as const) {
    const samples = await data.samples(kind, 'test');
    const order = shuffled(samples.length, seed, streamId(`quick start: ${kind}`));
    const chosen = [...order.slice(0, counts[kind])].sort((a, b) => a - b);
    for (const at of chosen) {
      const sample = samples[at];
      if (sample) questions.push(await data.question(sample));
    }
  }
  return questions;
}
