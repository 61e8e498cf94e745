/**
 * Slices of a DICOM scan along any plane, as a screen shows them. Those that the scan is made of have their own windows; across them the
 * values of the modality are shown in the window of the first, so that no stripes are made.
 */
import { greyToRgb, turned } from '../../data/codedValues.ts';
import type { DicomScan } from '../../data/dicom/scan.ts';
import { scanSpace } from '../../data/dicom/toVolume.ts';
import { shownGrey } from '../../data/dicom/voi.ts';
import { checkFinite } from '../../data/medvision/intensity.ts';
import type { SliceDim } from '../../data/nifti.ts';
import { UserError } from '../../platform.ts';
import type { DecodedImage } from '../../platform.ts';

/** Planes across the slices are cut together, so many bytes of them at a time. */
const HELD_BYTES = 2 ** 28;

/**
 * @param dim across which axis of RAS+ they lie
 * @param indices along it
 * @param path in messages
 * @param stop looked at between slices
 * @returns a picture for each index, rows and columns as `Volume.slice` has them
 * @throws UserError where the scan is no volume of greys, or a value is not finite
 */
export async function* shownPlanes(
  scan: DicomScan,
  dim: SliceDim,
  indices: readonly number[],
  path: string,
  stop: AbortSignal,
): AsyncGenerator<DecodedImage, void, undefined> {
  const { shape, from } = scanSpace(scan, path);
  if (scan.photometric === 'PALETTE COLOR')
    throw new UserError(`${path}: its values are those of a palette, of which no other plane is cut.`);
  const [rowDim, colDim] = dim === 0 ? ([1, 2] as const) : dim === 1 ? ([0, 2] as const) : ([0, 1] as const);
  const [rows, cols] = [shape[rowDim], shape[colDim]];
  const picture = (grey: Uint8Array): DecodedImage => ({ width: cols, height: rows, data: greyToRgb(grey) });
  /** Where the stored axis is. */
  const stored = (out: SliceDim, at: number): number => (from[out].isTurned ? shape[out] - 1 - at : at);
  /** From a pixel of an image to the next along the axis. */
  const step = (out: SliceDim): number => [1, scan.size[2], 0][from[out].axis] ?? 0;
  if (from[dim].axis === 2) {
    const signed = (out: SliceDim): number => (from[out].isTurned ? -step(out) : step(out));
    const turn = { rows, cols, byRow: signed(rowDim), byCol: signed(colDim) };
    for (const index of indices) {
      stop.throwIfAborted();
      const slice = await scan.readSlice(stored(dim, index));
      const shown = slice.shown();
      checkFinite({ values: turned(slice.values, new Float64Array(rows * cols), turn), rows, cols }, `${path}: slice ${index}`);
      yield picture(turned(shown, new Uint8Array(rows * cols), turn));
    }
    return;
  }
  /** Along images; the other one goes from image to image. */
  const along = from[rowDim].axis === 2 ? colDim : rowDim;
  const across = along === colDim ? rowDim : colDim;
  const place = (out: SliceDim): number => (out === rowDim ? cols : 1);
  const together = Math.max(1, Math.floor(HELD_BYTES / (8 * rows * cols)));
  for (let first = 0; first < indices.length; first += together) {
    const cuts = indices.slice(first, first + together).map((index) => ({ index, values: new Float64Array(rows * cols) }));
    for (let at = 0; at < shape[across]; at++) {
      stop.throwIfAborted();
      const { values } = await scan.readSlice(stored(across, at));
      for (const cut of cuts)
        for (let i = 0; i < shape[along]; i++)
          cut.values[at * place(across) + i * place(along)] =
            values[stored(dim, cut.index) * step(dim) + stored(along, i) * step(along)] ?? NaN;
    }
    for (const { index, values } of cuts) {
      checkFinite({ values, rows, cols }, `${path}: slice ${index}`);
      yield picture(shownGrey(values, scan.voi, scan.range, scan.photometric === 'MONOCHROME1'));
    }
  }
}
