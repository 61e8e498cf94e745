/**
 * Rows become Examples here: pictures decoded or cut from a volume, resized, cut into patches; texts tokenized. A request is plain data, so
 * that the same class works in the thread that trains and in a worker that was sent the request.
 */
import { EndlessFile } from '../io/timeLimit.ts';
import { Turns } from '../io/turns.ts';
import { UserError } from '../platform.ts';
import type { DecodedImage, DecodeOptions, Platform, SixteenBit } from '../platform.ts';
import type { Conversation, Example, ImageSource, LabelMask, Processor } from './example.ts';
import { sampleMessages } from './medvision/sample.ts';
import type { MedvisionSample } from './medvision/sample.ts';
import { PixelGate, rowPixels } from './pictures/pixelGate.ts';
import type { PreparedSet } from './prepared/preparedSet.ts';
import type { PreparedRow, PreparedSplit } from './prepared/row.ts';

export type RowRequest = RowPlace & {
  /** The row up to where its last answer begins, for the model to go on. */
  ask?: true;
};

type RowPlace =
  /** `where` is file:line, for messages. */
  | { kind: 'conversation'; conversation: Conversation; where: string }
  | { kind: 'sample'; sample: MedvisionSample }
  | { kind: 'prepared'; split: PreparedSplit; index: number };

export interface ExampleMakerParts {
  mask: LabelMask;
  /** Ids must lie below it. */
  vocabSize: number;
  /** The picture of a sample's slice; absent where no samples come. */
  slice?: (sample: MedvisionSample) => Promise<DecodedImage>;
  /** Absent where no prepared rows come. */
  prepared?: PreparedSet;
  /** Greys of more than 8 bits in the files of conversations; default: clip. */
  sixteenBit?: SixteenBit;
  /** Rows that are not begun by then are not made: its reason is thrown. */
  stop?: AbortSignal;
}

export class ExampleMaker {
  private readonly platform: Platform;
  private readonly processor: Processor;
  private readonly parts: ExampleMakerParts;
  private readonly gate = new PixelGate();
  private readonly turns = new Turns();
  /** Of the model's files, with any row: no other is tried after it. */
  private endless: EndlessFile | undefined;

  constructor(platform: Platform, processor: Processor, parts: ExampleMakerParts) {
    this.platform = platform;
    this.processor = processor;
    this.parts = parts;
  }

  /** @throws UserError that begins with the row's place */
  async make(request: RowRequest): Promise<Example> {
    const { conversation, where } = await this.content(request);
    const pixels = request.kind === 'conversation' ? await placed(where, () => rowPixels(this.platform, request.conversation.images)) : 0;
    return placed(where, () =>
      this.gate.run(pixels, async () => {
        const images = await this.pictures(request);
        const notes = images.flatMap((image) => image.notes ?? []);
        const example = await this.turns.run(() => this.encode(conversation, images, request.ask));
        return notes.length === 0 ? example : { ...example, notes };
      }),
    );
  }

  /** The row's pictures as they are before the processor resizes them. */
  async pictures(request: RowRequest): Promise<DecodedImage[]> {
    switch (request.kind) {
      case 'conversation': {
        const { sixteenBit } = this.parts;
        return Promise.all(
          request.conversation.images.map((image) => decodeSource(this.platform, image, { ...(sixteenBit && { sixteenBit }) })),
        );
      }
      case 'sample':
        return [await this.slice(request.sample)];
      case 'prepared': {
        const row = await this.preparedRow(request);
        return [(await this.parts.prepared?.picture(row)) ?? (await this.slice(row.sample))];
      }
    }
  }

  /** What the row says, its place for messages, and the sample it comes from, where it comes from one. */
  async content(request: RowRequest): Promise<{ conversation: Conversation; where: string; sample?: MedvisionSample }> {
    if (request.kind === 'conversation') return request;
    const sample = request.kind === 'sample' ? request.sample : (await this.preparedRow(request)).sample;
    return { sample, conversation: { messages: sampleMessages(sample), images: [sample.imageFile] }, where: placeOf(sample) };
  }

  private preparedRow({ split, index }: Extract<RowRequest, { kind: 'prepared' }>): Promise<PreparedRow> {
    const { prepared } = this.parts;
    if (prepared === undefined) throw new Error('a prepared row is asked for, no prepared data is open');
    return prepared.row(split, index);
  }

  private slice(sample: MedvisionSample): Promise<DecodedImage> {
    const { slice } = this.parts;
    if (slice !== undefined) return slice(sample);
    throw new UserError(
      'The prepared data holds no pictures. Give --data_dir, the folder of the volumes, or prepare it with --process_img true.',
    );
  }

  private encode(conversation: Conversation, images: DecodedImage[], ask?: true): Example {
    const { mask, vocabSize, stop } = this.parts;
    stop?.throwIfAborted();
    if (this.endless) throw this.endless;
    const example = this.unlessEndless(() =>
      ask
        ? this.processor.encode(beforeLastAnswer(conversation), images, { mask, addGenerationPrompt: true })
        : this.processor.encode(conversation, images, { mask }),
    );
    const outside = example.inputIds.find((id) => id >= vocabSize);
    if (outside === undefined) return example;
    throw new UserError(
      `token ${outside} (${JSON.stringify(this.processor.decode([outside]))}) is outside the model's vocabulary of ${vocabSize}. ` +
        'Tokenizer and weights are of different models; take both from one.',
    );
  }

  private unlessEndless<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof EndlessFile) this.endless = error;
      throw error;
    }
  }
}

/** A conversation that ends with an answer, without it. */
export function beforeLastAnswer(conversation: Conversation): Conversation {
  const { messages } = conversation;
  return messages.at(-1)?.role === 'assistant' ? { ...conversation, messages: messages.slice(0, -1) } : conversation;
}

export async function decodeSource(platform: Platform, image: ImageSource, options?: DecodeOptions): Promise<DecodedImage> {
  if (typeof image !== 'string') return platform.decodeImage(image.bytes, image.name, options);
  return platform.decodeImage(await platform.readFile(image), image, options);
}

function placeOf({ imageFile, sliceDim, sliceIdx, task }: MedvisionSample): string {
  return `${imageFile}, slice ${sliceIdx} along axis ${sliceDim} (${task})`;
}

/** Puts the row's place before a message about it. */
export async function placed<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${where}: ${error.message}`, { cause: error }) : error;
  }
}
