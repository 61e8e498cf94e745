/** Figures before and after, and which of them have gained. */
import type { JSX } from 'preact';
import type { Interval } from '../../src/data/medvision/bootstrap.ts';
import { figureText, rangeText, verdict } from '../../src/run/report/figures.ts';
import type { ComparisonRow, Unit } from '../../src/run/report/figures.ts';
import { meaningsOf } from '../../src/run/report/meanings.ts';
import { texts } from '../texts.ts';
import './comparison.css';

export interface ComparisonProps {
  title: string;
  rows: readonly ComparisonRow[];
  /** Said below the table. */
  note?: string;
}

export function Comparison({ title, rows, note }: ComparisonProps): JSX.Element {
  const { task, figure, count, before, after } = texts.comparison;
  const hasCounts = rows.some((row) => row.count !== undefined);
  return (
    <>
      <h2>{title}</h2>
      <div class="card scroll" tabIndex={0} role="region" aria-label={title}>
        <table>
          <thead>
            <tr>
              <th scope="col">{task}</th>
              <th scope="col">{figure}</th>
              {[...(hasCounts ? [count] : []), before, after].map((head) => (
                <th key={head} scope="col" class="number">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={`${row.subject} ${row.figure}`}>
                <th scope="row">{row.subject}</th>
                <td>{row.figure}</td>
                {hasCounts && <td class="number">{row.count ?? '–'}</td>}
                <td class="number">
                  {figureText(row.before, row.unit)}
                  <Range range={row.ranges?.before} unit={row.unit} />
                </td>
                <td class="number">
                  {figureText(row.after, row.unit)} <Verdict word={verdict(row.before, row.after, row)} />
                  <Range range={row.ranges?.after} unit={row.unit} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {note !== undefined && <p class="help">{note}</p>}
      <Meanings of={rows.map((row) => row.figure)} />
    </>
  );
}

/** Where a figure most likely lies for other scans like these. */
function Range({ range, unit }: { range: Interval | undefined; unit: Unit }): JSX.Element | null {
  return range === undefined ? null : <small class="range soft">{rangeText(range, unit)}</small>;
}

/** What the figures mean, for those who ask. */
function Meanings({ of }: { of: readonly string[] }): JSX.Element | null {
  const told = meaningsOf(of);
  if (told.length === 0) return null;
  return (
    <details class="meanings">
      <summary>{texts.comparison.meanings}</summary>
      <dl>
        {told.map(([figure, meaning]) => (
          <div key={figure}>
            <dt>{figure}</dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

/** Colour is not all that tells better from worse. */
function Verdict({ word }: { word: string }): JSX.Element | null {
  if (word === '') return null;
  const isBetter = word.trim() === 'better';
  return (
    <span class={isBetter ? 'good' : 'bad'}>
      <span aria-hidden="true">{isBetter ? '✓' : '✗'}</span>
      <span class="visually-hidden">{isBetter ? texts.comparison.better : texts.comparison.worse}</span>
    </span>
  );
}
