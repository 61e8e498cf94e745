/** A run as an archive to download, and its adapter on the hub. */
import * as Comlink from 'comlink';
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { recipeText } from '../../src/options/recipeYaml.ts';
import { lastName } from '../../src/platform.ts';
import { bytesText } from '../../src/track/console.ts';
import { HubToken, UPLOAD_HOSTS, useHub } from '../parts/hubToken.tsx';
import { Field } from '../parts/field.tsx';
import { Progress } from '../parts/progress.tsx';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { ARCHIVED_ROWS, besideOptions } from '../train/beside.ts';
import { archiveFile } from './models.ts';
import type { AskedModel } from './models.ts';

type OfRun = NonNullable<AskedModel['run']>;

export function TakeAway({
  studio,
  open,
  models,
  isTraining,
}: ViewProps & { models: readonly AskedModel[]; isTraining: boolean }): JSX.Element {
  const runs = models.flatMap(({ key, name, run }) => (run === undefined ? [] : [{ key, name, run }]));
  const [chosen, choose] = useState<string | null>(null);
  const found = runs.find(({ key }) => key === chosen) ?? runs[0];
  return (
    <section aria-label={texts.use.archive}>
      <h2>{texts.use.archive}</h2>
      {found === undefined ? (
        <p class="soft">{texts.use.noRuns}</p>
      ) : (
        <>
          <label>
            {texts.use.run}{' '}
            <select value={found.key} onChange={(event) => choose(event.currentTarget.value)}>
              {runs.map(({ key, name }) => (
                <option key={key} value={key} selected={key === found.key}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <Pack key={`pack ${found.key}`} studio={studio} open={open} run={found.run} isTraining={isTraining} />
          {found.run.kept.isAdapter && <Push key={`push ${found.key}`} studio={studio} open={open} run={found.run} />}
        </>
      )}
    </section>
  );
}

function Pack({ studio, run, isTraining }: ViewProps & { run: OfRun; isTraining: boolean }): JSX.Element {
  const { project, kept, asked } = run;
  const [withMerged, setMerged] = useState(false);
  const [withRows, setRows] = useState(false);
  const [words, setWords] = useState<string | null>(null);
  const [made, setMade] = useState<{ url: string; bytes: number } | null>(null);
  useEffect(() => () => URL.revokeObjectURL(made?.url ?? ''), [made]);
  const pack = async (): Promise<void> => {
    const out = archiveFile(project);
    setMade(null);
    setWords('');
    try {
      const beside = { ...besideOptions(asked.base, asked.val !== null), run_name: kept.name };
      const heldOut = asked.val === null ? [] : [{ name: ARCHIVED_ROWS.val, path: asked.val }];
      const files = [{ name: ARCHIVED_ROWS.train, path: asked.train }, ...heldOut];
      const hear = (text: string): Promise<void> => Promise.resolve(setWords(text));
      const bytes = await studio.worker.value.own.packRun(
        {
          folder: kept.folder,
          result: kept.result ?? kept.folder,
          base: asked.base,
          recipe: recipeText({ ...beside, ...asked.options }),
          report: kept.report,
          out,
          name: kept.name,
          withMerged,
          rows: withRows ? files : [],
        },
        Comlink.proxy(hear),
      );
      const blob = await studio.files.blob?.(out);
      if (blob !== undefined) setMade({ url: URL.createObjectURL(blob), bytes });
    } catch (error) {
      studio.failed(error);
    }
    setWords(null);
  };
  const isBusy = words !== null;
  return (
    <div class="card">
      <p class="help">{texts.use.archiveHelp}</p>
      {kept.isAdapter && (
        <p>
          <label>
            <input
              type="checkbox"
              checked={withMerged}
              disabled={isBusy}
              onChange={(event) => setMerged(event.currentTarget.checked)}
            />{' '}
            {texts.use.withMerged}
          </label>
        </p>
      )}
      <p>
        <label>
          <input type="checkbox" checked={withRows} disabled={isBusy} onChange={(event) => setRows(event.currentTarget.checked)} />{' '}
          {texts.use.withRows}
        </label>
      </p>
      <p class="row">
        <button type="button" disabled={isBusy || isTraining} onClick={() => void pack()}>
          {texts.use.pack}
        </button>
        {made !== null && (
          <a class="button" id="archive" href={made.url} download={`${kept.name}.zip`}>
            {texts.use.download(bytesText(made.bytes))}
          </a>
        )}
      </p>
      {isBusy && <Progress label={words} />}
    </div>
  );
}

function Push({ studio, run: { kept, asked } }: ViewProps & { run: OfRun }): JSX.Element {
  const hub = useHub(studio);
  const [repo, setRepo] = useState(kept.name);
  const [isPrivate, setPrivate] = useState(true);
  const [words, setWords] = useState<string | null>(null);
  const push = async (): Promise<void> => {
    setWords(texts.use.pushing);
    try {
      await hub.allow(UPLOAD_HOSTS);
      const hear = (text: string): Promise<void> => {
        studio.tell('info', text);
        return Promise.resolve();
      };
      await studio.worker.value.own.pushRun(
        {
          result: kept.result ?? kept.folder,
          base: asked.base,
          options: asked.options,
          train: asked.train,
          runName: lastName(kept.folder),
          repo: repo.trim(),
          isPrivate,
        },
        Comlink.proxy(hear),
      );
    } catch (error) {
      studio.failed(error);
    }
    setWords(null);
  };
  return (
    <form
      class="card"
      onSubmit={(event) => {
        event.preventDefault();
        void push();
      }}
    >
      <h3>{texts.use.push}</h3>
      <p class="help">{texts.use.pushHelp}</p>
      <div class="row">
        <Field label={texts.use.repo} help={texts.use.repoHelp}>
          {(ids) => <input {...ids} type="text" value={repo} onInput={(event) => setRepo(event.currentTarget.value)} />}
        </Field>
        <HubToken hub={hub} />
        <label>
          <input type="checkbox" checked={isPrivate} onChange={(event) => setPrivate(event.currentTarget.checked)} /> {texts.use.isPrivate}
        </label>
        <button type="submit" disabled={words !== null || repo.trim() === '' || hub.token === ''}>
          {texts.use.pushStart}
        </button>
      </div>
      {words !== null && <Progress label={words} />}
    </form>
  );
}
