/**
 * What the page shows, gathered from whichever data it is: which tasks with how many rows, how their answers and lengths are spread, and
 * some rows in full.
 */
import type { Conversation, Processor } from '../../data/example.ts';
import { ExampleMaker } from '../../data/exampleMaker.ts';
import { measureAnnotation, measureLines } from '../../data/medvision/askedMeasure.ts';
import { LandmarkLines, sliceAxes } from '../../data/medvision/landmarks.ts';
import type { Point } from '../../data/medvision/landmarks.ts';
import type { Annotation, MedvisionSample } from '../../data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../../data/medvision/slices.ts';
import type { PictureWarnings } from '../../data/pictures/warnings.ts';
import { PreparedSet } from '../../data/prepared/preparedSet.ts';
import { shuffled, streamId } from '../../data/random.ts';
import type { DecodedImage } from '../../platform.ts';
import type { RowList } from '../../train/sources.ts';
import type { RunContext } from '../context.ts';
import type { FoundRows } from '../inputs/foundRows.ts';
import { tokenCounts, tokenView } from './tokens.ts';
import type { TokenCounts, TokenView } from './tokens.ts';
import { labelMask } from '../inputs/labelMask.ts';

export type SetName = 'train' | 'validation';

/** One row in full. */
export interface ShownRow {
  set: SetName;
  index: number;
  /** Undefined for conversations. */
  sample: MedvisionSample | undefined;
  /** What is asked; undefined for conversations that do not say what they measure. */
  annotation: Annotation | undefined;
  conversation: Conversation;
  images: DecodedImage[];
  /** mm a pixel of the (only) image; 1 and 1 where that is not known. */
  pixelWidth: number;
  pixelHeight: number;
  lines: [Point, Point][];
  tokens: TokenView;
}

export interface TaskFigures {
  name: string;
  rows: Record<SetName, number>;
  /** What an answer's size is, one a row: percent of the slice for boxes, the major axis in mm, a length or an angle. */
  answers: number[];
  answerUnit: string;
  /** Of rows drawn by the seed. */
  tokens: TokenCounts[];
  shown: ShownRow[];
}

/** Rows whose tokens are counted, in all: each has to be made in full. */
const COUNTED = 240;
/** Answers kept a task, for its histogram. */
const ANSWERS = 20_000;

