/** What the programs of a run have written to their terminals, where they were started by the server. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { JobKind } from '../../src/run/ui/jobFiles.ts';
import { texts } from '../texts.ts';
import { client } from './client.ts';
import type { Told } from './told.ts';

export function Said({ id, told }: { id: string; told: Told }): JSX.Element {
  const [said, setSaid] = useState<readonly { kind: JobKind; text: string }[]>();
  const look = (): void => void client.said(id).then(setSaid, told.failed);
  useEffect(look, [id]);
  const { run: words } = texts.ui;
  if (said === undefined) return <p aria-busy="true">{texts.ui.loading}</p>;
  return (
    <>
      {said.length === 0 && <p>{words.nothingSaid}</p>}
      {said.map(({ kind, text }) => (
        <section key={kind}>
          <h3>{words.programs[kind]}</h3>
          <pre tabIndex={0}>{text}</pre>
        </section>
      ))}
      {said.length > 0 && (
        <button type="button" class="plain" onClick={look}>
          {words.refresh}
        </button>
      )}
    </>
  );
}
