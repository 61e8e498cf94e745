/** What is drawn on the scan: names, values, and the way to each. */
import type { JSX } from 'preact';
import { Cell, StackedTable } from '../parts/stackedTable.tsx';
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
          <StackedTable class="drawings" heads={[columns.name, columns.kind, columns.where, columns.value, columns.actions]}>
            {drawn.map((annotation) => {
              const { id, label, shape, plane, slice } = annotation;
              const where = texts.data.where(plane, slice);
              return (
                <tr role="row" key={id} aria-selected={id === selected}>
                  <Cell head={columns.name}>
                    <input
                      aria-label={texts.data.nameOf(label)}
                      value={label}
                      maxLength={200}
                      onChange={({ currentTarget }) => {
                        editor.rename(id, currentTarget.value);
                        if (currentTarget.value.trim() === '') currentTarget.value = label;
                      }}
                    />
                  </Cell>
                  <Cell head={columns.kind}>{texts.data.tools[shape]}</Cell>
                  <Cell head={columns.where}>
                    <button
                      type="button"
                      class="plain"
                      aria-label={texts.data.goTo(label, where)}
                      onClick={() => editor.select(annotation)}
                    >
                      {where}
                    </button>
                  </Cell>
                  <Cell head={columns.value} class="number">
                    {valueText(annotation, undefined, pixelSizeOf(scan, plane))}
                  </Cell>
                  <Cell head={columns.actions}>
                    <button type="button" class="plain" aria-label={texts.data.deleteOne(label)} onClick={() => editor.remove(id)}>
                      {texts.data.deleteDrawing}
                    </button>
                  </Cell>
                </tr>
              );
            })}
          </StackedTable>
        </div>
      )}
    </section>
  );
}
