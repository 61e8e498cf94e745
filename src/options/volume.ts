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
    help: 'A DICOM file, a folder with one DICOM series, a volume (NIfTI, NRRD, MHA, a TIFF stack) or a picture; the word without a ' +
      'flag.',
  },
  series: {
    group: 'Data',
    type: 'string',
    default: null,
    help: 'Of a folder of DICOM with several series: the one to read, by its number, SeriesInstanceUID or SeriesDescription.',
  },
  volume: {
    group: 'Data',
    type: 'integer',
    default: null,
    min: 1,
    help:
      'Of DICOM with several volumes (echoes, times, segments, diffusion, orientations, stacks): which, from 1. Without it an error ' +
      'lists them, with what they differ in.',
  },
  json: { group: 'Output', type: 'boolean', default: false, bare: true, help: 'Print what it is as one line of JSON.' },
  out: {
    group: 'Output',
    type: 'string',
    default: null,
    place: 'path',
    help:
      'Write it as a volume with axes to the right, forwards and up (.nii, .nii.gz), a slice of it as a picture (.png), or some of its ' +
      'slices as a row of training, behind the rows that are there (.jsonl).',
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
    help:
      'Of a picture: the plane, cut from the volume as tasks have it. Unset: the images as they were made. Of a row: which slices; ' +
      'unset: axial.',
  },
  slices: {
    group: 'Output',
    type: 'integer',
    default: null,
    min: 2,
    help:
      'Of a row: how many slices, evenly spaced from the first to the last (axial: from the feet up), each a picture with its number ' +
      'behind it, as MedGemma 1.5 sees volumes; 40 of them are 10 000 tokens of it.',
  },
  question: { group: 'Output', type: 'string', default: null, help: 'Of a row: what is asked behind the slices.' },
  answer: { group: 'Output', type: 'string', default: null, help: 'Of a row: what is to be learnt.' },
  ct_rgb: {
    group: 'Output',
    type: 'boolean',
    default: false,
    bare: true,
    help:
      'Of a row: three windows of a CT as red, green and blue (−1024 to 1024, −135 to 215 and 0 to 80 HU), as MedGemma 1.5 sees CT. ' +
      'Unset: the window that the scan brings along, or from the least to the greatest value of each slice.',
  },
  overwrite: { group: 'Output', type: 'boolean', default: false, help: 'Replace a file of that name.' },
} as const satisfies Definitions;
export type VolumeOptions = OptionsOf<typeof definitions>;

export const volumeProgram: Program<VolumeOptions> = {
  intro: [
    'Says what a scan is: size, mm, values, orientation. Reads DICOM (files, folders of a series), NIfTI, NRRD, MHA,',
    'TIFF stacks and pictures.',
    'Nothing that names a person is read of DICOM.',
    '',
    'Usage: vernier volume scan.dcm',
    '       vernier volume series/ --json',
    '       vernier volume study/ --series 4 --volume 2 --out scan.nii.gz',
    '       vernier volume series/ --out slice.png --slice 20 --plane axial',
    '       vernier volume ct.nii.gz --out rows.jsonl --slices 40 --ct_rgb --question "Is there a nodule?" --answer "Yes."',
  ],
  definitions,
  words: 'input',
  check({ input, out, slice, plane, slices, question, answer, ct_rgb }) {
    if (input.length === 0)
      throw new UserError('Name a DICOM file, a folder with one series, a volume or a picture: vernier volume series/.');
    if (input.length > 1) throw new UserError(`Name one file or folder, not ${input.length}.`);
    if (out !== null && !/\.(?:nii|nii\.gz|png|jsonl)$/i.test(out))
      throw new UserError(`--out ${out}: its name has to end in .nii, .nii.gz, .png or .jsonl.`);
    const isPicture = out !== null && /\.png$/i.test(out);
    const isRow = out !== null && /\.jsonl$/i.test(out);
    if (!isPicture && (slice !== null || (plane !== null && !isRow)))
      throw new UserError('--slice and --plane are for a picture: give --out x.png too.');
    const ofRow = { slices, question, answer };
    for (const [name, value] of Object.entries(ofRow)) {
      if (isRow && (value === null || value === ''))
        throw new UserError(`--out ${out} is a row of training: say --slices, --question and --answer; --${name} is missing.`);
      if (!isRow && value !== null) throw new UserError(`--${name} is for a row of training: give --out x.jsonl too.`);
    }
    if (!isRow && ct_rgb) throw new UserError('--ct_rgb is for a row of training: give --out x.jsonl too.');
    return [];
  },
};
