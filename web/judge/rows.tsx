/** Held-out rows one by one: the picture with truth and answers, what was said, and how far off it was. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Drawing } from '../../src/run/report/pictures.ts';
import { DrawnPicture, PictureKey } from '../parts/drawnPicture.tsx';
import { Cell, StackedTable } from '../parts/stackedTable.tsx';
import type { ViewProps } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import type { JudgedAnswer, JudgedRow } from './inWorker.ts';
import type { KeptJudgement } from './judging.ts';

/** Rows on a page. */
const PAGE = 10;

export function JudgedRows({ studio, judged }: Pick<ViewProps, 'studio'> & { judged: KeptJudgement }): JSX.Element {
  const { rows } = judged;
  const [first, setFirst] = useState(0);
  const shown = rows.slice(first, first + PAGE);
  const words = texts.judge;
  return (
    <section aria-label={words.rows}>
      <h2>{words.rows}</h2>
      <PictureKey names={words.key} />
      <div class="scroll" tabIndex={0} role="region" aria-label={words.rows}>
        <StackedTable
          class="judged"
          heads={[words.row, words.picture, words.question, words.truth, texts.comparison.before, texts.comparison.after]}
        >
          {shown.map((row) => (
            <tr role="row" key={row.id} data-row={row.id}>
              <th scope="row" role="rowheader">
                {row.id + 1}
              </th>
              <Cell head={words.picture}>
                <RowPicture studio={studio} judged={judged} row={row} />
              </Cell>
              <Cell head={words.question}>
                {[row.kind, row.name].filter((part) => part !== '').join(': ')}
                <details>
                  <summary>{words.prompt}</summary>
                  <span class="said">{row.prompt}</span>
                </details>
              </Cell>
              <Cell head={words.truth} class="said">
                {row.target}
              </Cell>
              <Cell head={texts.comparison.before}>
                <Said answer={row.before} />
              </Cell>
              <Cell head={texts.comparison.after}>
                <Said answer={row.after} against={row.before} />
              </Cell>
            </tr>
          ))}
        </StackedTable>
      </div>
      {rows.length > PAGE && (
        <p>
          <button type="button" class="plain" disabled={first === 0} onClick={() => setFirst(first - PAGE)}>
            {words.earlier}
          </button>{' '}
          {words.page(first + 1, Math.min(rows.length, first + PAGE), rows.length)}{' '}
          <button type="button" class="plain" disabled={first + PAGE >= rows.length} onClick={() => setFirst(first + PAGE)}>
            {words.later}
          </button>
        </p>
      )}
    </section>
  );
}

function Said({ answer, against }: { answer: JudgedAnswer; against?: JudgedAnswer }): JSX.Element {
  const { text, score, goodness } = answer;
  const gain = against === undefined ? 0 : (goodness ?? 0) - (against.goodness ?? 0);
  return (
    <>
      <span class="said">{text === '' ? texts.judge.nothing : text}</span>
      {score !== '' && <strong class={gain > 0 ? 'good' : gain < 0 ? 'bad' : ''}>{score}</strong>}
    </>
  );
}

/** Cut and drawn by the worker when its row is on the page. */
function RowPicture({ studio, judged, row }: Pick<ViewProps, 'studio'> & { judged: KeptJudgement; row: JudgedRow }): JSX.Element {
  const [drawing, setDrawing] = useState<Drawing | null | undefined>(undefined);
  useEffect(() => {
    let isShown = true;
    const { id, truth, kind } = row;
    const answers = (['before', 'after'] as const).map((of) => ({ of, values: row[of].values }));
    studio.worker.value.own.judgedPicture(judged.val, judged.base, { id, truth, kind }, answers).then(
      (found) => isShown && setDrawing(found),
      (error: unknown) => {
        if (isShown) setDrawing(null);
        studio.failed(error);
      },
    );
    return () => {
      isShown = false;
    };
  }, [judged]);
  if (drawing === undefined) return <span aria-busy="true">…</span>;
  if (drawing === null) return <span class="soft">{texts.judge.noPicture}</span>;
  const name = [row.kind, row.name].filter((part) => part !== '').join(': ') || texts.judge.question;
  return <DrawnPicture drawing={drawing} title={texts.judge.pictureOf(name, row.target, row.after.text)} />;
}
