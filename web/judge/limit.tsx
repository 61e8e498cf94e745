/** A limit that a measure decides something at, and how often the answers decide as the truth does. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { KIND_WORDS } from '../../src/run/report/measures.ts';
import type { ComparisonRow } from '../../src/run/report/figures.ts';
import { Comparison } from '../parts/comparison.tsx';
import { decimal } from '../parts/decimal.ts';
import { Field } from '../parts/field.tsx';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import type { JudgedRow } from './inWorker.ts';

interface Measure {
  name: string;
  unit: string;
  number: 0 | 1;
  rows: JudgedRow[];
}

/** Nothing where nothing has a length or an angle. */
export function LimitTable({ studio, rows }: Pick<ViewProps, 'studio'> & { rows: readonly JudgedRow[] }): JSX.Element | null {
  const measures = measuresOf(rows);
  const [place, choose] = useState(0);
  const [text, setText] = useState('');
  const [found, setFound] = useState<ComparisonRow[]>([]);
  const measure = measures[place];
  const at = decimal(text);
  useEffect(() => {
    let isShown = true;
    setFound([]);
    if (measure !== undefined && Number.isFinite(at)) {
      const limit = { name: measure.name, number: measure.number, at };
      studio.worker.value.own.decided(measure.rows, limit).then(
        (all) => isShown && setFound(all),
        (error: unknown) => studio.failed(error),
      );
    }
    return () => {
      isShown = false;
    };
  }, [rows, place, text]);
  if (measure === undefined) return null;
  const words = texts.judge;
  const isWrong = text.trim() !== '' && !Number.isFinite(at);
  return (
    <section aria-label={words.limits}>
      <h2>{words.limits}</h2>
      <p class="help">{words.limitsHelp}</p>
      <Field label={words.measure}>
        {(ids) => (
          <select {...ids} value={place} onChange={({ currentTarget }) => choose(Number(currentTarget.value))}>
            {measures.map(({ name }, i) => (
              <option key={name} value={i}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={words.limit(measure.unit)} error={isWrong ? words.noLimit : undefined}>
        {(ids) => <input {...ids} value={text} inputMode="decimal" onInput={({ currentTarget }) => setText(currentTarget.value)} />}
      </Field>
      {found.length > 0 && <Comparison title={words.decided(measure.name, text.trim())} rows={found} />}
    </section>
  );
}

function measuresOf(rows: readonly JudgedRow[]): Measure[] {
  const all = new Map<string, Measure>();
  for (const row of rows) {
    if (row.kind === '' || row.kind === KIND_WORDS.box) continue;
    const axes = row.kind === KIND_WORDS.ellipse ? texts.judge.axes : [''];
    axes.forEach((axis, number) => {
      const name = [row.kind, row.name, axis].filter((part) => part !== '').join(': ');
      const measure = all.get(name) ?? { name, unit: row.unit, number: number === 0 ? 0 : 1, rows: [] };
      all.set(name, measure);
      measure.rows.push(row);
    });
  }
  return [...all.values()];
}
