/** All runs, the latest first, looked at every few seconds while the page is. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { RunEntry } from '../../src/run/ui/api.ts';
import { texts } from '../texts.ts';
import { client } from './client.ts';
import { lossText, timeText } from './figures.ts';
import { compareHash, runHash } from './place.ts';
import type { Told } from './told.ts';

const EVERY_MS = 3000;

export function ListView({ told }: { told: Told }): JSX.Element {
  const [runs, setRuns] = useState<readonly RunEntry[]>();
  const [chosen, setChosen] = useState<readonly string[]>([]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isShown = true;
    const look = async (): Promise<void> => {
      try {
        if (document.visibilityState === 'visible') {
          const found = await client.list();
          if (isShown) setRuns(found);
        }
      } catch (error) {
        told.failed(error);
      }
      if (isShown) timer = setTimeout(() => void look(), EVERY_MS);
    };
    void look();
    return () => {
      isShown = false;
      clearTimeout(timer);
    };
  }, [told]);
  const { list } = texts.ui;
  if (runs === undefined) return <p aria-busy="true">{texts.ui.loading}</p>;
  if (runs.length === 0) return <p>{list.none}</p>;
  const choose = (id: string, isChosen: boolean): void =>
    setChosen((before) => (isChosen ? [...before, id].slice(-2) : before.filter((one) => one !== id)));
  const [a, b] = chosen;
  return (
    <>
      <h2>{texts.ui.runs}</h2>
      <div class="card scroll" tabIndex={0} role="region" aria-label={texts.ui.runs}>
        <table class="runs">
          <thead>
            <tr>
              <th scope="col">{list.compare}</th>
              <th scope="col">{list.name}</th>
              <th scope="col">{list.kind}</th>
              <th scope="col">{list.state}</th>
              <th scope="col" class="number">
                {list.step}
              </th>
              <th scope="col" class="number">
                {list.loss}
              </th>
              <th scope="col" class="number">
                {list.evalLoss}
              </th>
              <th scope="col">{list.changed}</th>
            </tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <tr key={run.id}>
                <td>
                  <input
                    type="checkbox"
                    aria-label={list.compareOf(run.name)}
                    checked={chosen.includes(run.id)}
                    onChange={(event) => choose(run.id, event.currentTarget.checked)}
                  />
                </td>
                <th scope="row" class="name">
                  <a href={runHash(run.id)}>{run.name}</a>
                </th>
                <td>{texts.ui.kinds[run.kind]}</td>
                <td class={`state ${run.state}`}>{texts.ui.shortStates[run.state]}</td>
                <td class="number">{list.steps(run.step, run.totalSteps)}</td>
                <td class="number">{lossText(run.loss)}</td>
                <td class="number">{lossText(run.evalLoss)}</td>
                <td>{timeText(run.changedAt)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="row">
        {a !== undefined && b !== undefined ? (
          <a class="button" href={compareHash(a, b)}>
            {list.compareTwo}
          </a>
        ) : (
          <span class="soft">{list.compareHelp}</span>
        )}
      </p>
    </>
  );
}
