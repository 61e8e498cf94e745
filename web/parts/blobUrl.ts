/** Content that the page itself shows or hands out, by a URL. */
import { useEffect, useState } from 'preact/hooks';

/** A URL that lasts as long as the content is shown; undefined at first, and for null. */
export function useBlobUrl(content: Uint8Array | string | null, type: string): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (content === null) return setUrl(undefined);
    const made = URL.createObjectURL(new Blob([content as Uint8Array<ArrayBuffer> | string], { type }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [content, type]);
  return url;
}
