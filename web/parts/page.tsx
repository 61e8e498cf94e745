/** A page that a run has left, in a frame that can neither run scripts nor reach this page, and as a download. */
import type { JSX } from 'preact';
import { useBlobUrl } from './blobUrl.ts';

export function Page({ title, html, download, name }: { title: string; html: string; download: string; name: string }): JSX.Element | null {
  const url = useBlobUrl(html, 'text/html');
  if (url === undefined) return null;
  return (
    <section>
      <h2>{title}</h2>
      <p>
        <a class="button" href={url} download={name}>
          {download}
        </a>
      </p>
      <iframe class="page" title={title} src={url} sandbox="" />
    </section>
  );
}
