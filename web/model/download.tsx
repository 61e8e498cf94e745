/** A model of the hub into this browser's storage: what has come is kept, whatever happens. */
import { effect } from '@preact/signals';
import * as Comlink from 'comlink';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { bytesText } from '../../src/track/console.ts';
import { Field } from '../parts/field.tsx';
import { HubToken, useHub } from '../parts/hubToken.tsx';
import { Progress } from '../parts/progress.tsx';
import { signalOfEach } from '../studio/signalOfEach.ts';
import type { Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';

interface Coming {
  done: number;
  total: number;
}

/** The smallest real model that sees, which no account is needed for. */
const FIRST = 'HuggingFaceTB/SmolVLM-256M-Instruct';

/** The download under way, whichever step is looked at; null: none is. */
export const downloadIn = signalOfEach<Studio, Coming>();

/** @param onEnd its folder; undefined: not all of it has come */
export function Download({ studio, onEnd }: { studio: Studio; onEnd: (dir: string | undefined) => void }): JSX.Element {
  const hub = useHub(studio);
  const [id, setId] = useState('');
  const state = downloadIn(studio);
  const progress = state.value;
  const own = texts.model;
  const download = async (): Promise<void> => {
    state.value = { done: 0, total: 0 };
    const { value: worker } = studio.worker;
    // A run that is ended at once takes the worker with it, and the download.
    const unwatch = effect(() => {
      if (studio.worker.value !== worker) state.value = null;
    });
    let dir: string | undefined;
    try {
      await hub.allow();
      const hear = (done: number, total: number): Promise<void> => Promise.resolve(void (state.value = { done, total }));
      dir = await worker.own.downloadModel(id, Comlink.proxy(hear));
      if (dir === undefined) studio.tell('info', own.stopped);
    } catch (error) {
      studio.failed(error);
    }
    unwatch();
    state.value = null;
    onEnd(dir);
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void download();
      }}
    >
      <p class="help">{own.hubHelp}</p>
      <p class="help">{own.gatedHelp}</p>
      <p class="row">
        {own.firstHelp}
        <button type="button" disabled={progress !== null} onClick={() => setId(FIRST)}>
          {own.first(FIRST)}
        </button>
      </p>
      <div class="row">
        <Field label={own.id} help={own.idHelp}>
          {(ids) => (
            <input
              {...ids}
              type="text"
              autocomplete="off"
              spellcheck={false}
              value={id}
              onInput={(event) => setId(event.currentTarget.value)}
            />
          )}
        </Field>
        <HubToken hub={hub} />
      </div>
      <p class="row">
        <button type="submit" disabled={progress !== null || id.trim() === ''}>
          {own.download}
        </button>
        {progress !== null && (
          <button
            type="button"
            class="danger"
            onClick={() => void studio.worker.value.own.stopDownload().catch((error: unknown) => studio.failed(error))}
          >
            {own.stop}
          </button>
        )}
      </p>
      {progress !== null && (
        <Progress
          label={progress.total === 0 ? own.looking : own.progress(bytesText(progress.done), bytesText(progress.total))}
          share={progress.total === 0 ? undefined : progress.done / progress.total}
        />
      )}
    </form>
  );
}
