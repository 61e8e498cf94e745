/** Figures before and after, and which of them have gained. */
import type { JSX } from 'preact';
import { figureText, verdict } from '../../src/run/report/figures.ts';
import type { ComparisonRow } from '../../src/run/report/figures.ts';
import { texts } from '../texts.ts';

export function Comparison({ title, rows }: { title: string; rows: readonly ComparisonRow[] }): JSX.Element {
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
                <td class="number">{figureText(row.before, row.unit)}</td>
                <td class="number">
                  {figureText(row.after, row.unit)} <Verdict word={verdict(row.before, row.after, row)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
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
