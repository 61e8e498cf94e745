/** Tools, names of what is drawn, planes, slices, window and zoom: everything that the pointer does has a control here. */
import type { JSX } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { LANDMARKS } from '../../src/data/drawn/annotation.ts';
import { PLANES } from '../../src/data/planes.ts';
import type { Shape } from '../../src/data/drawn/annotation.ts';
import { Field } from '../parts/field.tsx';
import { texts } from '../texts.ts';
import type { Editor, Tool } from './editor.ts';
import { FITTED } from './sliceView.ts';

const TOOLS: readonly Tool[] = ['look', 'window', 'box', 'distance', 'angle', 'ellipse'];

export function Tools({ editor }: { editor: Editor }): JSX.Element {
  const tool = editor.tool.value;
  const isPicture = editor.scan.value?.kind === 'picture';
  const isBegun = editor.draft.value !== null && editor.draft.value.id === undefined;
  const lacksSize = editor.pixelSize.value === null;
  return (
    <div class="tools" role="group" aria-label={texts.data.tool}>
      {TOOLS.filter((one) => one !== 'window' || !isPicture).map((one) => (
        <button
          key={one}
          type="button"
          aria-pressed={one === tool}
          disabled={!editor.canUse(one)}
          title={editor.canUse(one) ? undefined : texts.data.needsSpacing}
          onClick={() => editor.chooseTool(one)}
        >
          {texts.data.tools[one]}
        </button>
      ))}
      <span>
        <button type="button" class="plain" disabled={!editor.history.canUndo && !isBegun} onClick={() => editor.undo()}>
          {texts.data.undo}
        </button>
        <button type="button" class="plain" disabled={!editor.history.canRedo} onClick={() => editor.redo()}>
          {texts.data.redo}
        </button>
      </span>
      {lacksSize && <p class="help">{texts.data.needsSpacing}</p>}
    </div>
  );
}

/** Of the drawing at hand, or of the next one. */
export function Names({ editor }: { editor: Editor }): JSX.Element | null {
  const draft = editor.draft.value;
  const tool = editor.tool.value;
  const name = useRef<HTMLInputElement>(null);
  const lacksName = editor.problem.value !== '' && editor.label.value.trim() === '';
  // Whoever has drawn first writes now, and Enter finishes.
  useLayoutEffect(() => {
    if (lacksName) name.current?.focus();
  }, [lacksName]);
  const shape: Shape | undefined = draft?.shape ?? (tool === 'look' || tool === 'window' ? undefined : tool);
  if (shape === undefined) return null;
  const label = editor.label.value;
  const used = [...new Set(editor.open.project.value.annotations.map((one) => one.label))].sort();
  const isAngle = shape === 'angle';
  return (
    <form
      class="card names"
      onSubmit={(event) => {
        event.preventDefault();
        editor.finish();
      }}
    >
      <Field label={texts.data.label[shape]} help={texts.data.labelHelp} error={editor.problem.value || undefined}>
        {(ids) => (
          <>
            <input
              {...ids}
              ref={name}
              value={label}
              maxLength={200}
              list="labels-used"
              onInput={({ currentTarget }) => (editor.label.value = currentTarget.value)}
            />
            <datalist id="labels-used">
              {used.map((one) => (
                <option key={one} value={one} />
              ))}
            </datalist>
          </>
        )}
      </Field>
      {Array.from({ length: LANDMARKS[shape] }, (_, i) => (
        <Field key={i} label={texts.data.landmark(i, isAngle)}>
          {(ids) => (
            <input
              {...ids}
              value={editor.landmarks.value[i] ?? ''}
              maxLength={200}
              placeholder={texts.data.landmarkDefault(label.trim() || '…', i, isAngle)}
              onInput={({ currentTarget }) =>
                (editor.landmarks.value = editor.landmarks.peek().map((one, at) => (at === i ? currentTarget.value : one)))
              }
            />
          )}
        </Field>
      ))}
      {draft && (
        <p>
          <button type="submit">{texts.data.finish}</button>{' '}
          <button type="button" class="plain" onClick={() => editor.cancel()}>
            {texts.data.cancelDrawing}
          </button>{' '}
          {draft.id !== undefined && (
            <button type="button" class="danger" onClick={() => editor.remove(draft.id ?? '')}>
              {texts.data.deleteDrawing}
            </button>
          )}
        </p>
      )}
    </form>
  );
}

export function Looking({ editor }: { editor: Editor }): JSX.Element {
  const isVolume = editor.scan.value?.kind === 'volume';
  const count = editor.sliceCount.value;
  const slice = editor.slice.value;
  const zoom = (factor: number): void => {
    const camera = editor.camera.peek();
    const next = Math.min(32, Math.max(1, camera.zoom * factor));
    editor.camera.value = next === 1 ? FITTED : { ...camera, zoom: next };
  };
  return (
    <div class="looking">
      {isVolume && (
        <div role="group" aria-label={texts.data.planes.label} class="planes">
          {PLANES.map((plane) => (
            <button key={plane} type="button" aria-pressed={editor.plane.value === plane} onClick={() => editor.showPlane(plane)}>
              {texts.data.planes[plane]}
            </button>
          ))}
        </div>
      )}
      {isVolume && (
        <Field label={`${texts.data.sliceLabel}: ${texts.data.slice(slice, count)}`}>
          {(ids) => (
            <input
              {...ids}
              type="range"
              min={0}
              max={count - 1}
              value={slice}
              onInput={({ currentTarget }) => editor.goTo(currentTarget.valueAsNumber)}
            />
          )}
        </Field>
      )}
      {isVolume && <WindowSliders editor={editor} />}
      <p class="zoom">
        <button type="button" class="plain" aria-label={texts.data.zoomOut} onClick={() => zoom(0.8)}>
          −
        </button>
        <button type="button" class="plain" aria-label={texts.data.zoomIn} onClick={() => zoom(1.25)}>
          +
        </button>
        <button type="button" class="plain" onClick={() => (editor.camera.value = FITTED)}>
          {texts.data.fit}
        </button>
        {isVolume && (
          <button type="button" class="plain" disabled={editor.window.value === null} onClick={() => (editor.window.value = null)}>
            {texts.data.auto}
          </button>
        )}
      </p>
    </div>
  );
}

/** In the units of the volume. The sliders reach as far as the slice that is shown. */
function WindowSliders({ editor }: { editor: Editor }): JSX.Element {
  const whole = editor.ranges.value.minmax;
  const { low, high } = editor.shownWindow.value;
  const range = whole.high - whole.low || 1;
  const set = (width: number, level: number): void => void (editor.window.value = { low: level - width / 2, high: level + width / 2 });
  const [width, level] = [high - low, (low + high) / 2];
  const slider = (label: string, value: number, [min, max]: readonly [number, number], change: (value: number) => void): JSX.Element => (
    <Field label={`${label}: ${Number(value.toPrecision(4))}`}>
      {(ids) => (
        <input
          {...ids}
          type="range"
          min={Math.min(min, value)}
          max={Math.max(max, value)}
          step={range / 200}
          value={value}
          onInput={({ currentTarget }) => change(currentTarget.valueAsNumber)}
        />
      )}
    </Field>
  );
  return (
    <>
      {slider(texts.data.width, width, [range / 200, range], (next) => set(next, level))}
      {slider(texts.data.level, level, [whole.low, whole.high], (next) => set(width, next))}
    </>
  );
}
