/** Buttons of a run. What cannot be done says why; evaluating and merging ask for what the server does not know. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { RunDetail } from '../../src/run/ui/api.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Field } from '../parts/field.tsx';
import { texts } from '../texts.ts';
import { client } from './client.ts';
import type { Options } from './client.ts';
import { runHash } from './place.ts';
import type { Told } from './told.ts';

type Asking = 'evaluate' | 'merge';

export function Actions({ detail, told, onDone }: { detail: RunDetail; told: Told; onDone: () => void }): JSX.Element {
  const [asking, setAsking] = useState<Asking>();
  const [isBusy, setBusy] = useState(false);
  const { actions: words } = texts.ui;
  const { id, actions } = detail;
  const act = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    try {
      await work();
    } catch (error) {
      told.failed(error);
    } finally {
      setBusy(false);
      onDone();
    }
  };
  const stop = async (): Promise<void> => {
    await client.stop(id);
    told.say(words.stopping);
  };
  const resume = async (): Promise<void> => {
    await client.resume(id);
    told.say(words.resumed);
  };
  const go = async (options: Options): Promise<void> => {
    setAsking(undefined);
    if (asking === 'evaluate') {
      const { id: evaluation } = await client.evaluate(id, options);
      location.hash = runHash(evaluation);
    } else {
      await client.merge(id, options);
      told.say(words.merging);
    }
  };
  const button = (name: keyof RunDetail['actions'], onClick: () => void, isDanger = false): JSX.Element => (
    <span class="action">
      <button
        type="button"
        class={isDanger ? 'danger' : ''}
        disabled={isBusy || actions[name] !== null}
        aria-describedby={actions[name] === null ? undefined : `${name}-why`}
        onClick={onClick}
      >
        {words[name]}
      </button>
      {actions[name] !== null && (
        <span id={`${name}-why`} class="help">
          {actions[name]}
        </span>
      )}
    </span>
  );
  return (
    <section class="actions" aria-label={texts.ui.run.actions}>
      {button('stop', () => void act(stop), true)}
      {button('resume', () => void act(resume))}
      {button('evaluate', () => setAsking('evaluate'))}
      {button('merge', () => setAsking('merge'))}
      {asking && (
        <AskDialog asking={asking} detail={detail} onClose={() => setAsking(undefined)} onGo={(options) => void act(() => go(options))} />
      )}
    </section>
  );
}

interface AskProps {
  asking: Asking;
  detail: RunDetail;
  onClose: () => void;
  onGo: (options: Options) => void;
}

function AskDialog({ asking, detail, onClose, onGo }: AskProps): JSX.Element {
  const { actions: words } = texts.ui;
  const [base, setBase] = useState(detail.base);
  const [rows, setRows] = useState('');
  const [limit, setLimit] = useState('');
  const submit = (event: Event): void => {
    event.preventDefault();
    const given = asking === 'merge' ? {} : { ...(rows.trim() !== '' && { eval_file: rows.trim() }), ...(limit !== '' && { limit }) };
    onGo({ ...(base.trim() !== '' && base !== detail.base && { base_model_hf: base.trim() }), ...given });
  };
  return (
    <Dialog title={asking === 'merge' ? words.mergeTitle(detail.name) : words.evaluateTitle(detail.name)} onClose={onClose}>
      <form onSubmit={submit}>
        <Field label={words.base} help={detail.base === '' ? words.baseHelp : undefined}>
          {(ids) => <input {...ids} required value={base} onInput={(event) => setBase(event.currentTarget.value)} />}
        </Field>
        {asking === 'evaluate' && (
          <>
            <Field label={words.rows} help={words.rowsHelp}>
              {(ids) => <input {...ids} value={rows} onInput={(event) => setRows(event.currentTarget.value)} />}
            </Field>
            <Field label={words.limit}>
              {(ids) => <input {...ids} type="number" min={1} value={limit} onInput={(event) => setLimit(event.currentTarget.value)} />}
            </Field>
          </>
        )}
        <p class="row">
          <button type="submit">{words[asking]}</button>
          <button type="button" class="plain" onClick={onClose}>
            {words.cancel}
          </button>
        </p>
      </form>
    </Dialog>
  );
}
