/** A PNG file's bytes as a picture. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export interface PngPictureProps {
  png: Uint8Array;
  /** What it shows, for those who cannot see it. */
  alt: string;
  width?: number | undefined;
  height?: number | undefined;
}

export function PngPicture({ png, alt, width, height }: PngPictureProps): JSX.Element {
  const url = useBlobUrl(png, 'image/png');
  return <img src={url} alt={alt} width={width} height={height} class="picture" />;
}

/** A URL of bytes that lasts as long as they are shown. */
export function useBlobUrl(bytes: Uint8Array, type: string): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [bytes, type]);
  return url;
}
