/**
 * The three forms a sample takes on its way to the GPU: a Conversation (text and image files), an Example (token ids, labels,
 * positions, pixels: what a Processor makes of it) and a micro-batch (an array of Examples). There is no padding: the model concatenates
 * the rows of a micro-batch and attention never crosses a row, which equals right padding without computing the pad tokens.
 */
import type { DecodedImage, PictureNote } from '../platform.ts';
import type { AskedMeasure } from './conversations/measure.ts';

export type ContentPart = { type: 'text'; text: string } | { type: 'image' };

export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string | ContentPart[];
  /** Absent: an answer is learnt. Such a turn carries no label, whatever the mask. */
  isLearnt?: false;
}

/** A picture file's path, or the bytes of one that lay in the row; `name` is for messages. */
export type ImageSource = string | { bytes: Uint8Array; name: string };

/** One row of a conversation data set. `images` are in the order of the image parts. */
export interface Conversation {
  id?: string;
  messages: Message[];
  images: ImageSource[];
  /** AD, Detection, TL or the name of a MedVision task, where the row says so: its answer is then scored as that task's. */
  task?: string;
  /** What the answer measures, where the row says it: reports then show it as they do MedVision's rows. */
  measure?: AskedMeasure;
}

/** The texts of messages, in their order: what their parts that are pictures leave. */
export function textsOf(messages: readonly Message[]): string[] {
  return messages.flatMap(({ content }) =>
    typeof content === 'string' ? [content] : content.flatMap((part) => (part.type === 'text' ? [part.text] : [])),
  );
}

/** A label that takes no part in the loss (PyTorch's ignore_index). */
export const IGNORE_INDEX = -100;

export interface Example {
  /** (T) image placeholders already expanded to one id per image feature. */
  inputIds: Int32Array;
  /** (T) `labels[t]` is token t itself or IGNORE_INDEX; the model predicts it from position t-1, as in transformers. */
  labels: Int32Array;
  /** (T) what a label weighs in the loss, above 0; absent: each 1. */
  weights?: Float32Array;
  /** (P, T) row-major: P = 3 (time, height, width) for M-RoPE, P = 1 otherwise. */
  positionIds: Int32Array;
  /**
   * All images of the row, one after the other; the layout is the model's (Qwen2.5-VL: (patches, 3·2·14·14), as its reference processor
   * gives it).
   */
  pixelValues: Float32Array;
  /** One [t, h, w] per image, in patches; where a model cuts images into tiles (SmolVLM), one per tile. */
  imageGrids: [number, number, number][];
  /** What its pictures are known by, one for each of `imageGrids` (src/models/pictureKey.ts). */
  pictureKeys?: readonly string[];
  /**
   * Only where `pixelValues` is left empty, since a model has kept what it makes of the pictures (src/train/seenRows.ts): the row once
   * more, with its pixels.
   */
  again?: () => Promise<Example>;
  /** What the user should hear about how its pictures were read. */
  notes?: PictureNote[];
}

/**
 * completion: only what the assistant says (and its end-of-turn token) is learnt. answer: of that, what begins with <answer>, where there
 * is such a block; with a number, what stands before it too, at that weight. reference: what medvision_bm's collate functions leave in
 * (everything but pad and image tokens).
 */
export type LabelMask = 'completion' | 'answer' | 'reference' | { reasoningWeight: number };

export interface EncodeOptions {
  mask: LabelMask;
  /** End with the assistant header instead of a finished turn, for generation. */
  addGenerationPrompt?: boolean;
}

/** What a row comes to, known without a pixel of its images. */
export interface RowMeasure {
  tokens: number;
  /** Tokens with a label that the model predicts (the first token of a row has none before it). */
  learnt: number;
  /** UTF-16 units of the rendered text, an image as its placeholder. */
  characters: number;
}

export interface Processor {
  /**
   * `encode` without pixels: the same checks, the same count of tokens.
   * @param sizes of the images, in pixels
   * @throws UserError as `encode` does
   */
  measure(conversation: Conversation, sizes: readonly { height: number; width: number }[], options: EncodeOptions): RowMeasure;
  /** Tokens that an image of this size becomes, those around it included. @throws UserError where the model takes no such image */
  imageTokens(height: number, width: number): number;
  /** Texts that stand for images: a row that has one in its own text is refused. */
  readonly reserved: readonly string[];
  encode(conversation: Conversation, images: DecodedImage[], options: EncodeOptions): Example;
  decode(ids: ArrayLike<number>, options?: { skipSpecialTokens?: boolean }): string;
  /** Size the image has for the model, in pixels. */
  resizedSize(height: number, width: number): { height: number; width: number };
  /** Ids that end a generated turn. */
  readonly endOfTurnIds: readonly number[];
  readonly padId: number;
}
