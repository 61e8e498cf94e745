/**
 * What tells a TIFF stack, the slices of a volume, from a TIFF picture: a second page, both grey, and not a small copy of the first. One
 * page with the data of several images is a stack too: ImageJ writes those of more than 4 GB so.
 */
import { UserError } from '../../platform.ts';
import type { RangedFile } from '../../platform.ts';
import { HeaderSource, readFromBytes, readFromFile } from '../imageHeaders/source.ts';
import type { Reading } from '../imageHeaders/source.ts';
import { tiffForm, tiffLink, tiffTags, tiffValue } from '../imageHeaders/tiffTags.ts';
import { isTiffHead } from '../tiffDirectory.ts';
import { imageJImages, tiffDescription } from './description.ts';
import { GREYS, TAG } from './pages.ts';

/** 'colour': several pages that are no volume, which who asks for one must hear. */
export type TiffPages = 'one' | 'stack' | 'colour';

const HEAD_BYTES = 8;
const REDUCED = 1;

/** 'one' also for what is no TIFF, or a damaged one: whoever reads it as a picture says what is wrong. */
export function tiffPagesOfBytes(bytes: Uint8Array): TiffPages {
  if (bytes.length < HEAD_BYTES || !isTiffHead(bytes)) return 'one';
  try {
    return readFromBytes(pagesOf(new HeaderSource('', bytes.length, true)), bytes);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return 'one';
  }
}

/** As `tiffPagesOfBytes`, of a file of which little is read. */
export async function tiffPagesOfFile(file: RangedFile): Promise<TiffPages> {
  if (file.size < HEAD_BYTES || !isTiffHead(await file.read(0, HEAD_BYTES))) return 'one';
  try {
    return await readFromFile(pagesOf(new HeaderSource(file.path, file.size, false)), file);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return 'one';
  }
}

function* pagesOf(source: HeaderSource): Reading<TiffPages> {
  const form = yield* tiffForm(source);
  const first = yield* tiffTags(source, form, form.first);
  const isGrey = GREYS.includes((yield* tiffValue(source, form, first, TAG.photometric)) ?? 1);
  const kind = isGrey && ((yield* tiffValue(source, form, first, TAG.samples)) ?? 1) === 1 ? 'stack' : 'colour';
  const next = yield* tiffLink(source, form, first);
  if (next === 0) return imageJImages(yield* tiffDescription(source, first)) > 1 ? kind : 'one';
  const second = yield* tiffTags(source, form, next);
  return (((yield* tiffValue(source, form, second, TAG.subfile)) ?? 0) & REDUCED) === 0 ? kind : 'one';
}
