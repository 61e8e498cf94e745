/** The step "Model": the base that is fine-tuned, and the memory that a run takes. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { hubOrigin, publicName } from '../../src/hub/origin.ts';
import { UserError } from '../../src/platform.ts';
import { bytesText } from '../../src/track/console.ts';
import { pickedFiles } from '../mountedFiles.ts';
import { OWN_BASE, OWN_GEMMA, OWN_SMOLVLM } from '../own/places.ts';
import { Dialog } from '../parts/dialog.tsx';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { Download, downloadIn } from './download.tsx';
import type { CachedModel } from './inWorker.ts';
import { Memory } from './memory.tsx';
import './model.css';

const PICKED = '/picked/base';

const OWN = [
  [OWN_BASE, texts.model.tinyQwen],
  [OWN_GEMMA, texts.model.tinyGemma],
  [OWN_SMOLVLM, texts.model.tinySmolvlm],
] as const;

/** What a base is called. */
function nameOf(base: string): string {
  const own = OWN.find(([dir]) => dir === base)?.[1];
  const origin = hubOrigin(base);
  return own ?? (origin === undefined ? publicName(base) : `${origin.id} (${origin.commit.slice(0, 12)})`);
}

export function ModelView({ studio, open }: ViewProps): JSX.Element {
  const { base } = open.project.value;
  const [cached, setCached] = useState<readonly CachedModel[] | null>(null);
  const [isMissing, setMissing] = useState(false);
  const [removing, setRemoving] = useState<CachedModel | null>(null);
  // A server of the installed package has not all of them; without a network nobody knows, and they may be kept.
  const [absent, setAbsent] = useState<readonly string[]>([]);
  useEffect(() => {
    for (const [dir] of OWN) {
      const hear = ({ ok }: Response): void => (ok ? undefined : setAbsent((known) => [...known, dir]));
      void fetch(new URL(`${dir.slice(1)}/config.json`, document.baseURI)).then(hear, () => undefined);
    }
  }, []);
  const failed = (error: unknown): void => studio.failed(error);
  const look = (): Promise<void> => studio.worker.value.own.cachedModels().then(setCached, failed);
  const isDownloading = downloadIn(studio).value !== null;
  // What has come, also of a download that ended while another step was looked at.
  useEffect(() => void look(), [isDownloading]);
  useEffect(() => {
    studio.files.exists(`${base}/config.json`).then((isThere) => setMissing(!isThere), failed);
  }, [base]);
  const choose = (dir: string): void => {
    open.change({ base: dir });
    open.save().catch(failed);
  };
  const pick = async (files: readonly File[]): Promise<void> => {
    if (files.length === 0) return;
    const name = files[0]?.webkitRelativePath.split('/')[0] ?? '';
    const dir = `${PICKED}/${name}`;
    const mounted = pickedFiles(files, dir);
    if (!mounted.has(`${dir}/config.json`)) throw new UserError(texts.model.notAModel(name));
    await studio.unmount(dir);
    await studio.mount(mounted);
    choose(dir);
    setMissing(false);
  };
  const remove = async ({ id, dir }: CachedModel): Promise<void> => {
    await studio.worker.value.own.removeModel(id);
    if (dir !== null && dir === base) choose(OWN_BASE);
    await look();
  };
  return (
    <>
      <h2>{texts.steps.model}</h2>
      <p id="chosen-base">
        <strong>{texts.model.current(nameOf(base))}</strong>
      </p>
      {isMissing && <p class="wrong">{texts.model.pickAgain(nameOf(base))}</p>}
      <section class="card" aria-label={texts.model.base}>
        <h3>{texts.model.base}</h3>
        <ul class="list">
          {OWN.filter(([dir]) => !absent.includes(dir)).map(([dir, name]) => (
            <Choice key={dir} name={name} isChosen={dir === base} onChoose={() => choose(dir)} />
          ))}
        </ul>
        <p class="help">{texts.model.tinyHelp}</p>
      </section>
      <section class="card" aria-label={texts.model.inBrowser}>
        <h3>{texts.model.inBrowser}</h3>
        <p class="help">{texts.model.inBrowserHelp}</p>
        {cached?.length === 0 && <p class="soft">{texts.model.noneInBrowser}</p>}
        <ul class="list">
          {(cached ?? []).map((model) => (
            <Choice
              key={model.id}
              name={`${model.id}, ${bytesText(model.bytes)}`}
              isChosen={model.dir !== null && model.dir === base}
              onChoose={model.dir === null ? undefined : () => choose(model.dir ?? base)}
              onRemove={() => setRemoving(model)}
            />
          ))}
        </ul>
      </section>
      <section class="card" aria-label={texts.model.hub}>
        <h3>{texts.model.hub}</h3>
        <Download
          studio={studio}
          onEnd={(dir) => {
            if (dir !== undefined && studio.open.peek() === open) choose(dir);
          }}
        />
      </section>
      <section class="card">
        <label>
          <h3>{texts.model.folder}</h3>
          <input
            type="file"
            // Not among the attributes that Preact types.
            {...{ webkitdirectory: true }}
            onChange={(event) => void pick([...(event.currentTarget.files ?? [])]).catch(failed)}
          />
        </label>
        <p class="help">{texts.model.folderHelp}</p>
      </section>
      <Memory key={base} studio={studio} open={open} />
      {removing !== null && (
        <Dialog title={texts.model.removeOf(removing.id)} onClose={() => setRemoving(null)}>
          <p>{texts.model.removeSure(removing.id, bytesText(removing.bytes))}</p>
          <div class="row">
            <button
              type="button"
              class="danger"
              onClick={() => {
                void remove(removing).catch(failed);
                setRemoving(null);
              }}
            >
              {texts.model.remove}
            </button>
            <button type="button" onClick={() => setRemoving(null)}>
              {texts.model.cancel}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

interface ChoiceProps {
  name: string;
  isChosen: boolean;
  /** Absent: it cannot be taken yet. */
  onChoose: (() => void) | undefined;
  onRemove?: () => void;
}

function Choice({ name, isChosen, onChoose, onRemove }: ChoiceProps): JSX.Element {
  return (
    <li class="choice">
      <span>
        {name}
        {onChoose === undefined && <span class="soft"> ({texts.model.unfinished})</span>}
      </span>
      {isChosen ? (
        <strong class="good">{texts.model.chosen}</strong>
      ) : (
        onChoose !== undefined && (
          <button type="button" aria-label={texts.model.chooseOf(name)} onClick={onChoose}>
            {texts.model.choose}
          </button>
        )
      )}
      {onRemove !== undefined && (
        <button type="button" class="plain" aria-label={texts.model.removeOf(name)} onClick={onRemove}>
          {texts.model.remove}
        </button>
      )}
    </li>
  );
}
