/** What images at one place of a patient are told apart by: segments, echoes, times, diffusion, parts of complex numbers, acquisitions. */
import { UserError } from '../../platform.ts';
import type { Attributes } from './attributes.ts';
import type { TagName } from './tags.ts';

export interface Kind {
  name: TagName;
  /** Of frames of enhanced objects: the sequence, and what it is called there. */
  ofFrame?: [sequence: TagName, name: TagName];
  /** What its numbers count; '' for numbers alone, undefined for codes. */
  unit: string | undefined;
  /** Slices of one volume may have values of their own. */
  variesBySlice?: boolean;
}

/** Those that say most of an image first. */
export const KINDS: readonly Kind[] = [
  { name: 'ReferencedSegmentNumber', ofFrame: ['SegmentIdentificationSequence', 'ReferencedSegmentNumber'], unit: '' },
  { name: 'EchoTime', ofFrame: ['MREchoSequence', 'EffectiveEchoTime'], unit: ' ms' },
  { name: 'EchoNumbers', unit: '' },
  { name: 'TemporalPositionIdentifier', ofFrame: ['FrameContentSequence', 'TemporalPositionIndex'], unit: '' },
  { name: 'TriggerTime', ofFrame: ['CardiacSynchronizationSequence', 'NominalCardiacTriggerDelayTime'], unit: ' ms', variesBySlice: true },
  { name: 'FrameReferenceTime', unit: ' ms', variesBySlice: true },
  { name: 'DiffusionBValue', ofFrame: ['MRDiffusionSequence', 'DiffusionBValue'], unit: ' s/mm²' },
  { name: 'InversionTime', unit: ' ms' },
  { name: 'FlipAngle', unit: '°' },
  { name: 'EnergyWindowVector', unit: '' },
  { name: 'RRIntervalVector', unit: '' },
  { name: 'TimeSlotVector', unit: '' },
  { name: 'PhaseVector', unit: '' },
  { name: 'TimeSliceVector', unit: '' },
  { name: 'ImageType', ofFrame: ['MRImageFrameTypeSequence', 'FrameType'], unit: undefined },
  { name: 'AcquisitionNumber', ofFrame: ['FrameContentSequence', 'FrameAcquisitionNumber'], unit: '', variesBySlice: true },
];

/** By place in `KINDS`; undefined where the file does not tell. Codes are for comparing alone: people may write what they like there. */
export type KindValues = readonly (number | string | undefined)[];

/** @param groups of the frame, of all frames, of the object */
export function kindsOf(groups: readonly Attributes[]): KindValues {
  return KINDS.map(({ name, ofFrame, unit }) => {
    for (const group of groups) {
      const value = (ofFrame === undefined ? undefined : valueOf(group.item(ofFrame[0]), ofFrame[1], unit)) ?? valueOf(group, name, unit);
      if (value !== undefined) return value;
    }
    return undefined;
  });
}

/** Of a frame whose object numbers all of its frames in one attribute. */
export const withKind = (kinds: KindValues, name: TagName, value: number | undefined): KindValues =>
  kinds.map((other, at) => (KINDS[at]?.name === name ? value : other));

function valueOf(group: Attributes | undefined, name: TagName, unit: string | undefined): number | string | undefined {
  if (group?.has(name) !== true) return undefined;
  if (unit === undefined) return group.texts(name).join('\\');
  try {
    return group.number(name);
  } catch (error) {
    // What is no number tells nothing; the image is none the worse for it.
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Codes of ImageType that are defined, by the standard (PS3.3, C.7.6.1.1.2, C.8.3.1, C.8.13.3.1) or by makers of scanners. */
const CODES = new Set(
  (
    'ORIGINAL DERIVED PRIMARY SECONDARY M P R I M_FFE P_FFE R_FFE I_FFE M_IR R_IR M_SE MAGNITUDE PHASE REAL IMAGINARY MIXED ADC TRACEW ' +
    'FA DIFFUSION W F IP OP WATER FAT IN_PHASE OUT_PHASE IN_OPP_PHASE OPP_PHASE AXIAL LOCALIZER MPR PROJECTION_IMAGE NONE VOLUME ' +
    'DYNAMIC ENERGY VMI CT_SOM5 SPI T1 T2 T2_STAR SUB MIP MINIP'
  ).split(' '),
);

/** A value as a user may see it: a number, or the codes that are defined ones. @returns '' where nothing may be shown */
export function kindText({ name, unit }: Kind, value: number | string | undefined): string {
  if (value === undefined) return `no ${name}`;
  if (typeof value === 'number') return `${name} ${Number(value.toPrecision(7))}${unit ?? ''}`;
  const known = value.split('\\').filter((code) => CODES.has(code));
  return known.length === 0 ? '' : `${name} ${known.join('/')}`;
}
