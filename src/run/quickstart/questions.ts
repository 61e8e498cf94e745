/**
 * What the quick start trains on and asks about: samples of the embedded data set with their slices rendered. Training rows come from the
 * two training volumes, questions from the held-out one; both lists depend on the seed alone.
 */
import { LandmarkLines, sliceAxes } from '../../data/medvision/landmarks.ts';
import type { Point } from '../../data/medvision/landmarks.ts';
import type { SampleSplit } from '../../data/medvision/plan.ts';
import { medvisionSamples } from '../../data/medvision/samples.ts';
import type { MedvisionSample } from '../../data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../../data/medvision/slices.ts';
import { parseTaskName } from '../../data/medvision/tasks.ts';
import type { Example, Processor } from '../../data/example.ts';
import { ExampleMaker } from '../../data/exampleMaker.ts';
import { shuffled, streamId } from '../../data/random.ts';
import type { DecodedImage, Platform } from '../../platform.ts';

export type Subject = 'box' | 'distance' | 'angle' | 'ellipse';

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
  box: 'BoxSize_Task01',
  metric: 'BiometricsFromLandmarks_Task02',
  ellipse: 'TumorLesionSize_Task01',
};

export function subjectOf(sample: MedvisionSample): Subject {
  return sample.annotation.kind;
}

export class SampleData {
  readonly volumes: VolumeCache;
  private readonly platform: Platform;
  private readonly dir: string;
  private readonly processor: Processor;
  private readonly landmarks: LandmarkLines;
  private readonly maker: ExampleMaker;

  constructor(platform: Platform, dir: string, processor: Processor) {
    this.platform = platform;
    this.dir = dir;
    this.processor = processor;
    this.volumes = new VolumeCache(platform, dir);
    this.landmarks = new LandmarkLines(platform, dir);
    this.maker = new ExampleMaker(platform, processor, { mask: 'completion', vocabSize: Infinity, slice: (sample) => this.image(sample) });
  }

  async samples(kind: keyof typeof TASKS, split: SampleSplit): Promise<MedvisionSample[]> {
    const tasks = PLANES.map((plane) => parseTaskName(`${DATASET}_${TASKS[kind]}_${plane}`, 'quick start'));
    const found: MedvisionSample[] = [];
    const resizedSize = (height: number, width: number): { height: number; width: number } => this.processor.resizedSize(height, width);
    for await (const sample of medvisionSamples(this.platform, this.dir, tasks, { split, resizedSize, volumes: this.volumes }))
      found.push(sample);
    return found;
  }

  async image(sample: MedvisionSample): Promise<DecodedImage> {
    return renderSlice(await this.volumes.open(sample.imageFile), sample);
  }

  /** Token ids and pixels of a sample, with its answer (to learn) or up to where the answer begins (to ask). */
  example(sample: MedvisionSample, purpose: 'learn' | 'ask'): Promise<Example> {
    return this.maker.make({ kind: 'sample', sample, ...(purpose === 'ask' && { ask: true }) });
  }

  async question(sample: MedvisionSample): Promise<Question> {
    const { zooms } = await this.volumes.header(sample.imageFile);
    const [rowAxis, columnAxis] = sliceAxes(sample);
    return {
      sample,
      image: await this.image(sample),
      pixelWidth: zooms[columnAxis],
      pixelHeight: zooms[rowAxis],
      lines: await this.landmarks.of(sample),
    };
  }
}

/** How often a training row of a kind is shown in an epoch: the few angles, distances and sizes must not drown among the boxes. */
const SHARES: readonly [keyof typeof TASKS, number][] = [
  ['box', 1],
  ['metric', 3],
  ['ellipse', 6],
];

export async function trainingRows(data: SampleData): Promise<MedvisionSample[]> {
  const rows: MedvisionSample[] = [];
  for (const [kind, times] of SHARES) {
    const samples = await data.samples(kind, 'train');
    for (let i = 0; i < times; i++) rows.push(...samples);
  }
  return rows;
}

/** Questions of the held-out volume: at most `counts` of each kind, drawn by the seed. */
export async function heldOutQuestions(
  data: SampleData,
  counts: Readonly<Record<keyof typeof TASKS, number>>,
  seed: number,
): Promise<Question[]> {
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
