/** Two runs beside each other: figures, curves as they go on, what differs. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { SideBySide } from '../../src/run/report/compare.ts';
import type { Comparison } from '../../src/run/ui/api.ts';
import { texts } from '../texts.ts';
import { Curves } from '../train/curves.tsx';
import { client } from './client.ts';
import { LiveRun } from './liveRun.ts';
import { runHash } from './place.ts';
import type { Told } from './told.ts';

export function CompareView({ ids, told }: { ids: readonly [string, string]; told: Told }): JSX.Element {
  const [comparison, setComparison] = useState<Comparison>();
  const [runs] = useState(() => ids.map((id) => new LiveRun(id, told.failed)));
  useEffect(() => {
    client.compare(...ids).then(setComparison, told.failed);
    return () => runs.forEach((run) => run.close());
  }, []);
  const { compare: words } = texts.ui;
  const names = runs.map(({ detail }, i) => detail.value?.name ?? ids[i]!);
  return (
    <>
      <h2>{words.title(names.join(' · '))}</h2>
      {comparison && (
        <>
          <SideTable title={words.about} table={comparison.about} />
          <h2>{words.figures}</h2>
          <SideTable title={words.figures} table={comparison.figures} />
          <p class="soft">{words.figuresHelp}</p>
          {comparison.caution !== '' && <p class="soft">{comparison.caution}</p>}
        </>
      )}
      <div class="beside">
        {runs.map((run, i) => (
          <section key={ids[i]} aria-label={names[i]}>
            <h3>
              <a href={runHash(ids[i]!)}>{names[i]}</a>
              {run.detail.value && <span class={`state ${run.detail.value.state}`}> {texts.ui.shortStates[run.detail.value.state]}</span>}
            </h3>
            <Curves rows={run.rows.value} />
          </section>
        ))}
      </div>
      {comparison && (
        <>
          <h2>{words.differs}</h2>
          {comparison.differences.rows.length === 0 ? (
            <p class="soft">{words.same}</p>
          ) : (
            <SideTable title={words.differs} table={comparison.differences} />
          )}
        </>
      )}
    </>
  );
}

function SideTable({ title, table: { names, rows } }: { title: string; table: SideBySide }): JSX.Element {
  const { compare: words } = texts.ui;
  return (
    <div class="card scroll" tabIndex={0} role="region" aria-label={title}>
      <table>
        <thead>
          <tr>
            <th scope="col">{words.what}</th>
            {names.map((name, i) => (
              <th key={i} scope="col" class="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ head, cells, best = [] }) => (
            <tr key={head}>
              <th scope="row">{head}</th>
              {cells.map((cell, i) => (
                <td key={i} class={`number ${best.includes(i) ? 'good' : ''}`}>
                  {cell}
                  {best.includes(i) && (
                    <>
                      {' '}
                      <span aria-hidden="true">★</span>
                      <span class="visually-hidden">{words.best}</span>
                    </>
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
