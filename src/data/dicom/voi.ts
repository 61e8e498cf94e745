/** Values of the modality to what a screen shows of them (PS3.3, C.11.2): windows, tables. */
import { UserError } from '../../platform.ts';
import type { Attributes } from './attributes.ts';
import type { PixelFormat } from './format.ts';
import { lookUpTable, looked } from './modality.ts';
import type { LookUpTable, ModalityTransform } from './modality.ts';

export interface Window {
  kind: 'window';
  center: number;
  width: number;
  function: 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';
}

export type Voi = Window | { kind: 'table'; table: LookUpTable };

/**
 * The first view of an object; a table goes before a window, as in pydicom.
 * @returns undefined where there is none
 */
export function voiOf(groups: readonly Attributes[], path: string): Voi | undefined {
  for (const group of groups) {
    const item = group.item('VOILUTSequence');
    if (item?.has('LUTDescriptor') === true && item.has('LUTData')) return { kind: 'table', table: lookUpTable(item, group, path) };
    const center = group.number('WindowCenter');
    const width = group.number('WindowWidth');
    if (center === undefined || width === undefined) continue;
    const said = group.text('VOILUTFunction')?.toUpperCase() ?? 'LINEAR';
    if (said !== 'LINEAR' && said !== 'LINEAR_EXACT' && said !== 'SIGMOID')
      throw new UserError(
        `${path}: VOILUTFunction ${JSON.stringify(said.slice(0, 20))} is not known; LINEAR, LINEAR_EXACT and SIGMOID are.`,
      );
    // C.11.2.1.2.1: a width below 1 (LINEAR) or 0 means nothing; files have it where there is no window.
    if (said === 'LINEAR' ? width < 1 : width <= 0) continue;
    return { kind: 'window', center, width, function: said };
  }
  return undefined;
}

/** Least and greatest value that pixels of this format can have after the modality's transform. */
export function valueRange({ isSigned, bitsStored }: PixelFormat, transform: ModalityTransform): [number, number] {
  if (transform.kind === 'table') return [0, 2 ** transform.table.bits - 1];
  const low = isSigned ? -(2 ** (bitsStored - 1)) : 0;
  const high = isSigned ? 2 ** (bitsStored - 1) - 1 : 2 ** bitsStored - 1;
  return transform.kind === 'none'
    ? [low, high]
    : [low * transform.slope + transform.intercept, high * transform.slope + transform.intercept];
}

/**
 * Values within `range` as the standard's formulas have them, in double precision, equal to pydicom's `apply_voi_lut`; of a table its
 * entries.
 * @param range of C.11.2.1.2: the output of windows
 */
export function voiValues(values: Float64Array, voi: Voi, range: readonly [number, number]): Float64Array {
  const out = new Float64Array(values.length);
  if (voi.kind === 'table') {
    for (let i = 0; i < values.length; i++) out[i] = looked(values[i] ?? 0, voi.table);
    return out;
  }
  const [low, high] = range;
  const span = high - low;
  if (voi.function === 'SIGMOID') {
    for (let i = 0; i < values.length; i++) out[i] = span / (1 + Math.exp((-4 * ((values[i] ?? 0) - voi.center)) / voi.width)) + low;
    return out;
  }
  const [center, width] = voi.function === 'LINEAR' ? [voi.center - 0.5, voi.width - 1] : [voi.center, voi.width];
  const [from, to] = [center - width / 2, center + width / 2];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    out[i] = value <= from ? low : value > to ? high : ((value - center) / width + 0.5) * span + low;
  }
  return out;
}

/**
 * What a screen shows, 0 black to 255 white, rounded to the nearest level, halves up.
 * @param voi undefined: the values from the least to the greatest
 * @param isInverted of MONOCHROME1, where the least value is white
 */
export function shownGrey(
  values: Float64Array,
  voi: Voi | undefined,
  range: readonly [number, number],
  isInverted: boolean,
): Uint8Array<ArrayBuffer> {
  let shown = values;
  let [low, high] = range;
  if (voi === undefined) {
    [low, high] = [Infinity, -Infinity];
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  } else {
    shown = voiValues(values, voi, range);
    if (voi.kind === 'table') [low, high] = [0, 2 ** voi.table.bits - 1];
  }
  const scale = high > low ? 255 / (high - low) : 0;
  const out = new Uint8Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const level = Math.min(255, Math.max(0, Math.floor(((shown[i] ?? 0) - low) * scale + 0.5)));
    out[i] = isInverted ? 255 - level : level;
  }
  return out;
}
