/** What is drawn on the scan: names, values, and the way to each. */
import type { JSX } from 'preact';
import { texts } from '../texts.ts';
import type { Editor } from './editor.ts';
import { valueText } from './paint.ts';
import { pixelSizeOf } from './scanPixels.ts';

export function Annotations({ editor }: { editor: Editor }): JSX.Element | null {
  const scan = editor.scan.value;
  if (scan === undefined) return null;
  const drawn = editor.annotations.value;
  const { columns } = texts.data;
  const selected = editor.draft.value?.id;
  return (
    <section aria-label={texts.data.list}>
      <h3>{texts.data.list}</h3>
      {drawn.length === 0 ? (
        <p class="soft">{texts.data.none}</p>
      ) : (
        <div class="scroll" tabIndex={0} role="group" aria-label={texts.data.list}>
          <table class="drawings">
            <thead>
              <tr>
                <th scope="col">{columns.name}</th>
                <th scope="col">{columns.kind}</th>
                <th scope="col">{columns.where}</th>
                <th scope="col">{columns.value}</th>
                <th scope="col">{columns.actions}</th>
              </tr>
            </thead>
            <tbody>
              {drawn.map((annotation) => {
                const { id, label, shape, plane, slice } = annotation;
                const where = texts.data.where(plane, slice);
                return (
                  <tr key={id} aria-selected={id === selected}>
                    <td>
                      <input
                        aria-label={texts.data.nameOf(label)}
                        value={label}
                        maxLength={200}
                        onChange={({ currentTarget }) => {
                          editor.rename(id, currentTarget.value);
                          if (currentTarget.value.trim() === '') currentTarget.value = label;
                        }}
                      />
                    </td>
                    <td>{texts.data.tools[shape]}</td>
                    <td>
                      <button
                        type="button"
                        class="plain"
                        aria-label={texts.data.goTo(label, where)}
                        onClick={() => editor.select(annotation)}
                      >
                        {where}
                      </button>
                    </td>
                    <td class="number">{valueText(annotation, undefined, pixelSizeOf(scan, plane))}</td>
                    <td>
                      <button type="button" class="plain" aria-label={texts.data.deleteOne(label)} onClick={() => editor.remove(id)}>
                        {texts.data.deleteDrawing}
                      </button>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
