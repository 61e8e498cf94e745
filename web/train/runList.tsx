/** The runs of a project: what each has come to, its curves, and going on with those that were paused or cut off. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { LogRow } from '../../src/train/checkpointFolder.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Cell, StackedTable } from '../parts/stackedTable.tsx';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { Curves } from './curves.tsx';
import type { KeptRun } from './inWorker.ts';
import { liveRun, removeRun, resumeRun } from './runs.ts';
import { useKeptRuns } from './useKeptRuns.ts';

export function RunList({ studio, open, isUnderWay }: ViewProps & { isUnderWay: boolean }): JSX.Element {
  const { runs } = open.project.value;
  const kept = useKeptRuns({ studio, open }, isUnderWay);
  const [shown, show] = useState<{ name: string; rows: readonly LogRow[] } | null>(null);
  const [removing, setRemoving] = useState<string | null>(null);
  const failed = (error: unknown): void => studio.failed(error);
  const current = liveRun(open).value;
  const showCurves = async (run: KeptRun): Promise<void> => {
    show({ name: run.name, rows: await studio.worker.value.own.runHistory(run.folder) });
  };
  return (
    <section aria-label={texts.train.runs}>
      <h2>{texts.train.runs}</h2>
      {runs.length === 0 && <p class="soft">{texts.train.noRuns}</p>}
      {runs.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label={texts.train.runs}>
          <StackedTable
            class="runs"
            heads={[texts.train.run, texts.train.started, texts.train.state, texts.train.saved, texts.train.actions]}
          >
            {runs.toReversed().map(({ name, startedAt }) => {
              const run = kept.find((one) => one.name === name);
              const isLive = current?.name === name && !current.isOver;
              return (
                <tr role="row" key={name} data-run={name} data-state={run?.state}>
                  <th scope="row" role="rowheader">
                    {name}
                  </th>
                  <Cell head={texts.train.started}>{new Date(startedAt).toLocaleString()}</Cell>
                  <Cell head={texts.train.state}>{run === undefined || isLive ? '…' : texts.train[run.state]}</Cell>
                  <Cell head={texts.train.saved}>{run === undefined ? '…' : texts.train.steps(run.step, run.total)}</Cell>
                  <Cell head={texts.train.actions}>
                    {run?.state === 'paused' && !isUnderWay && (
                      <button
                        type="button"
                        aria-label={texts.train.goOnOf(name)}
                        onClick={() => void resumeRun(studio, open, name).catch(failed)}
                      >
                        {texts.train.goOn}
                      </button>
                    )}
                    {run !== undefined && (
                      <button
                        type="button"
                        class="plain"
                        aria-label={texts.train.curvesOf(name)}
                        onClick={() => void showCurves(run).catch(failed)}
                      >
                        {texts.train.curves}
                      </button>
                    )}
                    {!isLive && (
                      <button type="button" class="plain" aria-label={texts.train.removeOf(name)} onClick={() => setRemoving(name)}>
                        {texts.train.remove}
                      </button>
                    )}
                  </Cell>
                </tr>
              );
            })}
          </StackedTable>
        </div>
      )}
      {shown !== null && (
        <section class="card" aria-label={texts.train.curvesOf(shown.name)}>
          <h3>{texts.train.curvesOf(shown.name)}</h3>
          <Curves rows={shown.rows} />
        </section>
      )}
      {removing !== null && (
        <Dialog title={texts.train.removeOf(removing)} onClose={() => setRemoving(null)}>
          <p>{texts.train.removeSure(removing)}</p>
          <div class="row">
            <button
              type="button"
              class="danger"
              onClick={() => {
                void removeRun(open, removing).catch(failed);
                setRemoving(null);
              }}
            >
              {texts.train.remove}
            </button>
            <button type="button" onClick={() => setRemoving(null)}>
              {texts.train.cancel}
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}
