/**
 * What is kept of a DICOM file: how its pixels are stored and what each frame means. The attributes themselves are let go of, with
 * whatever else the file says: a series of thousands of files costs little, and nothing that names a person is carried along.
 */
import { UserError } from '../../platform.ts';
import type { Attributes } from './attributes.ts';
import { paletteOf } from './colour.ts';
import type { Palette } from './colour.ts';
import type { DicomFile, StoredPixels } from './file.ts';
import { pixelFormatOf } from './format.ts';
import type { PixelFormat } from './format.ts';
import type { DicomLimits } from './limits.ts';
import { kindsOf, withKind } from './kinds.ts';
import type { KindValues } from './kinds.ts';
import { modalityTransformOf, unitsOf } from './modality.ts';
import type { ModalityTransform } from './modality.ts';
import { placementOf } from './placement.ts';
import type { Placement } from './placement.ts';
import { moved, plainFramesOf, tilesNote } from './plainFrames.ts';
import { pixelSpacingOf } from './spacing.ts';
import type { PixelSpacing } from './spacing.ts';
import { voiOf } from './voi.ts';
import type { Voi } from './voi.ts';

export interface FileFacts {
  /** In messages. */
  path: string;
  file: StoredPixels;
  format: PixelFormat;
  palette: Palette | undefined;
  modality: string | undefined;
  /** To tell studies, series and objects apart; never shown. */
  studyUid: string;
  seriesUid: string;
  objectUid: string | undefined;
  seriesNumber: string | undefined;
  /** Of the series that was asked for; true where none was. */
  isChosen: boolean;
  instanceNumber: number | undefined;
  isLocalizer: boolean;
  /** Siemens: slices lie side by side in one image. */
  isMosaic: boolean;
  /** A row's way and a column's way, as letters of the patient's directions: projections have it. */
  patientOrientation: string[];
  /** mm between slices, where frames have no positions. */
  spacingBetweenFrames: number | undefined;
  /** What a user must know of its frames and values, in the middle of sentences. */
  notes: string[];
  frames: FrameFacts[];
}

export interface FrameFacts {
  file: FileFacts;
  /** From 0. */
  index: number;
  placement: Placement | undefined;
  spacing: PixelSpacing;
  transform: ModalityTransform;
  voi: Voi | undefined;
  units: string | undefined;
  stack: string | undefined;
  /** What images at one place differ in. */
  kinds: KindValues;
}

/** @param chosen a series by its number, UID or description @returns undefined where the file has no pixels */
export function factsOf(file: DicomFile, limits: DicomLimits, chosen: string | null = null): FileFacts | undefined {
  const { attributes, path, pixels } = file;
  if (pixels === undefined) return undefined;
  const format = pixelFormatOf(attributes, pixels.kind, path, limits);
  const modality = attributes.text('Modality');
  const perFrame = attributes.items('PerFrameFunctionalGroupsSequence');
  const plain = format.frames > 1 && perFrame.length === 0 ? plainFramesOf(attributes, format.frames) : undefined;
  const facts: FileFacts = {
    path,
    file: {
      path,
      syntax: file.syntax,
      pixels,
      extendedOffsets: file.extendedOffsets,
      extendedLengths: file.extendedLengths,
      source: file.source,
    },
    format,
    palette: format.photometric === 'PALETTE COLOR' ? paletteOf(attributes, path) : undefined,
    modality,
    studyUid: attributes.text('StudyInstanceUID') ?? '',
    seriesUid: attributes.text('SeriesInstanceUID') ?? '',
    objectUid: attributes.text('SOPInstanceUID'),
    seriesNumber: attributes.text('SeriesNumber'),
    isChosen: chosen === null || isOfSeries(attributes, chosen),
    instanceNumber: attributes.has('InstanceNumber') ? Number(attributes.text('InstanceNumber')) : undefined,
    isMosaic: attributes.texts('ImageType').includes('MOSAIC'),
    isLocalizer: attributes.texts('ImageType').includes('LOCALIZER'),
    patientOrientation: attributes.texts('PatientOrientation'),
    spacingBetweenFrames: plain?.between,
    notes: [tilesNote(attributes, format.frames), doseNote(attributes)].filter((note) => note !== undefined),
    frames: [],
  };
  const shared = attributes.items('SharedFunctionalGroupsSequence');
  if (perFrame.length > 0 && perFrame.length < format.frames)
    throw new UserError(
      `${path}: it has ${format.frames} frames, but functional groups for ${perFrame.length}. Export the DICOM file again.`,
    );
  // Where all frames mean the same, it is said once.
  const alike = perFrame.length === 0 ? frameFacts(facts, 0, [...shared, attributes], attributes) : undefined;
  const { placement: first } = alike ?? {};
  if (plain?.note !== undefined && (first === undefined || plain.offsets === undefined)) facts.notes.push(plain.note);
  for (let index = 0; index < format.frames; index++) {
    const own = perFrame[index];
    const frame =
      alike === undefined
        ? frameFacts(facts, index, [...(own === undefined ? [] : [own]), ...shared, attributes], attributes)
        : { ...alike, index };
    // What a plain object says of its place, it says of its first frame.
    if (alike !== undefined && format.frames > 1) {
      const mm = plain?.offsets?.[index];
      frame.placement = first === undefined || mm === undefined ? undefined : moved(first, mm);
      for (const { name, values } of plain?.vectors ?? []) frame.kinds = withKind(frame.kinds, name, values[index]);
    }
    facts.frames.push(frame);
  }
  return facts;
}

/** By its number, its UID, or its description. */
function isOfSeries(attributes: Attributes, chosen: string): boolean {
  const wanted = chosen.trim();
  const number = attributes.text('SeriesNumber');
  if (number !== undefined && /^[+-]?\d+$/.test(wanted) && Number(number) === Number(wanted)) return true;
  if (attributes.text('SeriesInstanceUID') === wanted) return true;
  return attributes.isSeriesDescribed(wanted);
}

function frameFacts(file: FileFacts, index: number, groups: readonly Attributes[], object: Attributes): FrameFacts {
  const { path } = file;
  const transforms = [...groups.flatMap((group) => group.items('PixelValueTransformationSequence')), ...groups];
  return {
    file,
    index,
    // Of nuclear medicine, the detector says where the first frame lies.
    placement: placementOf([...groups, ...groups.flatMap((group) => group.items('DetectorInformationSequence').slice(0, 1))], path),
    spacing: pixelSpacingOf(groups, object),
    transform: modalityTransformOf(transforms, path),
    voi: voiOf([...groups.flatMap((group) => group.items('FrameVOILUTSequence')), ...groups], path),
    units: unitsOf(transforms, file.modality),
    stack: groups.map((group) => group.item('FrameContentSequence')?.text('StackID')).find((id) => id !== undefined),
    kinds: kindsOf(groups),
  };
}

/** PS3.3, C.8.8.3: stored values times DoseGridScaling are the dose; that is no rescaling of the modality's, so values are as stored. */
function doseNote(attributes: Attributes): string | undefined {
  const scaling = attributes.number('DoseGridScaling');
  if (scaling === undefined || scaling === 1) return undefined;
  const unit = attributes.text('DoseUnits') === 'GY' ? 'gray' : 'the units of the dose';
  return `values are those stored; times ${scaling} (DoseGridScaling) they are ${unit}`;
}
