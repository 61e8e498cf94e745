/** The quick start on the embedded sample: settings, what it says while it runs, figures before and after, the report. */
import * as Comlink from 'comlink';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RecipeName } from '../../src/options/quickstart.ts';
import { Comparison } from '../parts/comparison.tsx';
import { Field } from '../parts/field.tsx';
import { Page } from '../parts/page.tsx';
import { Progress } from '../parts/progress.tsx';
import type { Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import type { SampleResult } from './inWorker.ts';

const OUT = '/studio-sample';
const LINES = 400;

export function SampleView({ studio }: { studio: Studio }): JSX.Element {
  const [recipe, setRecipe] = useState<RecipeName>('qwen-tiny');
  const [steps, setSteps] = useState('');
  const [state, setState] = useState<'idle' | 'running' | 'stopping'>('idle');
  const [log, setLog] = useState<string[]>([]);
  const [result, setResult] = useState<{ result: SampleResult; html: string } | null>(null);
  const start = async (): Promise<void> => {
    setState('running');
    setLog([]);
    setResult(null);
    const tell = Comlink.proxy((text: string) => {
      setLog((lines) => [...lines, text.trimEnd()].slice(-LINES));
      return Promise.resolve();
    });
    try {
      const request = { recipe, out: `${OUT}/${recipe}`, ...(steps !== '' && { steps: Number(steps) }) };
      const found = await studio.worker.peek().own.runSample(request, tell);
      setResult({ result: found, html: new TextDecoder().decode(await studio.files.readFile(found.report)) });
    } catch (error) {
      studio.failed(error);
    } finally {
      setState('idle');
    }
  };
  const stop = (): void => {
    setState('stopping');
    studio.worker
      .peek()
      .own.stopSample()
      .catch((error: unknown) => studio.failed(error));
  };
  const isIdle = state === 'idle';
  return (
    <main id="sample">
      <button type="button" class="plain" onClick={() => (studio.isOnSample.value = false)}>
        ← {texts.sample.back}
      </button>
      <h2>{texts.sample.title}</h2>
      <p>{texts.sample.help}</p>
      <form
        class="card row"
        onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}
      >
        <Field label={texts.sample.recipe}>
          {(ids) => (
            <select {...ids} value={recipe} disabled={!isIdle} onChange={(event) => setRecipe(event.currentTarget.value as RecipeName)}>
              {(Object.keys(texts.sample.recipes) as RecipeName[]).map((name) => (
                <option key={name} value={name}>
                  {texts.sample.recipes[name]}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={texts.sample.steps} help={texts.sample.stepsHelp}>
          {(ids) => (
            <input
              {...ids}
              type="number"
              min={1}
              max={100000}
              step={1}
              value={steps}
              disabled={!isIdle}
              onInput={({ currentTarget }) => setSteps(currentTarget.value)}
            />
          )}
        </Field>
        <button type="submit" disabled={!isIdle}>
          {texts.sample.start}
        </button>
        <button type="button" class="danger" disabled={state !== 'running'} onClick={stop}>
          {texts.sample.stop}
        </button>
      </form>
      {!isIdle && <Progress label={state === 'stopping' ? texts.sample.stopping : texts.sample.running} />}
      {result && <Comparison title={texts.sample.results} rows={result.result.comparison} />}
      {result && <Page title={texts.sample.report} html={result.html} download={texts.sample.download} name="report.html" />}
      {log.length > 0 && (
        <>
          <h2>{texts.sample.log}</h2>
          <pre class="card scroll" tabIndex={0} aria-label={texts.sample.log}>
            {log.join('\n')}
          </pre>
        </>
      )}
    </main>
  );
}
