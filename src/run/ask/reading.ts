/** An answer's numbers with their units, and where on the picture they are, as far as they say it. */
import { measuresOf, parseAnswer } from '../../data/medvision/answers.ts';
import type { AnswerMode, Measure } from '../../data/medvision/answers.ts';
import { boxEdges } from '../../data/medvision/detection.ts';
import { unitWord } from '../../data/medvision/prompt.ts';
import { ANSWER_LENGTH } from '../../data/medvision/sample.ts';
import type { Annotation } from '../../data/medvision/sample.ts';
import type { TaskType } from '../../data/medvision/tasks.ts';
import { answerBox } from '../inspect/answerBox.ts';

export interface Reading {
  /** Absent for an answer in which the numbers that were asked for are not to be found. */
  numbers?: ({ name?: string } & Measure)[];
  /** In pixels of the picture, from its upper left corner; of several boxes the first, which is asked for as the largest. */
  box?: { left: number; top: number; right: number; bottom: number };
  /** Whether all of the box is on the picture. */
  isInside?: boolean;
  /** x1, y1, x2, y2 relative to the picture, from its lower left corner. */
  corners?: number[];
}

/** What a MedVision question asks for. */
export interface AskedMeasure {
  taskType: TaskType;
  annotation: Annotation;
}

interface Size {
  width: number;
  height: number;
}

/** Of an answer to a MedVision question. */
export function readMeasure(text: string, { taskType, annotation }: AskedMeasure, picture: Size, parser: AnswerMode): Reading {
  const length = ANSWER_LENGTH[taskType];
  const count = 1 + ('others' in annotation ? (annotation.others?.length ?? 0) : 0);
  const values = parseAnswer(text, length * count, parser);
  if (values === undefined) return {};
  /** Of several boxes or ellipses also which one. */
  const named = (names: readonly string[], i: number): string =>
    `${names[i % length] ?? ''}${count > 1 ? ` (${Math.floor(i / length) + 1})` : ''}`;
  if (annotation.kind === 'box') {
    const names = ['x1', 'y1', 'x2', 'y2'];
    const numbers = values.map((value, i) => ({ name: named(names, i), value, unit: i % 2 === 0 ? 'of the width' : 'of the height' }));
    const corners = values.slice(0, length);
    return {
      numbers,
      box: ordered(boxEdges(corners, picture.height, picture.width)),
      isInside: corners.every((at) => at >= 0 && at <= 1),
      corners,
    };
  }
  const unit = unitWord(annotation.unit, annotation.kind === 'angle' ? 'angle' : 'length', 'answer');
  const names = annotation.kind === 'ellipse' ? ['major axis', 'minor axis'] : [annotation.name.trim() || annotation.kind];
  return { numbers: values.map((value, i) => ({ name: named(names, i), value, unit })) };
}

/** Of an answer to a question in somebody's own words: all its numbers, and the box that four of them may be. */
export function readFree(text: string, picture: Size | undefined): Reading {
  const numbers = measuresOf(text);
  if (numbers.length === 0) return {};
  const said = picture && answerBox({ messages: [{ role: 'assistant', content: text }], images: [] }, picture);
  if (said === undefined || picture === undefined) return { numbers };
  const { left, top, right, bottom } = said;
  const { width, height } = picture;
  return {
    numbers,
    box: { left, top, right, bottom },
    isInside: true,
    corners: [left / width, 1 - bottom / height, right / width, 1 - top / height],
  };
}

/** Corners may come in either order. */
function ordered({ left, top, right, bottom }: NonNullable<Reading['box']>): NonNullable<Reading['box']> {
  return { left: Math.min(left, right), top: Math.min(top, bottom), right: Math.max(left, right), bottom: Math.max(top, bottom) };
}
