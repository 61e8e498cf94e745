/** Where files come in: dropped, or chosen, one by one or as a folder. */
import type { JSX, TargetedEvent } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { texts } from '../texts.ts';
import type { DroppedFile } from './importing.ts';

export interface DropZoneProps {
  onFiles: (files: DroppedFile[]) => void;
  failed: (error: unknown) => void;
  isBusy: boolean;
}

/** While it is shown, what is dropped beside it is taken too: a browser would leave the page for it. */
export function DropZone({ onFiles, failed, isBusy }: DropZoneProps): JSX.Element {
  const [isOver, setOver] = useState(false);
  const latest = useRef({ onFiles, failed, isBusy });
  latest.current = { onFiles, failed, isBusy };
  useEffect(() => {
    const over = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
      setOver(true);
    };
    // Gone from the window, and not from one part of it to the next.
    const left = (event: DragEvent): void => setOver(event.relatedTarget !== null);
    const dropped = (event: DragEvent): void => {
      setOver(false);
      if (!hasFiles(event)) return;
      event.preventDefault();
      const { current } = latest;
      if (!current.isBusy && event.dataTransfer) droppedFiles(event.dataTransfer).then(current.onFiles, current.failed);
    };
    addEventListener('dragover', over);
    addEventListener('dragleave', left);
    addEventListener('drop', dropped);
    return () => {
      removeEventListener('dragover', over);
      removeEventListener('dragleave', left);
      removeEventListener('drop', dropped);
    };
  }, []);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const picked = ({ currentTarget: input }: TargetedEvent<HTMLInputElement>): void => {
    const chosen = [...(input.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
    input.value = ''; // the same file may be chosen again
    if (chosen.length > 0) onFiles(chosen);
  };
  return (
    <div class={`card drop${isOver ? ' over' : ''}`}>
      <h2>{texts.data.drop}</h2>
      <p class="help">{texts.data.dropHelp}</p>
      <p>
        <button type="button" disabled={isBusy} onClick={() => files.current?.click()}>
          {texts.data.pick}
        </button>{' '}
        <button type="button" class="plain" disabled={isBusy} onClick={() => folder.current?.click()}>
          {texts.data.pickFolder}
        </button>
      </p>
      <input ref={files} type="file" multiple hidden onChange={picked} aria-label={texts.data.pick} />
      <input ref={(input) => setFolder(input, folder)} type="file" multiple hidden onChange={picked} aria-label={texts.data.pickFolder} />
    </div>
  );
}

/** Not a piece of text, and not on a field that takes files itself. */
function hasFiles({ dataTransfer, target }: DragEvent): boolean {
  return dataTransfer?.types.includes('Files') === true && !(target instanceof HTMLInputElement && target.type === 'file');
}

/** TypeScript's types of inputs do not know the attribute that asks for folders. */
function setFolder(input: HTMLInputElement | null, to: { current: HTMLInputElement | null }): void {
  if (input) input.webkitdirectory = true;
  to.current = input;
}

/** Folders are gone through. What is dropped can be looked at in the event alone, so that everything is asked for at once. */
async function droppedFiles({ items, files }: DataTransfer): Promise<DroppedFile[]> {
  const entries = [...items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  if (entries.length === 0) return [...files].map((file) => ({ path: file.name, file }));
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry: FileSystemEntry): Promise<DroppedFile[]> {
  const path = entry.fullPath.replace(/^\//, '');
  if (entry.isFile) {
    const file = await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail));
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: DroppedFile[] = [];
  for (;;) {
    // A hundred at a time, until there are none.
    const some = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return found;
    found.push(...(await Promise.all(some.map(filesOf))).flat());
  }
}
