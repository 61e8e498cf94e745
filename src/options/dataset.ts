/** The options of `vernier dataset`. */
import { PLANES } from '../data/planes.ts';
import { UserError } from '../platform.ts';
import type { Definitions, OptionsOf, Program } from './program.ts';

const definitions = {
  action: { group: 'Data', type: 'enum', choices: ['make'], default: null, help: 'What to do; the word without a flag.' },
  images: {
    group: 'Data', type: 'string', default: null, place: 'path',
    help: 'Folder of the scans: NIfTI, NRRD, MHA, TIFF stacks, DICOM (a folder a series), or pictures (PNG, JPEG, WebP, TIFF). ' +
      'Folders in it are looked through.',
  },
  series: {
    group: 'Data', type: 'string', default: null,
    help: 'Of folders of DICOM with several series: the one to take in each, by its number, SeriesInstanceUID or SeriesDescription.',
  },
  volume: {
    group: 'Data', type: 'integer', default: null, min: 1,
    help: 'Of DICOM with several volumes (echoes, times, orientations): which to take of each scan, from 1; an error lists them.',
  },
  masks: {
    group: 'Data', type: 'string', default: null, place: 'path',
    help: 'Folder of label masks (NIfTI, NRRD, MHA, TIFF stacks, grey pictures), a file a scan: boxes, and the axes of the labels that ' +
      'target_labels names.',
  },
  landmarks: {
    group: 'Data', type: 'string', default: null, place: 'path',
    help: "Landmarks for distances and angles: a JSON file for all cases, or a folder of 3D Slicer's markups (.mrk.json, .fcsv).",
  },
  boxes: {
    group: 'Data', type: 'string', default: null, place: 'path',
    help: 'Boxes on pictures: a COCO file, or a folder of LabelMe files.',
  },
  labels: {
    group: 'Data', type: 'string', default: null, place: 'path',
    help: "JSON file that says what the labels and landmarks are; nnU-Net's dataset.json is one.",
  },
  image_ending: {
    group: 'Data', type: 'string', default: null,
    help: 'How the names of images end behind the case, as _0000.nii.gz. Unset: the usual endings are known.',
  },
  mask_ending: {
    group: 'Data', type: 'string', default: null,
    help: 'How the names of masks end behind the case, as _seg.nii.gz. Unset: the usual endings are known.',
  },
  test_fraction: {
    group: 'Data', type: 'number', default: 0.2, min: 0, below: 1,
    help: 'Share of the patients held out for testing, whole ones, where the labels file names no test_cases.',
  },
  seed: { group: 'Data', type: 'integer', default: 1024, min: 0, help: 'Which patients are held out.' },
  planes: {
    group: 'Task lists', type: 'list', choices: PLANES, default: ['axial'],
    help: 'Planes of the task lists of boxes and lesions. The plans have all three; distances and angles are listed where measured.',
  },
  out: { group: 'Output', type: 'string', default: null, place: 'path', help: 'Data folder to make: the --data_dir of training.' },
  overwrite: { group: 'Output', type: 'boolean', default: false, help: 'Replace a data set of this name that was made here before.' },
} as const satisfies Definitions; // prettier-ignore
export type DatasetOptions = OptionsOf<typeof definitions>;

export const datasetProgram: Program<DatasetOptions> = {
  intro: [
    "Makes a data folder in MedVision's format of your own scans, with masks, landmarks or boxes.",
    '',
    'Usage: vernier dataset make --images scans --masks masks --labels labels.json --out data',
    '       vernier dataset make --images scans --landmarks markups --labels labels.json --out data',
  ],
  definitions,
  words: 'action',
  check({ action, images, masks, landmarks, boxes, labels, out }) {
    if (action === null) throw new UserError('Say what to do: vernier dataset make --images DIR --masks DIR --labels FILE --out DIR.');
    for (const [name, value] of Object.entries({ images, labels, out }))
      if (value === null) throw new UserError(`--${name} is missing. --help shows an example.`);
    if (masks === null && landmarks === null && boxes === null)
      throw new UserError('Give --masks, --landmarks or --boxes: what is measured on the images.');
    return [];
  },
};
