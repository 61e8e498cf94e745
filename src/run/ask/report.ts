/** An answer as a person reads it, and as a program does. */
import { jsonNumber } from '../../data/medvision/answerRows.ts';
import type { AnswerMode } from '../../data/medvision/answers.ts';
import { scoreAnswer } from '../../data/medvision/metrics.ts';
import type { Written } from './asker.ts';
import type { AskedQuestion } from './question.ts';
import { readFree, readMeasure } from './reading.ts';
import type { Reading } from './reading.ts';

export function readingOf({ measure, scene }: Pick<AskedQuestion, 'measure' | 'scene'>, text: string, parser: AnswerMode): Reading {
  if (measure === undefined) return readFree(text, scene?.image);
  return scene ? readMeasure(text, measure, scene.image, parser) : {};
}

/** Numbers as JSON holds them, and the box in whole hundredths of a pixel. */
export function readingFacts({ numbers, box, isInside }: Reading): Record<string, unknown> {
  const hundredth = (value: number): number => Math.round(value * 100) / 100;
  return {
    numbers:
      numbers?.map(({ name, value, unit }) => ({
        ...(name !== undefined && { name }),
        value: jsonNumber(value),
        ...(unit !== undefined && { unit }),
      })) ?? [],
    ...(box && {
      box: {
        ...Object.fromEntries(Object.entries(box).map(([edge, at]) => [edge, hundredth(at)])),
        unit: 'pixels',
        origin: 'upper left',
        is_inside: isInside ?? false,
      },
    }),
  };
}

export interface AnsweredQuestion {
  question: AskedQuestion;
  written: Written;
  reading: Reading;
  model: string;
  seconds: number;
  overlay?: { file?: string; legend: string };
}

export function answerFacts(
  { question, written, reading, model, seconds, overlay }: AnsweredQuestion,
  parser: AnswerMode,
): Record<string, unknown> {
  const { prompt, pictures, sample, facts } = question;
  const { text, finish, promptTokens, answerTokens } = written;
  return {
    model,
    pictures: pictures.map(({ name, slice }) => ({ name, ...(slice && { plane: slice.plane, slice: slice.index }) })),
    ...facts,
    prompt,
    answer: text,
    finish,
    ...readingFacts(reading),
    ...(sample && { truth: sample.values.map(jsonNumber), target: sample.target, ...scoreFacts(question, text, parser) }),
    prompt_tokens: promptTokens,
    answer_tokens: answerTokens,
    seconds: Math.round(seconds * 1000) / 1000,
    ...(overlay && { overlay: { ...(overlay.file !== undefined && { file: overlay.file }), legend: overlay.legend } }),
  };
}

function scoreFacts({ sample }: AskedQuestion, text: string, parser: AnswerMode): Record<string, unknown> {
  if (sample === undefined) return {};
  const { mae, mre, box } = scoreAnswer(sample.taskType, text, sample.values, parser);
  return box ? { iou: jsonNumber(box.iou) } : { absolute_error: jsonNumber(mae), relative_error: jsonNumber(mre) };
}

/** For the terminal: what was asked of what, the answer, its numbers, the truth. */
export function answerText({ question, written, reading, overlay }: AnsweredQuestion, parser: AnswerMode): string {
  const { pictures, sample, facts } = question;
  const subject = typeof facts['task'] === 'string' ? `${facts['task']}, ${String(facts['of'])}` : '';
  const names = pictures.map(({ name, slice }) => (slice ? `${name} (${slice.plane} slice ${slice.index})` : name)).join(', ');
  const figure = (value: number): string => String(Number(value.toPrecision(6)));
  const lines = [[subject, names].filter((part) => part !== '').join(': '), written.text];
  if (written.finish === 'length') lines.push('(cut off at its greatest length, --max_new_tokens)');
  const numbers =
    reading.numbers?.map(({ name, value, unit }) => [name, figure(value), unit].filter((part) => part !== undefined).join(' ')) ?? [];
  if (numbers.length > 0) lines.push(`Read: ${numbers.join(', ')}`);
  else if (question.measure) lines.push('Read: nothing; the answer does not have the numbers that were asked for.');
  if (reading.box) {
    const { left, top, right, bottom } = reading.box;
    lines.push(
      `Box: columns ${left.toFixed(1)} to ${right.toFixed(1)}, rows ${top.toFixed(1)} to ${bottom.toFixed(1)}, ` +
        'in pixels from the upper left' +
        (reading.isInside ? '' : '; that is not all on the picture'),
    );
  }
  if (sample) {
    const score = Object.entries(scoreFacts(question, written.text, parser)).map(
      ([name, value]) => `${name.replace('_', ' ')} ${typeof value === 'number' ? figure(value) : '–'}`,
    );
    lines.push(`Right: ${sample.target}${score.length > 0 ? ` (${score.join(', ')})` : ''}`);
  }
  if (overlay?.file !== undefined) lines.push(`${overlay.file}: ${overlay.legend}`);
  return `${lines.filter((line) => line !== '').join('\n')}\n`;
}
