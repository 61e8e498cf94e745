/**
 * What pictures of predictions are drawn on: the slice or image of a held-out row, the name of what is asked, and the lines that its true
 * answer measures.
 */
import type { Processor } from '../../data/example.ts';
import { ExampleMaker } from '../../data/exampleMaker.ts';
import { answerText } from '../../data/medvision/answerRows.ts';
import { LandmarkLines } from '../../data/medvision/landmarks.ts';
import type { Point } from '../../data/medvision/landmarks.ts';
import type { MedvisionSample } from '../../data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../../data/medvision/slices.ts';
import { PreparedSet } from '../../data/prepared/preparedSet.ts';
import { joinPath } from '../../platform.ts';
import type { Scene } from '../../train/predictionPictures.ts';
import type { RowList } from '../../train/sources.ts';
import type { RunContext } from '../context.ts';
import type { FoundRows } from './foundRows.ts';

/** Scenes of `rows`, made in this thread; nothing is opened before the first is asked for, and no volume is kept. */
export function openScenes(
  { platform, options }: Pick<RunContext, 'platform' | 'options'>,
  { dataDir, preparedDir }: Pick<FoundRows, 'dataDir' | 'preparedDir'>,
  rows: RowList,
  processor: Processor,
): (index: number) => Promise<Scene | undefined> {
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
  const open = async (): Promise<ExampleMaker> => {
    const prepared = preparedDir === undefined ? undefined : await PreparedSet.open(platform, preparedDir);
    return new ExampleMaker(platform, processor, {
      mask: options.mask,
      vocabSize: Infinity,
      sixteenBit: options.sixteen_bit,
      ...(slice && { slice }),
      ...(prepared && { prepared }),
    });
  };
  let opening: Promise<ExampleMaker> | undefined;
  return async (index) => {
    const maker = await (opening ??= open());
    const request = await rows.request(index);
    const { sample, conversation, where } = await maker.content(request);
    if (conversation.images.length === 0) return undefined;
    const [image] = await maker.pictures(request);
    const target = sample?.target ?? answerText(conversation.messages);
    return image && { image, target, name: sample ? `${subjectOf(sample)} in ${where}` : where, lines: await linesOf(sample) };
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
