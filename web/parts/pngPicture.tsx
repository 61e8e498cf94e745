/** A PNG file's bytes as a picture. */
import type { JSX } from 'preact';
import { useBlobUrl } from './blobUrl.ts';

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
