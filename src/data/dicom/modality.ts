/** Stored values to values of the modality: Hounsfield units, optical densities, counts (PS3.3, C.11.1). */
import { UserError } from '../../platform.ts';
import type { Attributes } from './attributes.ts';
import type { StoredValues } from './samples.ts';

export interface LookUpTable {
  /** The value of the first entry; what is below has it too, what is above the last one has the last. */
  first: number;
  /** Of an entry. */
  bits: number;
  entries: ArrayLike<number>;
}

export type ModalityTransform =
  { kind: 'none' } | { kind: 'rescale'; slope: number; intercept: number } | { kind: 'table'; table: LookUpTable };

/** @param groups where the attributes may lie, the nearest first: of the frame, of all frames, of the object */
export function modalityTransformOf(groups: readonly Attributes[], path: string): ModalityTransform {
  for (const group of groups) {
    const item = group.item('ModalityLUTSequence');
    if (item !== undefined) return { kind: 'table', table: lookUpTable(item, group, path) };
    const slope = group.number('RescaleSlope');
    const intercept = group.number('RescaleIntercept');
    if (slope !== undefined && intercept !== undefined) return { kind: 'rescale', slope, intercept };
  }
  return { kind: 'none' };
}

/** What the values are: HU, OD, US (unspecified), or units of positron emission; undefined where nothing tells. */
export function unitsOf(groups: readonly Attributes[], modality: string | undefined): string | undefined {
  for (const group of groups) {
    const said =
      group.text('RescaleType') ??
      group.item('ModalityLUTSequence')?.text('ModalityLUTType') ??
      group.text('Units') ??
      (group.number('DoseGridScaling') === 1 ? group.text('DoseUnits') : undefined);
    if (said !== undefined) return said;
  }
  // PS3.3, C.8.2.1.1.2: RescaleType of CT is HU where it is absent and the image is no other than an original one.
  return modality === 'CT' && groups.some((group) => group.has('RescaleSlope')) ? 'HU' : undefined;
}

/** @throws UserError where the table is shorter than it says */
export function lookUpTable(item: Attributes, group: Attributes, path: string): LookUpTable {
  const [described, first, bits] = item.numbers('LUTDescriptor');
  const bytes = item.bytes('LUTData');
  if (described === undefined || first === undefined || bits === undefined || bytes === undefined)
    throw new UserError(
      `${path}: a look-up table of this DICOM file has no LUTDescriptor of three numbers, or no LUTData. Export it again.`,
    );
  const count = described & 0xffff || 65_536;
  // PS3.3, C.11.1.1: entries of 8 bits lie in 16-bit words, but for writers that pack them.
  const entries = bytes.length >= 2 * count ? item.words(bytes) : bytes;
  if (entries.length < count)
    throw new UserError(`${path}: a look-up table of this DICOM file has ${entries.length} of ${count} entries. Export it again.`);
  const isSigned = group.number('PixelRepresentation') === 1;
  return { first: isSigned && first > 32_767 ? first - 65_536 : first, bits, entries: Array.prototype.slice.call(entries, 0, count) };
}

export function looked(value: number, { first, entries }: LookUpTable): number {
  const at = value - first;
  return entries[at <= 0 || Number.isNaN(at) ? 0 : at >= entries.length ? entries.length - 1 : Math.floor(at)] ?? 0;
}

/** In double precision, as numpy does it. */
export function modalityValues(stored: StoredValues, transform: ModalityTransform): Float64Array {
  const out = new Float64Array(stored.length);
  if (transform.kind === 'none') out.set(stored);
  else if (transform.kind === 'table') for (let i = 0; i < stored.length; i++) out[i] = looked(stored[i] ?? 0, transform.table);
  else {
    const { slope, intercept } = transform;
    for (let i = 0; i < stored.length; i++) out[i] = (stored[i] ?? 0) * slope + intercept;
  }
  return out;
}
