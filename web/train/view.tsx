/** The step "Train": options, the run under way, and the runs of the project. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { definitions } from '../../src/options.ts';
import { UserError } from '../../src/platform.ts';
import { Progress } from '../parts/progress.tsx';
import { runFolder } from '../studio/project.ts';
import { pageWords } from '../studio/pageWords.ts';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { besideOptions } from './beside.ts';
import { OptionForm } from './form.tsx';
import { BASIC, leftOut } from './leftOut.ts';
import { LivePanel } from './live.tsx';
import { RecipeBox } from './recipeBox.tsx';
import { RunList } from './runList.tsx';
import { checkOptions, endNow, liveRun, preparing, startRun } from './runs.ts';
import { StepsNote } from './stepsNote.tsx';
import type { Changed } from './values.ts';

/** Held-out rows of each task that are answered at every evaluation, where the person asks for it. */
const ANSWERED = 4;

export function TrainView({ studio, open }: ViewProps): JSX.Element {
  const { base, options, given, annotations, scans, name } = open.project.value;
  const run = liveRun(open).value;
  void run?.changes.value;
  const [wrong, setWrong] = useState<readonly string[]>([]);
  const prepared = preparing(open).value;
  const isUnderWay = prepared !== null || (run !== null && !run.isOver);
  const hasRows = given !== null || annotations.length > 0;
  const { error, notes } = together(base, options);
  const start = (): void => void startRun(studio, open).catch((failure: unknown) => studio.failed(failure));
  const change = (changed: Changed, names: readonly string[]): void => {
    setWrong(names);
    open.change({ options: { ...changed } });
  };
  const trained = new Set(scans.flatMap(({ id, side }) => (side === 'train' ? [id] : [])));
  const answers = Number(options['eval_generate'] ?? 0);
  const savedStep = async (): Promise<number> => {
    if (run === null) return 0;
    const [kept] = await studio.worker.value.own.keptRuns([{ name: run.name, folder: runFolder(open.id, run.name) }]);
    return kept?.step ?? 0;
  };
  return (
    <>
      <h2>{texts.steps.train}</h2>
      {run !== null && <LivePanel run={run} savedStep={savedStep} onEndNow={() => endNow(studio, open)} />}
      {run !== null && (run.state === 'finished' || run.state === 'paused') && (
        <p>
          <button type="button" onClick={() => (studio.step.value = 'judge')}>
            {texts.train.judge}
          </button>
        </p>
      )}
      <section aria-label={texts.train.options}>
        <h2>{texts.train.options}</h2>
        <OptionForm definitions={definitions} basic={BASIC} leftOut={leftOut} value={options} onChange={change} disabled={isUnderWay} />
        <StepsNote
          rows={given === null ? annotations.filter(({ scan }) => trained.has(scan)).length : 0}
          value={options}
          disabled={isUnderWay}
          onChange={(changed) => open.change({ options: { ...changed } })}
        />
        <p>
          <label>
            <input
              type="checkbox"
              checked={answers > 0}
              disabled={isUnderWay}
              onChange={(event) => {
                const { eval_generate: _, ...others } = options;
                open.change({ options: event.currentTarget.checked ? { ...others, eval_generate: ANSWERED } : others });
              }}
            />{' '}
            {texts.train.answersLabel}
          </label>
          <span class="help"> {texts.train.answersHelp}</span>
        </p>
        {error !== undefined && (
          <p role="alert" class="wrong">
            {error}
          </p>
        )}
        {notes.map((note) => (
          <p key={note} class="soft">
            {note}
          </p>
        ))}
        {!hasRows && <p class="soft">{texts.train.nothing}</p>}
        {wrong.length > 0 && <p class="wrong">{texts.train.notStartable(wrong.join(', '))}</p>}
        <p>
          <button
            type="button"
            id="start-training"
            disabled={isUnderWay || !hasRows || wrong.length > 0 || error !== undefined}
            onClick={start}
          >
            {texts.train.start}
          </button>
        </p>
        {prepared !== null && <Progress label={texts.train.preparing} share={prepared} />}
        <RecipeBox
          definitions={definitions}
          leftOut={leftOut}
          value={options}
          beside={besideOptions(base, given === null ? scans.some(({ side }) => side === 'test') : given.val !== null)}
          name={name}
          disabled={isUnderWay}
          failed={(failure) => studio.failed(failure)}
          onOpen={(found, file) => {
            open.change({ options: { ...found.changed } });
            studio.tell('info', texts.form.opened(file));
            for (const one of found.leftOut) studio.tell('warning', texts.form.leftOut(one.name, one.reason));
          }}
        />
      </section>
      <RunList studio={studio} open={open} isUnderWay={isUnderWay} />
    </>
  );
}

/** What no field can say alone. */
function together(base: string, options: Changed): { error?: string; notes: string[] } {
  try {
    return { notes: checkOptions(base, { train: 'rows', val: 'rows' }, options).map(pageWords) };
  } catch (error) {
    if (error instanceof UserError) return { error: pageWords(error.message), notes: [] };
    throw error;
  }
}
