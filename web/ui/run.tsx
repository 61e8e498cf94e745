/** One run: figures and curves as they come, what can be done with it, its report's pictures, what its programs said. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { RunDetail } from '../../src/run/ui/api.ts';
import { settingText } from '../../src/run/report/page.ts';
import { bytesText, countText, durationText } from '../../src/track/console.ts';
import { Progress } from '../parts/progress.tsx';
import { texts } from '../texts.ts';
import { Curves } from '../train/curves.tsx';
import { Actions } from './actions.tsx';
import { client } from './client.ts';
import { lossText, timeText } from './figures.ts';
import { LiveRun } from './liveRun.ts';
import { ReportPictures } from './pictures.tsx';
import { Said } from './said.tsx';
import type { Told } from './told.ts';

export function RunView({ id, told }: { id: string; told: Told }): JSX.Element {
  const [run] = useState(() => new LiveRun(id, told.failed));
  useEffect(() => () => run.close(), [run]);
  const { value: detail } = run.detail;
  if (run.isGone.value) return <p role="status">{texts.ui.run.gone}</p>;
  if (detail === undefined) return <p aria-busy="true">{texts.ui.loading}</p>;
  const { run: words } = texts.ui;
  return (
    <>
      <h2>{detail.name}</h2>
      {run.isAway.value && <p role="status">{texts.ui.away}</p>}
      <Head detail={detail} />
      <Actions detail={detail} told={told} onDone={() => void run.refresh().catch(told.failed)} />
      {detail.kind === 'training' && (
        <>
          <h2>{words.curves}</h2>
          <Curves rows={run.rows.value} />
        </>
      )}
      {detail.figures.length > 0 && (
        <>
          <h2>{words.figures}</h2>
          <div class="card">
            <Pairs pairs={detail.figures} />
          </div>
        </>
      )}
      <Warnings warnings={detail.warnings} />
      <h2>{words.report}</h2>
      <p>
        <a class="button" href={client.reportAddress(id)} target="_blank" rel="noopener">
          {words.openReport}
        </a>
      </p>
      {detail.hasPictures && <ReportPictures id={id} changedAt={detail.changedAt} told={told} />}
      <Folded title={words.said}>{() => <Said id={id} told={told} />}</Folded>
      <Folded title={words.facts}>{() => <Pairs pairs={detail.facts} />}</Folded>
      <Folded title={words.settings}>
        {() => <Pairs pairs={Object.entries(detail.settings).map(([name, value]) => [name, settingText(value)])} />}
      </Folded>
      <h2>{words.files}</h2>
      <ul class="files">
        {detail.files.map(({ name, bytes }) => (
          <li key={name}>
            <a href={client.fileAddress(id, name)} download={name} aria-label={words.download(name)}>
              {name}
            </a>{' '}
            <span class="soft">{bytesText(bytes)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}

function Head({ detail }: { detail: RunDetail }): JSX.Element {
  const { run: words } = texts.ui;
  const { state, step, totalSteps, pace, peakBytes, loss, evalLoss, model, holder } = detail;
  const isRunning = state === 'running';
  const left = pace && totalSteps !== null && step !== null ? durationText(pace.secondsPerStep * (totalSteps - step)) : words.leftUnknown;
  const figures: (readonly [string, string] | false)[] = [
    isRunning && detail.kind === 'training' && [words.left, left],
    detail.kind === 'training' && [words.loss, lossText(loss)],
    detail.kind === 'training' && [words.evalLoss, lossText(evalLoss)],
    pace !== null && [words.stepTime, durationText(pace.secondsPerStep)],
    pace !== null && pace.tokensPerSecond !== null && [words.speed, countText(pace.tokensPerSecond)],
    peakBytes !== null && [words.memory, bytesText(peakBytes)],
    model !== '' && [words.model, model],
    holder !== '' && [words.holder, holder],
  ];
  return (
    <section class="card" aria-label={words.now}>
      <p>
        <span class={`state ${state}`}>{texts.ui.states[state]}</span> <span class="soft">{timeText(detail.changedAt)}</span>
      </p>
      {totalSteps !== null && step !== null && <Progress label={words.progress(step, totalSteps)} share={step / totalSteps} />}
      <dl class="now">
        {figures.map(
          (pair) =>
            pair !== false && (
              <div key={pair[0]}>
                <dt>{pair[0]}</dt>
                <dd>{pair[1]}</dd>
              </div>
            ),
        )}
      </dl>
    </section>
  );
}

function Warnings({ warnings }: { warnings: readonly string[] }): JSX.Element | null {
  if (warnings.length === 0) return null;
  return (
    <details>
      <summary>{texts.ui.run.warnings(warnings.length)}</summary>
      <ul>
        {warnings.map((text, i) => (
          <li key={i}>{text}</li>
        ))}
      </ul>
    </details>
  );
}

/** What is made when it is opened. */
function Folded({ title, children }: { title: string; children: () => ComponentChildren }): JSX.Element {
  const [isOpen, open] = useState(false);
  return (
    <details onToggle={(event) => open(event.currentTarget.open)}>
      <summary>{title}</summary>
      {isOpen && children()}
    </details>
  );
}

function Pairs({ pairs }: { pairs: readonly (readonly [string, string])[] }): JSX.Element {
  return (
    <table class="pairs">
      <tbody>
        {pairs.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
