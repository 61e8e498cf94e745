/** A slice with the truth and the answers drawn in, in the proportions of the body. */
import type { JSX } from 'preact';
import type { Drawing, Mark } from '../../src/run/report/pictures.ts';
import './drawnPicture.css';

/** @param title what it shows, for those who cannot see it */
export function DrawnPicture({ drawing, title }: { drawing: Drawing; title: string }): JSX.Element {
  const { png, width, height, marks } = drawing;
  const longest = Math.max(width, height);
  // A margin, so that edges on the border of the picture are seen.
  const pad = 0.02 * longest;
  return (
    <svg class="drawn" viewBox={`${-pad} ${-pad} ${width + 2 * pad} ${height + 2 * pad}`} role="img" aria-label={title}>
      <image href={`data:image/png;base64,${png}`} width={width} height={height} preserveAspectRatio="none" />
      {marks.map((mark, i) => (
        <Drawn key={i} mark={mark} radius={0.015 * longest} />
      ))}
    </svg>
  );
}

function Drawn({ mark, radius }: { mark: Mark; radius: number }): JSX.Element {
  if (mark.kind === 'box') return <rect class={mark.of} x={mark.x} y={mark.y} width={mark.width} height={mark.height} />;
  return (
    <>
      <polyline class={mark.of} points={mark.points.map((point) => point.join()).join(' ')} />
      {mark.hasEnds && mark.points.map(([x, y], i) => <circle key={i} class="point" cx={x} cy={y} r={radius} />)}
    </>
  );
}

/** What the lines mean. */
export function PictureKey({ names }: { names: Readonly<Record<'truth' | 'before' | 'after', string>> }): JSX.Element {
  return (
    <p class="picture-key">
      {(['truth', 'before', 'after'] as const).map((of) => (
        <span key={of}>
          <i class={of} aria-hidden="true" /> {names[of]}
        </span>
      ))}
    </p>
  );
}
