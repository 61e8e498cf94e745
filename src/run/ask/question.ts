/** What is asked, ready for the model: the row that it becomes, and what is needed to read the answer and to draw it. */
import type { RowRequest } from '../../data/exampleMaker.ts';
import { ExampleMaker } from '../../data/exampleMaker.ts';
import type { Processor } from '../../data/example.ts';
import { docOf } from '../../data/medvision/answerRows.ts';
import { readShape } from '../../data/medvision/canvas.ts';
import { readAnswerTemplate } from '../../data/medvision/namedTemplate.ts';
import { askedTask, kindPrompt } from '../../data/medvision/askedTask.ts';
import type { KindTask } from '../../data/medvision/askedTask.ts';
import { LandmarkLines, picturePixel } from '../../data/medvision/landmarks.ts';
import { isFixedSize, medvisionSamples } from '../../data/medvision/samples.ts';
import type { MedvisionSample } from '../../data/medvision/sample.ts';
import { renderSlice, VolumeCache } from '../../data/medvision/slices.ts';
import type { MedvisionTask } from '../../data/medvision/tasks.ts';
import type { AskOptions } from '../../options/ask.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { DecodedImage, Platform } from '../../platform.ts';
import type { OverlayScene } from './overlay.ts';
import type { NamedPicture } from './pictures.ts';
import type { AskedMeasure } from './reading.ts';

export interface AskedQuestion {
  request: RowRequest;
  prompt: string;
  pictures: Pick<NamedPicture, 'name' | 'slice'>[];
  measure?: AskedMeasure;
  /** The first picture, to draw on; absent where there is none. */
  scene?: OverlayScene;
  /** Of a task's plan. */
  sample?: MedvisionSample;
  /** What of it goes into the answer. */
  facts: Readonly<Record<string, unknown>>;
}

/** What questions are made with. */
export interface QuestionParts {
  platform: Platform;
  processor: Processor;
  vocabSize: number;
  options: Pick<
    AskOptions,
    | 'slice'
    | 'question'
    | 'task'
    | 'of'
    | 'image_description'
    | 'pixel_size'
    | 'eval_split'
    | 'case'
    | 'limit'
    | 'planner_version'
    | 'prompt_style'
    | 'answer_template'
    | 'intensity'
    | 'sixteen_bit'
    | 'disable_sample_filtering'
    | 'new_shape_hw'
    | 'pad_to_shape'
  >;
  /** Those of --image. */
  pictures: readonly NamedPicture[];
  /** Of the tasks; fetched where it is on the hub. */
  dataDir?: string;
}

/** Asks as many questions as there are. */
export interface Questions {
  maker: ExampleMaker;
  all(): AsyncGenerator<AskedQuestion, void, undefined>;
}

/** @throws UserError while going through them, for what cannot be asked */
export function openQuestions(parts: QuestionParts): Questions {
  const { platform, processor, vocabSize, options, dataDir } = parts;
  const volumes = dataDir === undefined ? undefined : new VolumeCache(platform, dataDir);
  const maker = new ExampleMaker(platform, processor, {
    mask: 'completion',
    vocabSize,
    sixteenBit: options.sixteen_bit,
    ...(volumes && { slice: async (sample: MedvisionSample) => renderSlice(await volumes.open(sample.imageFile), sample) }),
  });
  const asked = options.task === null ? undefined : askedTask(options.task, '--task');
  return {
    maker,
    all: () =>
      asked?.kind === 'plan' && volumes && dataDir !== undefined
        ? samplesOf(parts, asked.task, volumes, dataDir, maker)
        : own(parts, maker, asked?.kind === 'plan' ? undefined : asked),
  };
}

async function* own(
  { processor, options, pictures }: QuestionParts,
  maker: ExampleMaker,
  kind: KindTask | undefined,
): AsyncGenerator<AskedQuestion, void, undefined> {
  const { of } = options;
  const rowOf = (text: string, of: readonly NamedPicture[] = pictures): RowRequest => ({
    kind: 'conversation',
    where: '--image',
    conversation: {
      messages: [{ role: 'user', content: [...of.map(() => ({ type: 'image' as const })), { type: 'text', text }] }],
      images: of.map(({ source }) => source),
    },
  });
  const [first] = pictures;
  const [image] = first ? await maker.pictures(rowOf('', [first])) : [];
  const [pixelWidth = NaN, pixelHeight = pixelWidth] = options.pixel_size.map(Number);
  const pixel = pixelOf({ pixelWidth, pixelHeight }, first);
  const question = { pictures: pictures.map(({ name, slice }) => ({ name, ...(slice && { slice }) })), facts: {} };
  if (kind === undefined) {
    const prompt = options.question ?? '';
    // Of several pictures it is not known which one an answer is about.
    const isOne = pictures.length === 1;
    yield { ...question, request: rowOf(prompt), prompt, ...(image && isOne && { scene: { image, lines: [], ...sizeOf(pixel) } }) };
    return;
  }
  if (image === undefined) throw new Error('a MedVision question without a picture');
  const annotation = kind.check(of, '--of');
  const prompt = kindQuestion(
    processor,
    kind,
    annotation,
    image,
    pixel,
    options.image_description ?? '',
    options.prompt_style,
    '--pixel_size',
  );
  yield {
    ...question,
    request: rowOf(prompt),
    prompt,
    measure: { taskType: kind.taskType, annotation },
    scene: { image, lines: [], ...sizeOf(pixel), annotation },
    facts: { task: kind.kind, of: of ?? '' },
  };
}

