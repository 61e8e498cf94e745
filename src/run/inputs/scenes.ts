/**
 * What pictures of predictions are drawn on: the slice or image of a held-out row, the name of what is asked, and the lines that its true
 * answer measures.
 */
import type { Processor } from '../../data/example.ts';
import { ExampleMaker } from '../../data/exampleMaker.ts';
import type { RowRequest } from '../../data/exampleMaker.ts';
import { answerText, unansweredRow } from '../../data/medvision/answerRows.ts';
import type { UnansweredRow } from '../../data/medvision/answerRows.ts';
import { LandmarkLines, sliceAxes } from '../../data/medvision/landmarks.ts';
import type { Point } from '../../data/medvision/landmarks.ts';
import type { MedvisionSample } from '../../data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../../data/medvision/slices.ts';
import { PreparedSet } from '../../data/prepared/preparedSet.ts';
import { joinPath } from '../../platform.ts';
import type { Scene } from '../../train/predictionPictures.ts';
import type { RunContext } from '../context.ts';
import type { FoundRows } from './foundRows.ts';

/** A row as a person sees it. */
export interface RowView {
  /** What was asked and what is right, as files of answers say it. */
  row(request: RowRequest, id: number): Promise<UnansweredRow>;
  /** Undefined for a row without an image. */
  scene(request: RowRequest): Promise<ViewedScene | undefined>;
}

export interface ViewedScene extends Scene {
  /** Absent for conversations. */
  sample?: MedvisionSample;
  /** mm a pixel; NaN where that is not known. */
  pixelWidth: number;
  pixelHeight: number;
}

type ViewContext = Pick<RunContext, 'platform'> & {
  readonly options: Pick<RunContext['options'], 'sixteen_bit' | 'planner_version'>;
};

/** Made in this thread; nothing is opened before the first is asked for, and no volume is kept. */
export function openRowView(
  { platform, options }: ViewContext,
  { dataDir, preparedDir }: Pick<FoundRows, 'dataDir' | 'preparedDir'>,
  processor: Processor,
): RowView {
  const volume = async (sample: MedvisionSample): Promise<VolumeCache | undefined> =>
    dataDir !== undefined && (await platform.exists(joinPath(dataDir, sample.imageFile))) ? new VolumeCache(platform, dataDir) : undefined;
  const slice =
    dataDir === undefined
      ? undefined
      : async (sample: MedvisionSample) => renderSlice(await new VolumeCache(platform, dataDir).open(sample.imageFile), sample);
  const landmarks = new LandmarkLines(platform, dataDir ?? '', options.planner_version ?? undefined);
  const linesOf = async (sample: MedvisionSample | undefined): Promise<[Point, Point][]> => {
    // Prepared rows are trained on without the landmark files.
    if (dataDir === undefined || sample?.landmarkFile === undefined || !(await platform.exists(joinPath(dataDir, sample.landmarkFile))))
      return [];
    return landmarks.of(sample);
  };
  const pixelSize = async (sample: MedvisionSample | undefined): Promise<Pick<ViewedScene, 'pixelWidth' | 'pixelHeight'>> => {
    const header = sample && (await (await volume(sample))?.header(sample.imageFile));
    if (sample === undefined || header === undefined) return { pixelWidth: NaN, pixelHeight: NaN };
    const [rowAxis, columnAxis] = sliceAxes(sample);
    return { pixelWidth: header.zooms[columnAxis], pixelHeight: header.zooms[rowAxis] };
  };
  const open = async (): Promise<ExampleMaker> => {
    const prepared = preparedDir === undefined ? undefined : await PreparedSet.open(platform, preparedDir);
    return new ExampleMaker(platform, processor, {
      mask: 'completion', // of no row tokens are made
      vocabSize: Infinity,
      sixteenBit: options.sixteen_bit,
      ...(slice && { slice }),
      ...(prepared && { prepared }),
    });
  };
  let opening: Promise<ExampleMaker> | undefined;
  const maker = (): Promise<ExampleMaker> => (opening ??= open());
  return {
    row: async (request, id) => unansweredRow(await (await maker()).content(request), id),
    async scene(request) {
      const own = await maker();
      const { sample, conversation, where } = await own.content(request);
      if (conversation.images.length === 0) return undefined;
      const [image] = await own.pictures(request);
      const target = sample?.target ?? answerText(conversation.messages);
      const name = sample ? `${subjectOf(sample)} in ${where}` : where;
      return image && { image, target, name, lines: await linesOf(sample), ...(sample && { sample }), ...(await pixelSize(sample)) };
    },
  };
}

function subjectOf({ annotation }: MedvisionSample): string {
  switch (annotation.kind) {
    case 'box':
      return annotation.labelName;
    case 'ellipse':
      return `axes of ${annotation.labelName} (${annotation.unit})`;
    default:
      return `${annotation.name} (${annotation.unit})`;
  }
}
