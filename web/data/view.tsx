/** The step "Data": scans come in, are looked at and drawn on, and are divided into those that train and those that judge. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { labelsText } from '../../src/data/drawn/labels.ts';
import { suggestSides } from '../../src/data/drawn/sides.ts';
import { joinPath, lastName } from '../../src/platform.ts';
import { Progress } from '../parts/progress.tsx';
import { projectFolder } from '../studio/project.ts';
import type { Scan } from '../studio/project.ts';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { Annotations } from './annotations.tsx';
import './data.css';
import { DropZone } from './dropZone.tsx';
import { Editor } from './editor.ts';
import type { DroppedFile } from './importing.ts';
import { Enough } from './enough.tsx';
import { InspectPane } from './inspectPane.tsx';
import { MaskDialog } from './maskDialog.tsx';
import { connectScans } from './scanClient.ts';
import { ScanFields } from './scanFields.tsx';
import { takeFiles, takingIn } from './taking.ts';
import { Looking, Names, Tools } from './toolbar.tsx';
import { Viewer } from './viewer.tsx';
import { VolumeView } from './volumeView.tsx';

export function DataView({ studio, open }: ViewProps): JSX.Element {
  const editor = useMemo(() => new Editor(studio, open, connectScans()), [studio, open]);
  const isMounted = useRef(true);
  const or = (work: Promise<unknown>): void => void work.catch((error: unknown) => studio.failed(error));
  useEffect(() => {
    or(editor.showScan(editor.scanId.peek()));
    const typed = (event: KeyboardEvent): void => undoByKeys(event, editor);
    addEventListener('keydown', typed);
    return () => {
      isMounted.current = false;
      removeEventListener('keydown', typed);
      editor.settle();
      editor.client.terminate();
    };
  }, [editor]);
  const { scans, given } = open.project.value;
  // The first of those that have come, and where one is taken out, the first of those that are left.
  const isShown = scans.some(({ id }) => id === editor.scanId.value);
  useEffect(() => {
    if (!isShown && scans.length > 0) or(editor.showScan(scans[0]?.id ?? null));
  }, [isShown, scans]);
  const take = async (files: DroppedFile[]): Promise<void> => {
    const first = await takeFiles(studio, open, files, (before, after) => editor.history.remember(before, after));
    if (first !== null && isMounted.current) await editor.showScan(first);
  };
  const reading = takingIn(open).value;
  const scan = editor.scan.value;
  return (
    <>
      <DropZone isBusy={reading !== null} onFiles={(files) => or(take(files))} failed={(error) => studio.failed(error)} />
      {reading && <Progress label={reading.text} share={reading.share} />}
      {given && <Given editor={editor} />}
      {scans.length > 0 && <Scans editor={editor} or={or} />}
      {scan && (
        <div class="bench">
          <div class="sight">
            <Tools editor={editor} />
            <Viewer editor={editor} />
            {scan.kind === 'volume' && <VolumeView editor={editor} scan={scan} />}
          </div>
          <div class="side">
            <Looking editor={editor} />
            <Names editor={editor} />
            <Annotations editor={editor} />
            <ScanFields editor={editor} scan={scan} onRemove={(gone) => or(removeScan(editor, gone))} />
          </div>
        </div>
      )}
      {(given !== null || open.project.value.annotations.length > 0) && <InspectPane studio={studio} open={open} />}
    </>
  );
}

/** Not in a field of text, which undoes its own. */
function undoByKeys(event: KeyboardEvent, editor: Editor): void {
  const isField =
    event.target instanceof HTMLElement && event.target.matches('input:not([type=range]), textarea, select, [contenteditable]');
  if (!(event.ctrlKey || event.metaKey) || event.altKey || isField) return;
  const key = event.key.toLowerCase();
  if (key === 'z' && !event.shiftKey) editor.undo();
  else if ((key === 'z' && event.shiftKey) || (key === 'y' && !event.shiftKey)) editor.redo();
  else return;
  event.preventDefault();
}

function removeScan({ open }: Editor, { id, file }: Scan): Promise<void> {
  const { scans, annotations } = open.project.peek();
  const left = { scans: scans.filter((scan) => scan.id !== id), annotations: annotations.filter((one) => one.scan !== id) };
  return open.letGo(left, [file]);
}

function Scans({ editor, or }: { editor: Editor; or: (work: Promise<unknown>) => void }): JSX.Element {
  const { open } = editor;
  const { scans, annotations } = open.project.value;
  const [isMasking, setMasking] = useState(false);
  const scan = editor.scan.value;
  const countOn = (id: string): number => annotations.filter((one) => one.scan === id).length;
  const suggest = (): void => {
    const sides = suggestSides(scans.map(({ id, name }) => ({ name, annotations: countOn(id) })));
    open.change({ scans: scans.map((one, i) => ({ ...one, side: sides[i] ?? one.side })) });
  };
  const exportLabels = (): void => {
    const blob = new Blob([labelsText({ scans, annotations })], { type: 'application/json' });
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${open.project.peek().name.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-')}-labels.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  };
  return (
    <section aria-label={texts.data.scans}>
      <h2>{texts.data.scans}</h2>
      <ul class="scans">
        {scans.map(({ id, name, kind, side }) => (
          <li key={id}>
            <button type="button" aria-pressed={id === editor.scanId.value} onClick={() => or(editor.showScan(id))}>
              <span class="name">{name}</span>{' '}
              <small>
                {texts.data[kind]} · {texts.data.drawings(countOn(id))}
              </small>
            </button>
            <select
              aria-label={texts.data.sideOf(name)}
              value={side}
              onChange={({ currentTarget }) => editor.changeScan(id, { side: currentTarget.value === 'test' ? 'test' : 'train' })}
            >
              <option value="train">{texts.data.sides.train}</option>
              <option value="test">{texts.data.sides.test}</option>
            </select>
          </li>
        ))}
      </ul>
      <p>
        <button type="button" class="plain" disabled={scans.length < 2} onClick={suggest}>
          {texts.data.suggest}
        </button>
        <button type="button" class="plain" disabled={annotations.length === 0} onClick={exportLabels}>
          {texts.data.exportLabels}
        </button>
        {scan?.kind === 'volume' && (
          <button type="button" class="plain" onClick={() => setMasking(true)}>
            {texts.data.mask}
          </button>
        )}
      </p>
      {annotations.length > 0 && <Enough project={open.project.value} />}
      {isMasking && scan && <MaskDialog editor={editor} scan={scan} onClose={() => setMasking(false)} />}
    </section>
  );
}

function Given({ editor }: { editor: Editor }): JSX.Element | null {
  const { open, studio } = editor;
  const { given } = open.project.value;
  if (given === null) return null;
  const remove = (): Promise<void> => open.letGo({ given: null }, [joinPath(projectFolder(open.id), 'given')]);
  return (
    <section class="card" aria-label={texts.data.given}>
      <h3>{texts.data.given}</h3>
      <p>{texts.data.givenFiles(lastName(given.train), given.val === null ? null : lastName(given.val))}</p>
      <p class="help">{texts.data.givenHelp}</p>
      <button type="button" class="plain" onClick={() => void remove().catch((error: unknown) => studio.failed(error))}>
        {texts.data.givenRemove}
      </button>
    </section>
  );
}
