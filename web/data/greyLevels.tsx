/** How the values of a volume become grey for the model: by the kind of scan, by each slice, or a window. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { CT_WINDOWS, windowOf } from '../../src/data/medvision/intensity.ts';
import type { CtWindow, IntensityChoice, Window } from '../../src/data/medvision/intensity.ts';
import { decimal } from '../parts/decimal.ts';
import { Field } from '../parts/field.tsx';
import { texts } from '../texts.ts';

const NAMES = Object.keys(CT_WINDOWS) as CtWindow[];
const MODES = ['window', 'percentile', 'minmax'] as const;
const OWN = 'own';

function nameOf(chosen: IntensityChoice): string {
  if (typeof chosen === 'string') return chosen;
  const isOne = (name: CtWindow): boolean => {
    const { low, high } = windowOf(CT_WINDOWS[name]);
    return low === chosen.low && high === chosen.high;
  };
  return NAMES.find(isOne) ?? OWN;
}

export interface GreyLevelsProps {
  value: IntensityChoice;
  /** What a window of one's own begins with. */
  begin: Window;
  onChange: (value: IntensityChoice) => void;
}

export function GreyLevels({ value, begin, onChange }: GreyLevelsProps): JSX.Element {
  const own = texts.data.grey;
  const chosen = nameOf(value);
  const [count, setCount] = useState(0);
  const choose = (name: string): void => {
    setCount(count + 1); // the fields begin anew
    const mode = MODES.find((one) => one === name);
    const named = NAMES.find((one) => one === name);
    onChange(mode ?? (named ? windowOf(CT_WINDOWS[named]) : begin));
  };
  return (
    <>
      <Field label={own.label} help={own.help}>
        {(ids) => (
          <select {...ids} value={chosen} onChange={({ currentTarget }) => choose(currentTarget.value)}>
            {MODES.map((mode) => (
              <option key={mode} value={mode} selected={mode === chosen}>
                {own.modes[mode]}
              </option>
            ))}
            {NAMES.map((name) => (
              <option key={name} value={name} selected={name === chosen}>
                {own.window(own.windows[name])}
              </option>
            ))}
            <option value={OWN} selected={chosen === OWN}>
              {own.own}
            </option>
          </select>
        )}
      </Field>
      {typeof value === 'object' && <OwnWindow key={count} value={value} onChange={onChange} />}
    </>
  );
}

/** Numbers count when both are there. */
function OwnWindow({ value: { low, high }, onChange }: { value: Window; onChange: (value: Window) => void }): JSX.Element {
  const [level, setLevel] = useState(String((low + high) / 2));
  const [width, setWidth] = useState(String(high - low));
  const change = (nextLevel: string, nextWidth: string): void => {
    setLevel(nextLevel);
    setWidth(nextWidth);
    const [centre, wide] = [decimal(nextLevel), decimal(nextWidth)];
    if (Number.isFinite(centre) && wide > 0 && Number.isFinite(wide)) onChange(windowOf({ level: centre, width: wide }));
  };
  const { grey } = texts.data;
  const isWide = decimal(width) > 0;
  return (
    <>
      <Field label={grey.level} error={Number.isFinite(decimal(level)) ? undefined : grey.wrongLevel}>
        {(ids) => <input {...ids} inputMode="decimal" value={level} onInput={({ currentTarget }) => change(currentTarget.value, width)} />}
      </Field>
      <Field label={grey.width} error={isWide ? undefined : grey.wrongWidth}>
        {(ids) => <input {...ids} inputMode="decimal" value={width} onInput={({ currentTarget }) => change(level, currentTarget.value)} />}
      </Field>
    </>
  );
}