type PixelSize = Pick<OverlayScene, 'pixelWidth' | 'pixelHeight'>;

function sizeOf({ pixelWidth, pixelHeight }: PixelSize): PixelSize {
  return { pixelWidth, pixelHeight };
}

/** A pixel's size: what is said of it goes before what a volume or a DICOM file says of itself; NaN where nobody does. */
export function pixelOf(said: PixelSize | undefined, picture: NamedPicture | undefined): PixelSize & { isFirstVersion: boolean } {
  const { slice, pixel } = picture ?? {};
  const size = [said, slice, pixel].find((one) => one !== undefined && !Number.isNaN(one.pixelWidth));
  return { ...sizeOf(size ?? { pixelWidth: NaN, pixelHeight: NaN }), isFirstVersion: slice?.isFirstVersion ?? false };
}

/** @throws UserError where the question needs a pixel size that nobody has said @param where names what would say it */
export function kindQuestion(
  processor: Pick<Processor, 'resizedSize'>,
  kind: KindTask,
  annotation: AskedMeasure['annotation'],
  { width, height }: Pick<DecodedImage, 'width' | 'height'>,
  { pixelWidth, pixelHeight, isFirstVersion }: { pixelWidth: number; pixelHeight: number; isFirstVersion: boolean },
  description: string,
  style: AskOptions['prompt_style'],
  where: string,
): string {
  if (kind.needsPixelSize && !(pixelWidth > 0 && pixelHeight > 0))
    throw new UserError(`A ${kind.kind} question says how large a pixel is, which this picture does not tell: give ${where}, mm a pixel.`);
  const resized = processor.resizedSize(height, width);
  const isFloat32 = isFirstVersion && isFixedSize((rows, columns) => processor.resizedSize(rows, columns));
  const frame = { height, width, resizedHeight: resized.height, resizedWidth: resized.width, pixelHeight, pixelWidth, isFloat32 };
  return kindPrompt(annotation, description, frame, style);
}

async function* samplesOf(
  { platform, processor, options }: QuestionParts,
  task: MedvisionTask,
  volumes: VolumeCache,
  dataDir: string,
  maker: ExampleMaker,
): AsyncGenerator<AskedQuestion, void, undefined> {
  const { eval_split: split, prompt_style: promptStyle, intensity, planner_version: plannerVersion } = options;
  if (task.split !== undefined && task.split !== split)
    throw new UserError(`--task ${task.name} names its ${task.split} cases, --eval_split ${split} others.`);
  const [wanted] = options.slice;
  const resizedSize: Processor['resizedSize'] = (height, width) => processor.resizedSize(height, width);
  const template = await readAnswerTemplate(platform, options.answer_template);
  const pin = plannerVersion === null ? {} : { plannerVersion };
  const settings = {
    split,
    promptStyle,
    ...(template && { template }),
    intensity,
    resizedSize,
    newShape: readShape(options),
    isFiltered: !options.disable_sample_filtering,
    volumes,
    ...pin,
  } as const;
  const landmarks = new LandmarkLines(platform, dataDir, plannerVersion ?? undefined);
  let count = 0;
  for await (const sample of medvisionSamples(platform, dataDir, [task], settings)) {
    if ((options.case !== null && sample.caseId !== options.case) || (wanted !== undefined && sample.sliceIdx !== Number(wanted))) continue;
    const request = { kind: 'sample', sample } as const;
    const [image] = await maker.pictures(request);
    const { zooms } = await volumes.header(sample.imageFile);
    const { pixelWidth, pixelHeight } = picturePixel(sample, zooms);
    const hasLines = sample.landmarkFile !== undefined && (await platform.exists(joinPath(dataDir, sample.landmarkFile)));
    const { annotation, taskType, prompt, values } = sample;
    yield {
      request,
      prompt,
      sample,
      pictures: [
        {
          name: sample.imageFile,
          slice: { plane: task.plane.toLowerCase(), index: sample.sliceIdx, pixelWidth, pixelHeight, isFirstVersion: true },
        },
      ],
      measure: { taskType, annotation },
      ...(image && {
        scene: { image, lines: hasLines ? await landmarks.of(sample) : [], pixelWidth, pixelHeight, annotation, truth: values },
      }),
      facts: { task: sample.task, of: 'labelName' in annotation ? annotation.labelName : annotation.name, doc: docOf(sample) },
    };
    if (++count === options.limit) return;
  }
  if (count > 0) return;
  const chosen = [
    ...(options.case === null ? [] : [`--case ${options.case}`]),
    ...(wanted === undefined ? [] : [`--slice ${wanted}`]),
  ].join(' and ');
  throw new UserError(
    `${task.name} has no ${split} samples${chosen === '' ? '' : ` with ${chosen}`}. See --eval_split, and the plan in ${dataDir}.`,
  );
}
