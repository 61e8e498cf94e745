/** What the person should know, and has to put away: errors are told at once by screen readers. */
import type { JSX } from 'preact';
import type { Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export function Notices({ studio }: { studio: Studio }): JSX.Element {
  return (
    <section class="notices" aria-label={texts.notices.label}>
      {studio.notices.value.map(({ id, level, text }) => (
        <div key={id} class={`notice ${level}`} role={level === 'error' ? 'alert' : 'status'}>
          <strong>{texts.notices[level]}</strong> <span class="text">{text}</span>
          <button
            type="button"
            class="plain"
            aria-label={`${texts.notices.dismiss}: ${text.slice(0, 60)}`}
            onClick={() => studio.dismiss(id)}
          >
            ×
          </button>
        </div>
      ))}
    </section>
  );
}
