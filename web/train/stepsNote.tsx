/** How many steps the options come to with the rows that are drawn, and options that suit a few of them. */
import type { JSX } from 'preact';
import { definitions } from '../../src/options.ts';
import { planSteps } from '../../src/train/schedule.ts';
import { FOR_FEW_ROWS } from '../studio/project.ts';
import { texts } from '../texts.ts';
import type { Changed } from './values.ts';

/** A run of fewer steps hardly learns. */
const FEW_STEPS = 20;

type Counted = 'epoch' | 'max_steps' | 'per_device_train_batch_size' | 'gradient_accumulation_steps';

/** Optimizer steps of a run. */
export function stepsOf(rows: number, value: Changed): { perStep: number; total: number } {
  const number = (name: Counted): number => Number(value[name] ?? definitions[name].default);
  const [batchSize, accumulation] = [number('per_device_train_batch_size'), number('gradient_accumulation_steps')];
  const { totalSteps } = planSteps({ rows, batchSize, accumulation, epochs: number('epoch'), maxSteps: number('max_steps') });
  return { perStep: batchSize * accumulation, total: totalSteps };
}

export interface StepsNoteProps {
  /** That train. */
  rows: number;
  value: Changed;
  disabled: boolean;
  onChange: (value: Changed) => void;
}

export function StepsNote({ rows, value, disabled, onChange }: StepsNoteProps): JSX.Element | null {
  if (rows === 0) return null;
  const { perStep, total } = stepsOf(rows, value);
  return (
    <p>
      {texts.train.stepsWords(rows, perStep, total)}{' '}
      {total < FEW_STEPS && (
        <button type="button" class="plain" disabled={disabled} onClick={() => onChange({ ...value, ...FOR_FEW_ROWS })}>
          {texts.train.few}
        </button>
      )}
    </p>
  );
}
