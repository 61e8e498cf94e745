/**
 * How many pixels of decoded pictures are held at once. Rows are made several at a time, and a row may name many pictures: without a gate
 * the largest pictures that are read, sixteen at once, would take 8 GB.
 */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';
import type { ImageSource } from '../example.ts';
import { imageHeader, readImageHeader } from '../imageHeader.ts';
import { MAX_PIXELS } from './decode.ts';

/** Of one row: a picture of the largest size that is read, and as much again. */
const MAX_ROW_PIXELS = 2 * MAX_PIXELS;
/** A file of a picture; the pixels of the largest, as they are, take two thirds of it. */
const MAX_FILE_BYTES = 2 ** 30;

export class PixelGate {
  private held = 0;
  private readonly waiting: (() => void)[] = [];

  /** Runs `work` when its pixels fit beside those of others; alone, any number does. In the order of asking. */
  async run<T>(pixels: number, work: () => Promise<T>): Promise<T> {
    if (this.waiting.length > 0 || !this.fits(pixels)) await new Promise<void>((resolve) => this.waiting.push(resolve));
    while (!this.fits(pixels)) await new Promise<void>((resolve) => this.waiting.unshift(resolve));
    this.held += pixels;
    this.waiting.shift()?.(); // the next one may fit too
    try {
      return await work();
    } finally {
      this.held -= pixels;
      this.waiting.shift()?.();
    }
  }

  private fits(pixels: number): boolean {
    return this.held === 0 || this.held + pixels <= MAX_PIXELS;
  }
}

/**
 * Of a row's pictures together, by their headers. What has none counts nothing; decoding says why. @throws UserError where they are too
 * many
 */
export async function rowPixels(platform: Platform, images: readonly ImageSource[]): Promise<number> {
  let pixels = 0;
  for (const image of images) pixels += await pixelsOf(platform, image);
  if (pixels <= MAX_ROW_PIXELS) return pixels;
  throw new UserError(
    `its ${images.length} pictures have ${pixels} pixels together, more than the ${MAX_ROW_PIXELS} that are read for a row; make them ` +
      `smaller.`,
  );
}

async function pixelsOf(platform: Platform, image: ImageSource): Promise<number> {
  if (typeof image !== 'string') return sizeOf(() => imageHeader(image.bytes, image.name));
  const file = await platform.openFile(image);
  try {
    if (file.size > MAX_FILE_BYTES)
      throw new UserError(`Image ${image}: ${file.size} bytes; pictures of at most ${MAX_FILE_BYTES} are read.`);
    return await sizeOf(() => readImageHeader(file));
  } finally {
    await file.close();
  }
}

async function sizeOf(read: () => { width: number; height: number } | Promise<{ width: number; height: number }>): Promise<number> {
  try {
    const { width, height } = await read();
    return width * height;
  } catch (error) {
    if (error instanceof UserError) return 0;
    throw error;
  }
}
