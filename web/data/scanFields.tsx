/** What has to be known of a scan: its kind, words for the questions, the size of its pixels, and which side it is on. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { decimal } from '../parts/decimal.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Field } from '../parts/field.tsx';
import { Modality } from '../parts/modality.tsx';
import type { Scan } from '../studio/project.ts';
import { texts } from '../texts.ts';
import type { Editor } from './editor.ts';
import { GreyLevels } from './greyLevels.tsx';

export function ScanFields({ editor, scan, onRemove }: { editor: Editor; scan: Scan; onRemove: (scan: Scan) => void }): JSX.Element {
  const [isRemoving, setRemoving] = useState(false);
  return (
    <section class="card about" aria-label={texts.data.about}>
      <h3>{scan.name}</h3>
      <div class="fields">
        <Modality value={scan.modality} help={texts.data.modalityHelp} onChange={(modality) => editor.changeScan(scan.id, { modality })} />
        <Field label={texts.data.description} help={texts.data.descriptionHelp}>
          {(ids) => (
            <input
              {...ids}
              value={scan.description}
              maxLength={300}
              onChange={({ currentTarget }) => editor.changeScan(scan.id, { description: currentTarget.value.trim() })}
            />
          )}
        </Field>
        <Spacing editor={editor} scan={scan} key={scan.id} />
        {scan.kind === 'volume' && (
          <GreyLevels
            key={`grey ${scan.id}`}
            value={scan.intensity}
            begin={editor.shownWindow.value}
            onChange={(intensity) => editor.changeGrey(scan.id, intensity)}
          />
        )}
        <Field label={texts.data.side} help={texts.data.suggestHelp}>
          {(ids) => (
            <select
              {...ids}
              value={scan.side}
              onChange={({ currentTarget }) => editor.changeScan(scan.id, { side: currentTarget.value === 'test' ? 'test' : 'train' })}
            >
              <option value="train">{texts.data.sides.train}</option>
              <option value="test">{texts.data.sides.test}</option>
            </select>
          )}
        </Field>
      </div>
      <button type="button" class="plain" onClick={() => setRemoving(true)}>
        {texts.data.removeScan}
      </button>
      {isRemoving && (
        <Dialog title={texts.data.removeScan} onClose={() => setRemoving(false)}>
          <p>{texts.data.removeSure(scan.name, editor.annotations.value.length)}</p>
          <button
            type="button"
            class="danger"
            onClick={() => {
              setRemoving(false);
              onRemove(scan);
            }}
          >
            {texts.data.removeScan}
          </button>{' '}
          <button type="button" class="plain" onClick={() => setRemoving(false)}>
            {texts.data.cancel}
          </button>
        </Dialog>
      )}
    </section>
  );
}

/** Numbers count when all of them are there. */
function Spacing({ editor, scan }: { editor: Editor; scan: Scan }): JSX.Element {
  const names = texts.data.spacing[scan.kind];
  const [written, setWritten] = useState<readonly string[]>(
    names.map((_, i) => (scan.spacing?.[i] === undefined ? '' : String(scan.spacing[i]))),
  );
  const isRight = (text: string): boolean => decimal(text) > 0 && Number.isFinite(decimal(text));
  const change = (at: number, text: string): void => {
    const next = written.map((one, i) => (i === at ? text : one));
    setWritten(next);
    if (next.every(isRight)) editor.changeScan(scan.id, { spacing: next.map(decimal) });
    else if (scan.kind === 'picture' && next.every((one) => one.trim() === '')) editor.changeScan(scan.id, { spacing: null });
  };
  const { help: said, unsaid, asked } = texts.data.spacing;
  const help = scan.kind === 'picture' ? asked : scan.spacing === null ? unsaid : said;
  const plane = editor.shownPlane.value;
  const size = editor.pixelSize.value;
  return (
    <>
      {names.map((name, i) => (
        <Field
          key={name}
          label={name}
          help={i === 0 ? help : undefined}
          error={written[i]?.trim() && !isRight(written[i] ?? '') ? texts.data.spacing.wrong : undefined}
        >
          {(ids) => (
            <input {...ids} inputMode="decimal" value={written[i]} onInput={({ currentTarget }) => change(i, currentTarget.value)} />
          )}
        </Field>
      ))}
      {plane !== null && size !== null && <p class="help">{texts.data.spacing.onSlice(plane, ...size)}</p>}
    </>
  );
}
