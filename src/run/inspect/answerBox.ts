/** The box that an answer of four numbers names, for rows that come as conversations and say nothing more of what they ask. */
import { answerText, taskTypeOf } from '../../data/medvision/answerRows.ts';
import { parseAnswer } from '../../data/medvision/answers.ts';
import { boxEdges } from '../../data/medvision/detection.ts';
import type { Conversation } from '../../data/example.ts';

/** Edges in pixels from the upper left corner of the image. */
export interface AnswerBox {
  left: number;
  top: number;
  right: number;
  bottom: number;
  /** How the numbers were understood, for the reader to disagree. */
  reading: string;
}

/**
 * Numbers from 0 to 1 are MedVision's: x1, y1, x2, y2 relative to the image, its origin at the lower left. Others are pixels from the upper
 * left, as Qwen writes boxes. Undefined for answers that are no box within the image.
 */
export function answerBox({ messages, task }: Conversation, { width, height }: { width: number; height: number }): AnswerBox | undefined {
  const text = answerText(messages);
  // A task of four numbers has them last; without one, four numbers are all there must be.
  const isBox = task === undefined ? parseAnswer(text, 5) === undefined : taskTypeOf(task) === 'BoxSize';
  const values = isBox ? parseAnswer(text, 4) : undefined;
  if (values === undefined) return undefined;
  const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = values;
  if (!(x1 >= 0 && y1 >= 0 && x2 > x1 && y2 > y1)) return undefined;
  if (x2 <= 1 && y2 <= 1) return { ...boxEdges(values, height, width), reading: 'box: relative, from the lower left' };
  return x2 <= width && y2 <= height
    ? { left: x1, top: y1, right: x2, bottom: y2, reading: 'box: pixels, from the upper left' }
    : undefined;
}