/** @param warnings told what the pictures of the rows say */
export async function gather(
  context: RunContext,
  found: FoundRows,
  processor: Processor,
  most: number,
  warnings: PictureWarnings,
): Promise<TaskFigures[]> {
  const { platform, options } = context;
  const { dataDir, preparedDir } = found;
  const prepared = preparedDir === undefined ? undefined : await PreparedSet.open(platform, preparedDir);
  const volumes = dataDir === undefined ? undefined : new VolumeCache(platform, dataDir);
  const maker = new ExampleMaker(platform, processor, {
    mask: labelMask(options),
    vocabSize: Infinity,
    sixteenBit: options.sixteen_bit,
    ...(volumes && { slice: async (sample: MedvisionSample) => renderSlice(await volumes.open(sample.imageFile), sample) }),
    ...(prepared && { prepared }),
  });
  const figures = new Map<string, TaskFigures>();
  /** By task: the row's number in its set, doubled, and one more for validation; millions of them are numbers and no objects. */
  const indices = new Map<string, number[]>();
  for (const set of ['train', 'validation'] as const) {
    const rows = found[set];
    if (rows === undefined) continue;
    let index = 0;
    for await (const sample of samplesOf(rows, set, prepared)) {
      const task = groupOf(sample);
      const own = figures.get(task) ?? {
        name: task,
        rows: { train: 0, validation: 0 },
        answers: [],
        answerUnit: answerUnit(sample),
        tokens: [],
        shown: [],
      };
      figures.set(task, own);
      own.rows[set]++;
      if (sample && own.answers.length < ANSWERS) own.answers.push(answerSize(sample));
      const places = indices.get(task) ?? [];
      indices.set(task, places);
      places.push(2 * index++ + (set === 'validation' ? 1 : 0));
    }
  }
  const landmarks = dataDir === undefined ? undefined : new LandmarkLines(platform, dataDir, options.planner_version ?? undefined);
  const each = Math.max(1, Math.floor(most / Math.max(1, figures.size)));
  const counted = Math.max(each, Math.ceil(COUNTED / Math.max(1, figures.size)));
  for (const own of figures.values()) {
    const places = indices.get(own.name) ?? [];
    const order = shuffled(places.length, options.seed, streamId(`inspect: ${own.name}`)).subarray(0, counted);
    for (const [turn, at] of order.entries()) {
      const place = places[at] ?? 0;
      const set = place % 2 === 1 ? 'validation' : 'train';
      const index = Math.floor(place / 2);
      const request = await found[set]?.request(index);
      if (request === undefined) continue;
      const example = await maker.make(request);
      if (example.notes) warnings.add(example.notes);
      own.tokens.push(tokenCounts(example));
      if (turn >= each) continue;
      const { sample, conversation } = await maker.content(request);
      // Of several pictures it is not known which one is measured.
      const measure = conversation.images.length === 1 ? conversation.measure : undefined;
      own.shown.push({
        set,
        index,
        sample,
        annotation: sample?.annotation ?? (measure && measureAnnotation(measure, [])),
        conversation,
        images: await maker.pictures(request),
        ...(measure?.pixelSize
          ? { pixelWidth: measure.pixelSize[1], pixelHeight: measure.pixelSize[0] }
          : await pixelSize(sample, volumes)),
        lines: sample && landmarks ? await landmarks.of(sample) : measure ? measureLines(measure) : [],
        tokens: tokenView(example, processor),
      });
    }
    own.shown.sort((a, b) => (a.set === b.set ? a.index - b.index : a.set === 'train' ? -1 : 1));
  }
  return [...figures.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** One entry a row; undefined for conversations. */
async function* samplesOf(
  rows: RowList,
  set: SetName,
  prepared: PreparedSet | undefined,
): AsyncGenerator<MedvisionSample | undefined, void, undefined> {
  if (prepared !== undefined) {
    yield* prepared.samples(set);
    return;
  }
  for (let index = 0; index < rows.length; index++) {
    if (rows.kind === 'conversation') {
      yield undefined; // and no row is read for it
      continue;
    }
    const request = await rows.request(index);
    yield request.kind === 'sample' ? request.sample : undefined;
  }
}

async function pixelSize(
  sample: MedvisionSample | undefined,
  volumes: VolumeCache | undefined,
): Promise<Pick<ShownRow, 'pixelWidth' | 'pixelHeight'>> {
  if (sample === undefined || volumes === undefined) return { pixelWidth: 1, pixelHeight: 1 };
  const { zooms } = await volumes.header(sample.imageFile);
  const [rowAxis, columnAxis] = sliceAxes(sample);
  return { pixelWidth: zooms[columnAxis], pixelHeight: zooms[rowAxis] };
}

function answerSize({ taskType, values }: MedvisionSample): number {
  const [a = NaN, b = NaN, c = NaN, d = NaN] = values;
  return taskType === 'BoxSize' ? Math.abs((c - a) * (d - b)) * 100 : a;
}

/** A task; distances and angles of one are apart, since their answers do not compare. */
function groupOf(sample: MedvisionSample | undefined): string {
  if (sample === undefined) return 'Conversations';
  const { kind } = sample.annotation;
  return kind === 'distance' || kind === 'angle' ? `${sample.task} (${kind}s)` : sample.task;
}

function answerUnit(sample: MedvisionSample | undefined): string {
  switch (sample?.annotation.kind) {
    case 'box':
      return '% of the slice';
    case 'ellipse':
      return 'mm, major axis';
    case 'distance':
      return 'mm';
    case 'angle':
      return '°';
    case undefined:
      return '';
  }
}
