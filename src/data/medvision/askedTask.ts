/**
 * What `--task` of `ask` may say: the full name of a task, whose plan knows what is asked of which slice; or one of four kinds of
 * questions, which are worded for any picture by the functions that word those of the plans.
 */
import { UserError } from '../../platform.ts';
import { metricPrompt } from './angleDistance.ts';
import { boxPrompt } from './detection.ts';
import type { PlanTask } from './plan.ts';
import type { ImageFrame } from './prompt.ts';
import type { Annotation, PromptStyle } from './sample.ts';
import { parseTaskName } from './tasks.ts';
import type { MedvisionTask, TaskType } from './tasks.ts';
import { ellipsePrompt } from './tumorLesion.ts';

export type AskedKind = 'Detection' | 'TL' | 'Distance' | 'Angle';

/** A kind of question, of which `of` says what it is about. */
export interface KindTask {
  kind: AskedKind;
  taskType: TaskType;
  /** mm a pixel stand in the question. */
  needsPixelSize: boolean;
  /** @throws UserError where `of` does not name what this kind asks about @param where names it */
  check(of: string | null, where: string): Annotation;
}

export type AskedTask = KindTask | { kind: 'plan'; task: MedvisionTask };

const KINDS: Readonly<Record<AskedKind, TaskType>> = {
  Detection: 'BoxSize',
  TL: 'TumorLesionSize',
  Distance: 'BiometricsFromLandmarks',
  Angle: 'BiometricsFromLandmarks',
};

/** Longer names are no names, and a request may hold any. */
const MAX_CHARACTERS = 1000;

/** @param where names the option or the key @throws UserError for what is neither a kind nor a task's name */
export function askedTask(word: string, where: string): AskedTask {
  if (word.includes('_Task')) return { kind: 'plan', task: parseTaskName(word, where) };
  return kindTask(word, where, "; or a task's full name, {dataset}_BoxSize_Task01_Axial");
}

/** @throws UserError for any other word than the four kinds */
export function kindTask(word: string, where: string, orElse = ''): KindTask {
  const kind = (Object.keys(KINDS) as AskedKind[]).find((name) => name.toLowerCase() === word.trim().toLowerCase());
  if (kind === undefined) {
    const hint = word.trim().toUpperCase() === 'AD' ? ' (AD is both angles and distances: say which)' : '';
    throw new UserError(
      `${where} is one of ${Object.keys(KINDS).join(', ')}${orElse}; found ${JSON.stringify(word.slice(0, 100))}${hint}.`,
    );
  }
  return { kind, taskType: KINDS[kind], needsPixelSize: kind !== 'Detection', check: (of, name) => annotationOf(kind, of, name) };
}

function annotationOf(kind: AskedKind, of: string | null, where: string): Annotation {
  const names = (of ?? '')
    .split(';')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const [labelName = ''] = names;
  if ((of ?? '').length > MAX_CHARACTERS)
    throw new UserError(`${where}: ${(of ?? '').length} characters; a name of at most ${MAX_CHARACTERS} was expected.`);
  const expected = {
    Detection: 'a structure, as "left kidney"',
    TL: 'a tumour or lesion, as "kidney tumor"',
    Distance: 'two landmarks, "A; B"',
    Angle: 'four landmarks, "A; B; C; D"',
  };
  const points = kind === 'Distance' ? 2 : kind === 'Angle' ? 4 : 0;
  const isRight = points === 0 ? names.length === 1 : names.length === points || names.length === points + 1;
  if (!isRight)
    throw new UserError(`${where} of a ${kind} question names ${expected[kind]}; found ${of === null ? 'nothing' : JSON.stringify(of)}.`);
  switch (kind) {
    case 'Detection':
      return { kind: 'box', label: 0, labelName, min: [0, 0], max: [0, 0] };
    case 'TL':
      return { kind: 'ellipse', label: 0, labelName, major: NaN, minor: NaN, unit: 'mm', isSuspect: false };
    case 'Distance':
    case 'Angle': {
      const landmarks = names.slice(-points);
      const name = names.length > points ? labelName : '';
      return {
        kind: kind === 'Angle' ? 'angle' : 'distance',
        key: '',
        name,
        value: NaN,
        unit: kind === 'Angle' ? 'degree' : 'mm',
        landmarks,
      };
    }
  }
}

/** The question as the plans' are worded. @param description of the picture; may be empty */
export function kindPrompt(annotation: Annotation, description: string, frame: ImageFrame, style: PromptStyle): string {
  const info: PlanTask = {
    where: '--task',
    id: 1,
    imageModality: '',
    imageDescription: description,
    labelsMap: new Map(),
    targetLabel: undefined,
    hasTransposedSpacing: false,
    raw: {},
  };
  switch (annotation.kind) {
    case 'box':
      return boxPrompt(info, annotation, frame, style);
    case 'ellipse':
      return ellipsePrompt(info, annotation, frame, style);
    case 'distance':
    case 'angle':
      return metricPrompt(info, annotation, frame, style);
  }
}
