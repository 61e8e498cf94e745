/** Questions of a run's report as pictures, with the truth and the answers drawn in; text beside them is text alone. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Card, Drawing, Mark } from '../../src/run/report/pictures.ts';
import type { Pictures } from '../../src/run/ui/api.ts';
import { texts } from '../texts.ts';
import { client } from './client.ts';
import type { Told } from './told.ts';

/** @param changedAt of the run: then they are asked for anew */
export function ReportPictures({ id, changedAt, told }: { id: string; changedAt: number; told: Told }): JSX.Element | null {
  const [pictures, setPictures] = useState<Pictures>();
  useEffect(() => void client.pictures(id).then(setPictures, told.failed), [id, changedAt]);
  if (pictures === undefined) return null;
  return (
    <section aria-label={texts.ui.run.pictures}>
      {pictures.cards.length === 0 && <p class="soft">{texts.ui.run.noPictures}</p>}
      <div class="report-pictures">
        {pictures.cards.map((card, i) => (
          <PictureCard key={i} card={card} />
        ))}
      </div>
      {pictures.note !== '' && <p class="soft">{pictures.note}</p>}
    </section>
  );
}

function PictureCard({ card: { drawing, heading, place, prompt, target, answers } }: { card: Card }): JSX.Element {
  const { marks: words } = texts.ui;
  const title = `${heading}. ${place}. ${words['truth'] ?? ''}: ${target}.`;
  return (
    <figure class="card">
      <Slice drawing={drawing} title={title} />
      <figcaption>
        <h3>{heading}</h3>
        <table>
          <tbody>
            <tr>
              <th scope="row" class="of-truth">
                {words['truth']}
              </th>
              <td>
                <code>{target}</code>
              </td>
              <td />
            </tr>
            {answers.map(({ name, text, score }) => (
              <tr key={name}>
                <th scope="row" class={name === 'before' ? 'of-before' : 'of-after'}>
                  {words[name] ?? name}
                </th>
                <td>
                  <code>{text}</code>
                </td>
                <td class="number">{score}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <details>
          <summary>{place === '' ? texts.ui.prompt : `${place}: ${texts.ui.prompt}`}</summary>
          <code>{prompt}</code>
        </details>
      </figcaption>
    </figure>
  );
}

/** In mm, as the body is, not as the pixels are. */
function Slice({ drawing: { png, width, height, marks }, title }: { drawing: Drawing; title: string }): JSX.Element {
  const pad = 0.02 * Math.max(width, height);
  const radius = 0.015 * Math.max(width, height);
  return (
    <svg class="slice" viewBox={[-pad, -pad, width + 2 * pad, height + 2 * pad].join(' ')} role="img" aria-label={title}>
      <image href={`data:image/png;base64,${png}`} width={width} height={height} preserveAspectRatio="none" />
      {marks.map((mark, i) => (
        <MarkShape key={i} mark={mark} radius={radius} />
      ))}
    </svg>
  );
}

function MarkShape({ mark, radius }: { mark: Mark; radius: number }): JSX.Element {
  const look = `mark of-${mark.of}`;
  if (mark.kind === 'box') return <rect class={look} x={mark.x} y={mark.y} width={mark.width} height={mark.height} />;
  return (
    <>
      <polyline class={look} points={mark.points.map((point) => point.join(',')).join(' ')} />
      {mark.hasEnds && mark.points.map(([x, y], i) => <circle key={i} class="end" cx={x} cy={y} r={radius} />)}
    </>
  );
}
