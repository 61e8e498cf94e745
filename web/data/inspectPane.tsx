/** The rows as the model sees them: pictures, prompts, tokens, what is learnt, histograms. A page in a frame that may do nothing. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useBlobUrl } from '../parts/blobUrl.ts';
import type { OpenProject, Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { rowsOf } from '../train/rowsOf.ts';

export function InspectPane({ studio, open }: { studio: Studio; open: OpenProject }): JSX.Element {
  const [page, setPage] = useState<string | null>(null);
  const url = useBlobUrl(page, 'text/html');
  const [isBusy, setBusy] = useState(false);
  const look = async (): Promise<void> => {
    setBusy(true);
    try {
      const { base, options } = open.project.peek();
      const rows = await rowsOf(studio, open);
      setPage(await studio.worker.value.own.inspectRows({ project: open.id, base, options, ...rows }));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-label={texts.data.inspect}>
      <h2>{texts.data.inspect}</h2>
      <p class="help">{texts.data.inspectHelp}</p>
      <p>
        <button type="button" disabled={isBusy} onClick={() => void look().catch((error: unknown) => studio.failed(error))}>
          {isBusy ? texts.data.inspecting : texts.data.inspectNow}
        </button>{' '}
        {url !== undefined && (
          <button type="button" class="plain" onClick={() => setPage(null)}>
            {texts.data.inspectClose}
          </button>
        )}
      </p>
      {url !== undefined && <iframe class="inspect" sandbox="" src={url} title={texts.data.inspect} />}
    </section>
  );
}
