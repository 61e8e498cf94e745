/** The shell: pages, messages, and the view that the address names. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { texts } from '../texts.ts';
import { CompareView } from './compare.tsx';
import { ListView } from './list.tsx';
import { placeOf } from './place.ts';
import type { Place } from './place.ts';
import { RunView } from './run.tsx';
import { StartView } from './startForm.tsx';
import type { Told } from './told.ts';
import './ui.css';
import { errorText } from '../../src/platform.ts';

interface Message {
  id: number;
  text: string;
  isError: boolean;
}

export function App(): JSX.Element {
  const [place, setPlace] = useState(() => placeOf(location.hash));
  const [messages, setMessages] = useState<readonly Message[]>([]);
  const count = useRef(0);
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const go = (): void => {
      setPlace(placeOf(location.hash));
      setMessages([]);
      // As after a page is loaded: reading goes on at the new view.
      main.current?.focus();
    };
    addEventListener('hashchange', go);
    return () => removeEventListener('hashchange', go);
  }, []);
  const tell = (text: string, isError: boolean): void => {
    setMessages((before) => [...before.filter((one) => one.text !== text), { id: count.current++, text, isError }]);
  };
  const [told] = useState<Told>(() => ({
    say: (text) => tell(text, false),
    failed: (error) => tell(error instanceof TypeError ? texts.ui.away : errorText(error), true),
  }));
  return (
    <>
      <header class="top">
        <h1>{texts.ui.title}</h1>
        <nav aria-label={texts.ui.nav}>
          <a href="#" aria-current={place.view === 'list' ? 'page' : undefined}>
            {texts.ui.runs}
          </a>
          <a href="#new" aria-current={place.view === 'new' ? 'page' : undefined}>
            {texts.ui.newRun}
          </a>
          <a href="/studio/">{texts.ui.studio}</a>
        </nav>
      </header>
      <section class="notices" aria-label={texts.notices.label}>
        {messages.map(({ id, text, isError }) => (
          <div key={id} class={`notice ${isError ? 'error' : 'info'}`} role={isError ? 'alert' : 'status'}>
            {isError && <strong>{texts.ui.error}</strong>} <span class="text">{text}</span>
            <button
              type="button"
              class="plain"
              aria-label={`${texts.ui.dismiss}: ${text.slice(0, 60)}`}
              onClick={() => setMessages((before) => before.filter((one) => one.id !== id))}
            >
              ×
            </button>
          </div>
        ))}
      </section>
      <main ref={main} tabIndex={-1}>
        <View place={place} told={told} />
      </main>
    </>
  );
}

function View({ place, told }: { place: Place; told: Told }): JSX.Element {
  switch (place.view) {
    case 'list':
      return <ListView told={told} />;
    case 'new':
      return <StartView told={told} />;
    case 'run':
      return <RunView key={place.id} id={place.id} told={told} />;
    case 'compare':
      return <CompareView key={place.ids.join()} ids={place.ids} told={told} />;
  }
}
