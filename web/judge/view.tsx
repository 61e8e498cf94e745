/** The step "Judge": held-out rows before and after a run, and the report that the run has left. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { rangesNote, SIZES_NOTE } from '../../src/run/report/meanings.ts';
import { OWN_BASE, OWN_GEMMA, OWN_SMOLVLM } from '../own/places.ts';
import { Comparison } from '../parts/comparison.tsx';
import { Page } from '../parts/page.tsx';
import { Progress } from '../parts/progress.tsx';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import type { KeptRun } from '../train/inWorker.ts';
import { liveRun } from '../train/runs.ts';
import { useKeptRuns } from '../train/useKeptRuns.ts';
import './judge.css';
import { answersSoFar, forgetAnswers, judge, keptJudgement } from './judging.ts';
import type { JudgingProgress, KeptJudgement } from './judging.ts';
import { LimitTable } from './limit.tsx';
import { JudgedRows } from './rows.tsx';

export function JudgeView({ studio, open }: ViewProps): JSX.Element {
  const current = liveRun(open).value;
  void current?.changes.value;
  const isTraining = current !== null && !current.isOver;
  const kept = useKeptRuns({ studio, open }, isTraining).filter(({ result }) => result !== null);
  const [chosen, choose] = useState<string | null>(null);
  const run = kept.find(({ name }) => name === chosen) ?? kept.at(-1);
  return (
    <>
      <h2>{texts.steps.judge}</h2>
      {[OWN_BASE, OWN_GEMMA, OWN_SMOLVLM].includes(open.project.value.base) && <p class="soft">{texts.use.tiny}</p>}
      {run === undefined ? (
        <p class="soft">{texts.judge.noRuns}</p>
      ) : (
        <>
          <label>
            {texts.judge.run}{' '}
            <select value={run.name} onChange={(event) => choose(event.currentTarget.value)}>
              {kept.map(({ name, step, total }) => (
                <option key={name} value={name} selected={name === run.name}>
                  {texts.judge.ofStep(name, step, total)}
                </option>
              ))}
            </select>
          </label>
          <JudgedRun key={`${run.name} ${run.step}`} studio={studio} open={open} run={run} isTraining={isTraining} />
        </>
      )}
    </>
  );
}

function JudgedRun({ studio, open, run, isTraining }: ViewProps & { run: KeptRun; isTraining: boolean }): JSX.Element {
  const [found, setFound] = useState<KeptJudgement | null>(null);
  const [progress, setProgress] = useState<JudgingProgress | null>(null);
  const stop = useRef<AbortController | null>(null);
  const [soFar, setSoFar] = useState({ before: 0, after: 0 });
  const failed = (error: unknown): void => studio.failed(error);
  const count = (): void => void answersSoFar(studio, open, run).then(setSoFar, failed);
  useEffect(() => {
    count();
    keptJudgement(studio, open, run.name).then(setFound, failed);
    // Nobody waits for answers that are not looked at.
    return () => stop.current?.abort();
  }, []);
  const ask = async (isAnew = false): Promise<void> => {
    const own = new AbortController();
    stop.current = own;
    setProgress({ of: 'before', done: 0, total: 0, words: '' });
    try {
      if (isAnew) await forgetAnswers(studio, open, run.name);
      setFound(await judge(studio, open, run, own.signal, setProgress));
    } catch (error) {
      if (own.signal.aborted) studio.tell('info', texts.judge.stopped);
      else failed(error);
    }
    setProgress(null);
    count();
  };
  const isBegun = soFar.before + soFar.after > 0;
  return (
    <>
      <p class="help">{texts.judge.help}</p>
      {isTraining && <p class="soft">{texts.judge.underWay}</p>}
      {isBegun && progress === null && <p>{texts.judge.soFar(soFar.before, soFar.after)}</p>}
      <p>
        <button type="button" disabled={isTraining || progress !== null} onClick={() => void ask()}>
          {isBegun ? texts.judge.goOn : found === null ? texts.judge.start : texts.judge.again}
        </button>{' '}
        {isBegun && progress === null && (
          <button type="button" class="plain" disabled={isTraining} onClick={() => void ask(true)}>
            {texts.judge.anew}
          </button>
        )}
        {progress !== null && (
          <button type="button" class="danger" onClick={() => stop.current?.abort()}>
            {texts.judge.stop}
          </button>
        )}
      </p>
      {progress !== null && (
        <>
          <Progress
            label={texts.judge.progress(texts.judge.asking[progress.of], progress.done, progress.total)}
            share={progress.total === 0 ? undefined : progress.done / progress.total}
          />
          {progress.total === 0 && <p class="soft">{progress.words}</p>}
        </>
      )}
      {found !== null && (
        <>
          {found.step !== run.step && <p class="soft">{texts.judge.older(found.step)}</p>}
          {found.comparison.length > 0 && (
            <Comparison title={texts.judge.summary} rows={found.comparison} {...(found.scans > 0 && { note: rangesNote(found.scans) })} />
          )}
          {found.sizes.length > 0 && <Comparison title={texts.judge.sizes} rows={found.sizes} note={SIZES_NOTE} />}
          <LimitTable studio={studio} rows={found.rows} />
          <JudgedRows studio={studio} judged={found} />
        </>
      )}
      <Report key={run.report} studio={studio} run={run} />
    </>
  );
}

/** Where a run has left none, as when the storage was full, it is made of what its folder holds. */
function Report({ studio, run }: Pick<ViewProps, 'studio'> & { run: KeptRun }): JSX.Element | null {
  const [path, setPath] = useState(run.report);
  const [html, setHtml] = useState<string | null>(null);
  const [isMaking, setMaking] = useState(false);
  const failed = (error: unknown): void => studio.failed(error);
  useEffect(() => {
    if (path !== null) studio.files.readFile(path).then((bytes) => setHtml(new TextDecoder().decode(bytes)), failed);
  }, [path]);
  const make = async (): Promise<void> => {
    setMaking(true);
    await studio.worker.value.own.makeReport(run.folder).then(setPath, failed);
    setMaking(false);
  };
  const { report: title, download } = texts.judge;
  if (html !== null) return <Page title={title} html={html} download={download} name={`${run.name}-report.html`} />;
  if (path !== null || run.state !== 'finished') return null;
  return (
    <section>
      <h2>{title}</h2>
      <p>{texts.judge.noReport}</p>
      <p>
        <button type="button" disabled={isMaking} onClick={() => void make()}>
          {texts.judge.makeReport}
        </button>
      </p>
    </section>
  );
}
