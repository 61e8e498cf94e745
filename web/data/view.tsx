/** The step "Data": scans come in, are looked at and drawn on, and are divided into those that train and those that judge. */
import { proxy } from 'comlink';
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { labelsText, matchLabels, newlySaid } from '../../src/data/drawn/labels.ts';
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
import { InspectPane } from './inspectPane.tsx';
import { MaskDialog } from './maskDialog.tsx';
import { connectScans } from './scanClient.ts';
import { ScanFields } from './scanFields.tsx';
import { Looking, Names, Tools } from './toolbar.tsx';
import { Viewer } from './viewer.tsx';
import { VolumeView } from './volumeView.tsx';

export function DataView({ studio, open }: ViewProps): JSX.Element {
  const editor = useMemo(() => new Editor(studio, open, connectScans()), [studio, open]);
  const [reading, setReading] = useState<{ text: string; share: number } | null>(null);
  const or = (work: Promise<unknown>): void => void work.catch((error: unknown) => studio.failed(error));
  useEffect(() => {
    or(editor.showScan(editor.scanId.peek()));
    const typed = (event: KeyboardEvent): void => undoByKeys(event, editor);
    addEventListener('keydown', typed);
    return () => {
      removeEventListener('keydown', typed);
      editor.settle();
      editor.client.terminate();
    };
  }, [editor]);
  const take = async (files: DroppedFile[]): Promise<void> => {
    const tell = (name: string, done: number, all: number): Promise<void> => {
      setReading({ text: texts.data.reading(name, done, all), share: done / all });
      return Promise.resolve();
    };
    setReading({ text: texts.data.reading(files[0]?.path ?? '', 0, files.length), share: 0 });
    try {
      await takeFiles(editor, files, tell);
    } finally {
      setReading(null);
    }
  };
  const { scans, given } = open.project.value;
  const scan = editor.scan.value;
  return (
    <>
      <DropZone isBusy={reading !== null} onFiles={(files) => or(take(files))} />
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

async function takeFiles(
  editor: Editor,
  files: DroppedFile[],
  tell: (name: string, done: number, all: number) => Promise<void>,
): Promise<void> {
  const { studio, open } = editor;
  const found = await editor.client.importFiles(open.id, files, proxy(tell));
  const { scans } = open.project.peek();
  if (found.scans.length > 0) {
    const { annotations } = open.project.peek();
    open.change({ scans: [...scans, ...found.scans], annotations: [...annotations, ...found.annotations] });
    studio.tell('info', texts.data.taken(found.scans.length));
    await editor.showScan(found.scans[0]?.id ?? null);
  }
  if (found.given) {
    const before = open.project.peek().given;
    const train = found.given.train || (before?.train ?? '');
    if (train === '') studio.tell('warning', texts.data.givenNeedsTrain);
    else open.change({ given: { train, val: found.given.val ?? before?.val ?? null } });
  }
  for (const labels of found.labels) {
    const { annotations, said, missing } = matchLabels(labels, open.project.peek().scans);
    for (const scan of open.project.peek().scans) {
      const of = said.get(scan.id);
      if (of !== undefined) editor.changeScan(scan.id, newlySaid(scan, of));
    }
    const known = new Set(open.project.peek().annotations.map(({ id }) => id));
    editor.add(annotations.map((one) => (known.has(one.id) ? { ...one, id: crypto.randomUUID() } : one)));
    studio.tell('info', texts.data.imported(annotations.length));
    if (missing.length > 0) studio.tell('warning', texts.data.missing(missing));
  }
  for (const note of found.notes) studio.tell('info', note);
  if (found.problems.length > 0) studio.tell('error', texts.data.problems(found.problems));
  else if (found.scans.length === 0 && found.given === null && found.labels.length === 0) studio.tell('warning', texts.data.nothing);
}

async function removeScan(editor: Editor, { id, file }: Scan): Promise<void> {
  const { open, studio } = editor;
  const { scans, annotations } = open.project.peek();
  const left = scans.filter((scan) => scan.id !== id);
  open.change({ scans: left, annotations: annotations.filter((one) => one.scan !== id) });
  await open.save();
  await studio.files.remove(file);
  await editor.showScan(left[0]?.id ?? null);
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
      {isMasking && scan && <MaskDialog editor={editor} scan={scan} onClose={() => setMasking(false)} />}
    </section>
  );
}

function Given({ editor }: { editor: Editor }): JSX.Element | null {
  const { open, studio } = editor;
  const { given } = open.project.value;
  if (given === null) return null;
  const remove = async (): Promise<void> => {
    open.change({ given: null });
    await open.save();
    await studio.files.remove(joinPath(projectFolder(open.id), 'given'));
  };
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
