/** An answer: its text as it is written, the numbers read of it with their units, and the picture with it drawn in. */
import type { JSX } from 'preact';
import type { Answer } from '../../src/api/answer.ts';
import { durationText } from '../../src/track/console.ts';
import { PngPicture } from '../parts/pngPicture.tsx';
import { texts } from '../texts.ts';

export function AnswerCard({ text, answer }: { text: string; answer: Answer | null }): JSX.Element {
  const own = texts.use;
  return (
    <section class="card answer" aria-label={own.answer}>
      <h3>{own.answer}</h3>
      <p class="said" role="status">
        {text === '' ? (answer === null ? '…' : own.nothing) : text}
      </p>
      {answer !== null && (
        <>
          <h3>{own.numbers}</h3>
          {answer.numbers === undefined || answer.numbers.length === 0 ? (
            <p>{own.noNumbers}</p>
          ) : (
            <ul class="numbers">
              {answer.numbers.map(({ name = '', value, unit }, i) => (
                <li key={i}>{own.value(name, String(Number(value.toPrecision(5))), unit ?? '')}</li>
              ))}
            </ul>
          )}
          {answer.overlay !== undefined && (
            <figure>
              <PngPicture png={answer.overlay.png} alt={`${own.overlay}: ${answer.overlay.legend}`} />
              <figcaption class="soft">{answer.overlay.legend}</figcaption>
            </figure>
          )}
          {answer.notes.map((note) => (
            <p key={note} class="soft">
              {note}
            </p>
          ))}
          <p class="soft">{own.cost(answer.answerTokens, durationText(answer.seconds))}</p>
        </>
      )}
    </section>
  );
}
