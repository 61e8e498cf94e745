/** mm between the centres of pixels in an image, by what the modality's attributes mean (PS3.3, 10.7 and C.8). */
import type { Attributes } from './attributes.ts';

export interface PixelSpacing {
  /** mm between rows, mm between columns; undefined where the file does not tell. */
  mm: readonly [number, number] | undefined;
  /** What a user must know of it, in the middle of a sentence. */
  note?: string;
}

/** Projections: what lies nearer to the source is magnified on the detector. */
const PROJECTIONS: ReadonlySet<string> = new Set(['CR', 'DX', 'MG', 'RF', 'XA', 'IO', 'PX', 'RG', 'XC']);

type Pair = [number, number];

const isPair = (pair: readonly number[] | undefined): pair is Pair =>
  pair?.length === 2 && pair.every((mm) => Number.isFinite(mm) && mm > 0);
const same = (a: readonly number[], b: readonly number[]): boolean => a.every((mm, i) => Math.abs(mm - (b[i] ?? 0)) <= 1e-6 * mm);

/** @param groups where the attributes may lie: the frame's groups, those of all frames, the object */
export function pixelSpacingOf(groups: readonly Attributes[], object: Attributes): PixelSpacing {
  const modality = object.text('Modality') ?? '';
  const regions = object.items('SequenceOfUltrasoundRegions');
  if (regions.length > 0) return ultrasoundSpacing(regions, pair(groups, 'PixelSpacing'));
  const measures = groups.map((group) => group.item('PixelMeasuresSequence')).filter((item) => item !== undefined);
  const spacing = pair([...measures, ...groups], 'PixelSpacing');
  const calibrated = pair(
    groups.flatMap((group) => group.items('ProjectionPixelCalibrationSequence')),
    'ObjectPixelSpacingInCenterOfBeam',
  );
  if (calibrated !== undefined) return { mm: calibrated };
  const properties = groups.flatMap((group) => group.items('FramePixelDataPropertiesSequence'));
  const imager = pair([...properties, ...groups], 'ImagerPixelSpacing');
  if (!PROJECTIONS.has(modality) && imager === undefined) return otherSpacing(spacing, object);
  return projectionSpacing(spacing, imager, object);
}

/**
 * PS3.3, 10.7.1.3: PixelSpacing of a projection is calibrated where a type of calibration is given, or where it differs from
 * ImagerPixelSpacing. C.8.7.1.1 and C.8.11.7: ImagerPixelSpacing is at the detector; divided by the estimated magnification it is in the
 * patient.
 */
function projectionSpacing(spacing: Pair | undefined, imager: Pair | undefined, object: Attributes): PixelSpacing {
  if (spacing !== undefined && (object.has('PixelSpacingCalibrationType') || imager === undefined || !same(spacing, imager)))
    return { mm: spacing };
  if (imager === undefined) return otherSpacing(undefined, object);
  const magnification = object.number('EstimatedRadiographicMagnificationFactor');
  if (magnification !== undefined && magnification > 0 && Number.isFinite(magnification))
    return {
      mm: [imager[0] / magnification, imager[1] / magnification],
      note: `pixel sizes are those of the detector divided by the estimated magnification, ${magnification}`,
    };
  return { mm: imager, note: 'pixel sizes are those of the detector, not calibrated; what is measured in the patient is smaller' };
}

function otherSpacing(spacing: [number, number] | undefined, object: Attributes): PixelSpacing {
  if (spacing !== undefined) return { mm: spacing };
  const plane = pair([object], 'ImagePlanePixelSpacing');
  if (plane !== undefined) return { mm: plane, note: 'pixel sizes are those of the plane of the radiotherapy image' };
  const scanned = pair([object], 'NominalScannedPixelSpacing');
  if (scanned !== undefined) return { mm: scanned, note: 'pixel sizes are those of the scanned film' };
  return { mm: undefined };
}

const TWO_DIMENSIONS = 1;
const CENTIMETRES = 3;

/** PS3.3, C.8.5.5: a region in two dimensions has centimetres for a pixel to the right and one down. */
function ultrasoundSpacing(regions: readonly Attributes[], spacing: [number, number] | undefined): PixelSpacing {
  const found = regions.flatMap((region) => {
    if (region.number('RegionSpatialFormat') !== TWO_DIMENSIONS) return [];
    if (region.number('PhysicalUnitsXDirection') !== CENTIMETRES || region.number('PhysicalUnitsYDirection') !== CENTIMETRES) return [];
    const mm = [region.number('PhysicalDeltaY'), region.number('PhysicalDeltaX')].map((cm) => Math.abs(cm ?? 0) * 10);
    return isPair(mm) ? [mm] : [];
  });
  const [first] = found;
  if (first === undefined) return { mm: spacing };
  if (found.every((other) => same(first, other))) return { mm: first };
  return { mm: undefined, note: `its ${found.length} ultrasound regions have pixels of different sizes; crop it to one of them` };
}

type SpacingName =
  'PixelSpacing' | 'ImagerPixelSpacing' | 'NominalScannedPixelSpacing' | 'ObjectPixelSpacingInCenterOfBeam' | 'ImagePlanePixelSpacing';

function pair(groups: readonly Attributes[], name: SpacingName): [number, number] | undefined {
  for (const group of groups) {
    const values = group.numbers(name);
    if (isPair(values)) return values;
  }
  return undefined;
}
