/**
 * What pictures of predictions are drawn on: the slice or image of a held-out row, the name of what is asked, and the lines that its true
 * answer measures.
 */
import { contactSheet } from '../../data/contactSheet.ts';
import type { Conversation, Processor } from '../../data/example.ts';
import { ExampleMaker } from '../../data/exampleMaker.ts';
import type { RowRequest } from '../../data/exampleMaker.ts';
import { answerText, askedOfConversation, unansweredRow } from '../../data/medvision/answerRows.ts';
import type { UnansweredRow } from '../../data/medvision/answerRows.ts';
import { measureAnnotation, measureLines, measurePlace } from '../../data/medvision/askedMeasure.ts';
import { LandmarkLines, picturePixel } from '../../data/medvision/landmarks.ts';
import type { Point } from '../../data/medvision/landmarks.ts';
import { slicePlace } from '../../data/medvision/sample.ts';
import type { Annotation, MedvisionSample } from '../../data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../../data/medvision/slices.ts';
import { PreparedSet } from '../../data/prepared/preparedSet.ts';
import { joinPath } from '../../platform.ts';
import type { DecodedImage } from '../../platform.ts';
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
  /** Absent for conversations that do not say what they measure. */
  annotation?: Annotation;
  /** Case, plane and slice, where they are known. */
  place?: string;
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
  const linesOf = async (sample: MedvisionSample): Promise<[Point, Point][]> => {
    // Prepared rows are trained on without the landmark files.
    if (dataDir === undefined || sample.landmarkFile === undefined || !(await platform.exists(joinPath(dataDir, sample.landmarkFile))))
      return [];
    return landmarks.of(sample);
  };
  const pixelSize = async (sample: MedvisionSample): Promise<Pick<ViewedScene, 'pixelWidth' | 'pixelHeight'>> => {
    const header = await (await volume(sample))?.header(sample.imageFile);
    if (header === undefined) return { pixelWidth: NaN, pixelHeight: NaN };
    return picturePixel(sample, header.zooms);
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
      const pictures = await own.pictures(request);
      const [image] = pictures;
      if (image === undefined) return undefined;
      if (pictures.length > 1) return sheetScene(pictures, conversation, where);
      if (sample === undefined) return { image, target: answerText(conversation.messages), ...conversationScene(conversation, where) };
      return {
        image,
        target: sample.target,
        name: `${subjectOf(sample.annotation)} in ${where}`,
        lines: await linesOf(sample),
        annotation: sample.annotation,
        place: slicePlace(sample.caseId, sample.sliceDim, sample.sliceIdx),
        ...(await pixelSize(sample)),
      };
    },
  };
}

function sheetScene(pictures: readonly DecodedImage[], { messages }: Conversation, where: string): ViewedScene {
  const { sheet, shown } = contactSheet(pictures);
  const name = `${where}: ${shown < pictures.length ? `${shown} of its ` : ''}${pictures.length} pictures`;
  return { image: sheet, isSheet: true, name, target: answerText(messages), lines: [], pixelWidth: NaN, pixelHeight: NaN };
}

/** What a conversation about one picture says of itself. */
function conversationScene(conversation: Conversation, where: string): Omit<ViewedScene, 'image' | 'target'> {
  const { measure } = conversation;
  if (measure === undefined) return { name: where, lines: [], pixelWidth: NaN, pixelHeight: NaN };
  const annotation = measureAnnotation(measure, askedOfConversation(conversation, where)?.values ?? []);
  const [pixelHeight = NaN, pixelWidth = NaN] = measure.pixelSize ?? [];
  const place = measurePlace(measure);
  return {
    name: `${subjectOf(annotation)} in ${place === '' ? where : place}`,
    lines: measureLines(measure),
    annotation,
    ...(place !== '' && { place }),
    pixelWidth,
    pixelHeight,
  };
}

function subjectOf(annotation: Annotation): string {
  switch (annotation.kind) {
    case 'box':
      return annotation.labelName;
    case 'ellipse':
      return `axes of ${annotation.labelName} (${annotation.unit})`;
    default:
      return `${annotation.name} (${annotation.unit})`;
  }
}
