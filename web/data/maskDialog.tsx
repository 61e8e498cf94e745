/** A label mask of the scan becomes drawings: which labels, called what, on which planes. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { MIN_CLUSTER_PIXELS } from '../../src/data/drawn/masks.ts';
import { PLANES } from '../../src/data/planes.ts';
import type { Plane } from '../../src/data/planes.ts';
import { Dialog } from '../parts/dialog.tsx';
import { Field } from '../parts/field.tsx';
import type { Scan } from '../studio/project.ts';
import { texts } from '../texts.ts';
import type { Editor } from './editor.ts';
import { errorText } from '../../src/platform.ts';

/** Labels of a mask that can be named: files with more are no masks that a person names. */
const MOST_LABELS = 60;

export function MaskDialog({ editor, scan, onClose }: { editor: Editor; scan: Scan; onClose: () => void }): JSX.Element {
  const [mask, setMask] = useState<File | null>(null);
  const [labels, setLabels] = useState<{ label: number; voxels: number }[]>([]);
  const [names, setNames] = useState<Record<number, string>>({});
  const [shape, setShape] = useState<'box' | 'ellipse'>('box');
  const [planes, setPlanes] = useState<readonly Plane[]>(['axial']);
  const [slices, setSlices] = useState(10);
  const [least, setLeast] = useState(MIN_CLUSTER_PIXELS);
  const [problem, setProblem] = useState<string>();
  const [isBusy, setBusy] = useState(false);
  const working = (work: () => Promise<void>): void => {
    setBusy(true);
    setProblem(undefined);
    work()
      .catch((error: unknown) => setProblem(errorText(error)))
      .finally(() => setBusy(false));
  };
  const pick = (file: File | undefined): void => {
    if (file === undefined) return;
    setMask(null);
    setLabels([]);
    working(async () => {
      setLabels((await editor.client.maskLabels(scan, file)).slice(0, MOST_LABELS));
      setMask(file);
    });
  };
  const make = (file: File): void =>
    working(async () => {
      const choice = { names, shape, planes: [...planes], slices, leastPixels: least };
      const { annotations, leftOut } = await editor.client.maskAnnotations(scan, file, choice);
      editor.add(annotations);
      editor.studio.tell('info', texts.data.maskMade(annotations.length, leftOut.severalClusters, leftOut.small, leftOut.noEllipse));
      onClose();
    });
  return (
    <Dialog title={texts.data.mask} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (mask) make(mask);
        }}
      >
        <Field label={texts.data.maskFile} help={texts.data.maskHelp} error={problem}>
          {(ids) => (
            <input
              {...ids}
              type="file"
              accept=".nii,.gz,.nrrd,.mha,.tif,.tiff"
              onChange={({ currentTarget }) => pick(currentTarget.files?.[0])}
            />
          )}
        </Field>
        {labels.map(({ label, voxels }, i) => (
          <Field key={label} label={texts.data.maskName(label, voxels)} help={i === 0 ? texts.data.maskNameHelp : undefined}>
            {(ids) => (
              <input
                {...ids}
                value={names[label] ?? ''}
                maxLength={200}
                onInput={({ currentTarget }) => setNames({ ...names, [label]: currentTarget.value })}
              />
            )}
          </Field>
        ))}
        {mask && (
          <>
            <Field label={texts.data.maskShape}>
              {(ids) => (
                <select
                  {...ids}
                  value={shape}
                  onChange={({ currentTarget }) => setShape(currentTarget.value === 'box' ? 'box' : 'ellipse')}
                >
                  <option value="box">{texts.data.maskShapes.box}</option>
                  <option value="ellipse">{texts.data.maskShapes.ellipse}</option>
                </select>
              )}
            </Field>
            <fieldset>
              <legend>{texts.data.planes.label}</legend>
              {PLANES.map((plane) => (
                <label key={plane} class="choice">
                  <input
                    type="checkbox"
                    checked={planes.includes(plane)}
                    onChange={({ currentTarget }) =>
                      setPlanes(currentTarget.checked ? [...planes, plane] : planes.filter((one) => one !== plane))
                    }
                  />{' '}
                  {texts.data.planes[plane]}
                </label>
              ))}
            </fieldset>
            <Field label={texts.data.maskSlices}>
              {(ids) => (
                <input
                  {...ids}
                  type="number"
                  min={1}
                  max={10000}
                  value={slices}
                  onInput={({ currentTarget }) => setSlices(currentTarget.valueAsNumber || 1)}
                />
              )}
            </Field>
            {shape === 'ellipse' && (
              <Field label={texts.data.maskLeast}>
                {(ids) => (
                  <input
                    {...ids}
                    type="number"
                    min={6}
                    max={1000000}
                    value={least}
                    onInput={({ currentTarget }) => setLeast(currentTarget.valueAsNumber || 6)}
                  />
                )}
              </Field>
            )}
          </>
        )}
        <p>
          <button type="submit" disabled={mask === null || isBusy}>
            {texts.data.maskMake}
          </button>{' '}
          <button type="button" class="plain" onClick={onClose}>
            {texts.data.cancel}
          </button>
        </p>
      </form>
    </Dialog>
  );
}
