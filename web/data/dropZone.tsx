/** Where files come in: dropped, or chosen, one by one or as a folder. */
import type { JSX, TargetedEvent } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { texts } from '../texts.ts';
import type { DroppedFile } from './importing.ts';

export function DropZone({ onFiles, isBusy }: { onFiles: (files: DroppedFile[]) => void; isBusy: boolean }): JSX.Element {
  const [isOver, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const picked = ({ currentTarget: input }: TargetedEvent<HTMLInputElement>): void => {
    const chosen = [...(input.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
    input.value = ''; // the same file may be chosen again
    if (chosen.length > 0) onFiles(chosen);
  };
  return (
    <div
      class={`card drop${isOver ? ' over' : ''}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        if (!isBusy && event.dataTransfer) void droppedFiles(event.dataTransfer).then(onFiles);
      }}
    >
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
