/** The options of `vernier volume`. */
import { PLANES } from '../data/planes.ts';
import { UserError } from '../platform.ts';
import type { Definitions, OptionsOf, Program } from './program.ts';

const definitions = {
  input: {
    group: 'Data',
    type: 'list',
    default: [],
    files: true,
    help: 'A DICOM file, a folder with one DICOM series, a volume (NIfTI, NRRD, MHA) or a picture; the word without a flag.',
  },
  series: {
    group: 'Data',
    type: 'string',
    default: null,
    help: 'Of a folder of DICOM with several series: the one to read, by its number, SeriesInstanceUID or SeriesDescription.',
  },
  json: { group: 'Output', type: 'boolean', default: false, bare: true, help: 'Print what it is as one line of JSON.' },
  out: {
    group: 'Output',
    type: 'string',
    default: null,
    place: 'path',
    help: 'Write it as a volume with axes to the right, forwards and up (.nii, .nii.gz), or a slice of it as a picture (.png).',
  },
  slice: {
    group: 'Output',
    type: 'integer',
    default: null,
    min: 0,
    help: 'Of a picture: which slice, from 0. Unset: the middle one.',
  },
  plane: {
    group: 'Output',
    type: 'enum',
    default: null,
    choices: PLANES,
    help: 'Of a picture: the plane, cut from the volume as tasks have it. Unset: the images as they were made.',
  },
  overwrite: { group: 'Output', type: 'boolean', default: false, help: 'Replace a file of that name.' },
} as const satisfies Definitions;
export type VolumeOptions = OptionsOf<typeof definitions>;

export const volumeProgram: Program<VolumeOptions> = {
  intro: [
    'Says what a scan is: size, mm, values, orientation. Reads DICOM (files, folders of a series), NIfTI, NRRD, MHA and pictures.',
    'Nothing that names a person is read of DICOM.',
    '',
    'Usage: vernier volume scan.dcm',
    '       vernier volume series/ --json',
    '       vernier volume study/ --series 4 --out scan.nii.gz',
    '       vernier volume series/ --out slice.png --slice 20 --plane axial',
  ],
  definitions,
  words: 'input',
  check({ input, out, slice, plane }) {
    if (input.length === 0)
      throw new UserError('Name a DICOM file, a folder with one series, a volume or a picture: vernier volume series/.');
    if (input.length > 1) throw new UserError(`Name one file or folder, not ${input.length}.`);
    if (out !== null && !/\.(?:nii|nii\.gz|png)$/i.test(out))
      throw new UserError(`--out ${out}: its name has to end in .nii, .nii.gz or .png.`);
    const isPicture = out !== null && /\.png$/i.test(out);
    if (!isPicture && (slice !== null || plane !== null))
      throw new UserError('--slice and --plane are for a picture: give --out x.png too.');
    return [];
  },
};
