/** A run under way: how far it is, what it takes, its curves, its answers to held-out rows, and how to pause or end it. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { bytesText, countText, durationText } from '../../src/track/console.ts';
import { Dialog } from '../parts/dialog.tsx';
import { PngPicture } from '../parts/pngPicture.tsx';
import { Progress } from '../parts/progress.tsx';
import { texts } from '../texts.ts';
import { Curves } from './curves.tsx';
import './live.css';
import type { LiveRun, ShownPicture } from './liveRun.ts';

export interface LivePanelProps {
  run: LiveRun;
  /** The step of its last checkpoint. */
  savedStep: () => Promise<number>;
  /** Ends the worker. */
  onEndNow: () => void;
}

export function LivePanel({ run, savedStep, onEndNow }: LivePanelProps): JSX.Element {
  void run.changes.value;
  const [asking, ask] = useState<{ saved: number } | null>(null);
  const { state, step, total, peakBytes, messages, pictures, rows } = run;
  const last = messages.at(-1);
  const words = texts.live;
  const evaluating = state === 'starting' || state === 'running' ? run.evaluating : null;
  const share = evaluating ? evaluating.done / evaluating.total : total === 0 || state === 'starting' ? undefined : step / total;
  return (
    <section class="card live" aria-label={texts.live.label(run.name)} data-state={state}>
      <h3>{run.name}</h3>
      <p role="status" class="state">
        {evaluating ? words.evaluating(step) : words.states[state]}
      </p>
      {run.endWarnings.map((text) => (
        <p key={text} role="alert" class="wrong">
          {text}
        </p>
      ))}
      {!run.isOver && (
        <Progress label={evaluating ? words.evaluated(evaluating.done, evaluating.total) : words.progress(step, total)} share={share} />
      )}
      {!run.isOver && last !== undefined && <p class="soft latest">{last.text}</p>}
      <dl class="facts">
        {!run.isOver &&
          fact(texts.live.left, run.pace.secondsLeft === undefined ? texts.live.leftUnknown : durationText(run.pace.secondsLeft))}
        {run.pace.tokensPerSecond !== undefined && fact(texts.live.speed, countText(run.pace.tokensPerSecond))}
        {peakBytes > 0 && fact(texts.live.memory, bytesText(peakBytes))}
        {latestLoss(run) !== undefined && fact(texts.live.loss, latestLoss(run)!.toFixed(4))}
      </dl>
      {!run.isOver && (
        <div class="row">
          <button type="button" disabled={state === 'pausing'} onClick={() => run.pause()}>
            {texts.train.pause}
          </button>
          <button type="button" class="danger" onClick={() => void savedStep().then((saved) => ask({ saved }))}>
            {texts.train.endNow}
          </button>
        </div>
      )}
      {asking !== null && (
        <Dialog title={texts.train.endTitle} onClose={() => ask(null)}>
          <p>{texts.train.endSure(asking.saved)}</p>
          <div class="row">
            <button
              type="button"
              class="danger"
              onClick={() => {
                ask(null);
                onEndNow();
              }}
            >
              {texts.train.endNow}
            </button>
            <button type="button" onClick={() => ask(null)}>
              {texts.train.keepGoing}
            </button>
          </div>
        </Dialog>
      )}
      <Curves rows={rows} />
      {pictures.size > 0 && <Answers pictures={pictures} />}
      <details>
        <summary>{texts.live.messages(messages.length)}</summary>
        <ol class="messages" tabIndex={0} aria-label={texts.live.messages(messages.length)}>
          {messages.map(({ level, text }, i) => (
            <li key={i}>
              {level === 'warning' && <strong class="wrong">{texts.live.warning} </strong>}
              {text}
            </li>
          ))}
        </ol>
      </details>
    </section>
  );
}

function fact(name: string, value: string): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const latestLoss = ({ rows }: LiveRun): number | undefined => rows.findLast(({ loss }) => loss !== undefined)?.loss;

/** The same rows at each evaluation; the newest unless another is chosen. */
function Answers({ pictures }: { pictures: ReadonlyMap<string, readonly ShownPicture[]> }): JSX.Element {
  const steps = [...new Set([...pictures.values()].flatMap((list) => list.map(({ step }) => step)))].sort((a, b) => a - b);
  const [chosen, choose] = useState<number | null>(null);
  const step = chosen ?? steps.at(-1)!;
  return (
    <section aria-label={texts.live.pictures}>
      <h3>{texts.live.pictures}</h3>
      <p class="help">{texts.live.picturesHelp}</p>
      <label>
        {texts.live.atStep}{' '}
        <select value={String(step)} onChange={(event) => choose(Number(event.currentTarget.value))}>
          {steps.map((one) => (
            <option key={one} value={String(one)} selected={one === step}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <div class="answers">
        {[...pictures].flatMap(([key, list]) => {
          const shown = list.findLast((one) => one.step <= step);
          return shown === undefined
            ? []
            : [
                <figure key={key} class="card">
                  <PngPicture
                    png={shown.png}
                    width={shown.width}
                    height={shown.height}
                    alt={texts.live.pictureOf(shown.step, shown.caption)}
                  />
                  <figcaption class="soft">{shown.caption}</figcaption>
                </figure>,
              ];
        })}
      </div>
    </section>
  );
}
