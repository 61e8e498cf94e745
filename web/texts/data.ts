/** Texts of the step "Data": scans, the viewer, drawings, labels. */
import { countOf } from '../../src/platform.ts';

export const dataTexts = {
  data: {
    drop: 'Drop scans here',
    dropHelp:
      'DICOM (files, or a folder as a scanner or a disc has it), NIfTI volumes (.nii, .nii.gz), pictures (PNG, JPEG, WebP), rows (JSON ' +
      'lines or Parquet, with their pictures), or labels that were exported here; or a folder: a MedVision data folder, or one that ' +
      'vernier train has prepared. They stay in this browser; of DICOM only pixels are kept, and nothing that names a person.',
    pick: 'Choose files',
    pickFolder: 'Choose a folder',
    reading: (name: string, done: number, all: number) => `Reading ${name} (${done + 1} of ${all}) …`,
    noVoxelSize: (name: string) => `${name} does not say how large its voxels are. Say it below before lengths or sizes are drawn.`,
    otherUnit: (name: string, unit: string, sizes: readonly number[]) =>
      `${name} states voxel sizes in ${unit}; they are taken for mm: ${sizes.join(' × ')}. Correct them below if that is wrong.`,
    unread: (name: string) =>
      `${name}: it is none of the files that are read here: NIfTI (.nii, .nii.gz), DICOM, PNG, JPEG, WebP, rows (JSON lines, ` +
      'Parquet), labels.',
    dicom: {
      noImage: (name: string) => `${name}: this DICOM file has no image.`,
      noPixels: (count: number) => `${countOf(count, 'DICOM file')} without an image left out.`,
      others: (count: number) =>
        `${countOf(count, 'file')} beside the DICOM files ${count === 1 ? 'is' : 'are'} nothing that is read here.`,
      note: ([first = '', ...others]: readonly string[], note: string) =>
        `${first}${others.length > 0 ? ` and ${countOf(others.length, 'other')}` : ''}: ${note}.`,
      gaps: (name: string, gaps: string) =>
        `${name}: no volume is made of it, since there are ${gaps}. Fetch the slices that are missing, or drop single files of it: each ` +
        'becomes a scan of one slice.',
      volumes: (name: string, count: number, most: number) =>
        `${name}: it is ${count} volumes, as of times or diffusion; more than ${most} of a series are not taken. Write those that are ` +
        'meant as files, vernier volume FOLDER --volume 1 --out 1.nii.gz, and drop these.',
      oneSlice: 'it is one slice; across it nothing can be measured, and 1 mm stands for its thickness',
    },
    several: (lines: readonly string[]) =>
      [...lines.slice(0, 4), ...(lines.length > 4 ? [`… and ${lines.length - 4} more.`] : [])].join('\n'),
    takingOthers: 'Other files are still being read.',
    taken: (count: number) => `${countOf(count, 'scan')} taken.`,
    nothing: 'Nothing in there is read here.',
    problems: (lines: readonly string[]) => `Not taken:\n${lines.join('\n')}`,
    scans: 'Scans',
    noScans: 'There are none yet.',
    volume: 'volume',
    picture: 'picture',
    drawings: (count: number) => countOf(count, 'drawing'),
    side: 'What it is for',
    sides: { train: 'learning from', test: 'testing only (held out)' },
    sideOf: (name: string) => `${name}: what it is for`,
    suggest: 'Choose held-out scans for me',
    suggestHelp: 'Whole scans are held out, all of a patient together: slices of one head are too much alike to judge by.',
    removeScan: 'Remove this scan',
    removeSure: (name: string, drawings: number) =>
      `Remove “${name}”${drawings > 0 ? ` and the ${countOf(drawings, 'drawing')} on it` : ''} from this project?`,
    cancel: 'Cancel',
    about: 'About this scan',
    modality: 'Kind of scan',
    modalityHelp: 'CT, MRI, X-ray, ultrasound, …: errors are told apart by it.',
    description: 'What the picture is, in words',
    descriptionHelp: 'It stands in the questions: “a CT scan of the knee”.',
    spacing: {
      volume: [
        'Voxel size 1 (mm), from one sagittal slice to the next',
        'Voxel size 2 (mm), from one coronal slice to the next',
        'Voxel size 3 (mm), from one axial slice to the next',
      ],
      picture: ['Pixel width (mm)', 'Pixel height (mm)'],
      help: 'From the file. Correct it where it is wrong.',
      unsaid: 'The file does not say them. Distances, angles and ellipses need them; boxes do not.',
      asked: 'A picture does not say how large a pixel is. Distances, angles and ellipses need it; boxes do not.',
      wrong: 'A number above 0 is expected.',
      onSlice: (plane: string, height: number, width: number) => `A pixel of a slice, ${plane}: ${width} mm across, ${height} down.`,
    },
    enough: {
      title: 'How many drawings are enough?',
      help:
        'No number is right for all. Half a dozen of a thing show that all works. For answers that hold on new scans, begin with ' +
        '30 to 50 of each thing, drawn on the scans of ten patients or more, and hold some scans out. The step Judge then says how ' +
        'far off the answers are on those; draw more for as long as that gets better. Large models were taught each thing by thousands.',
      count: (name: string, kind: string, train: { drawings: number; scans: number }, test: { drawings: number; scans: number }) =>
        `${name} (${kind}): ${countOf(train.drawings, 'drawing')} to learn from, on ${countOf(train.scans, 'scan')}; ` +
        (test.drawings === 0
          ? 'none held out, so that nothing can be said of how good it is.'
          : `${countOf(test.drawings, 'drawing')} held out, on ${countOf(test.scans, 'scan')}.`),
    },
    grey: {
      label: 'Grey levels for the model',
      help:
        'What the model sees of the values. By the kind of scan: of CT a window by the structure (soft tissue, lung, bone or brain), of ' +
        'the rest as from the 0.5th to the 99.5th percentile of the slice. “As the model sees it” shows it.',
      modes: {
        window: 'by the kind of scan',
        percentile: '0.5th to 99.5th percentile of the slice',
        minmax: 'least to greatest value of the slice',
      },
      window: (name: string) => `window: ${name}`,
      windows: {
        'soft tissue': 'soft tissue',
        lung: 'lung',
        bone: 'bone',
        brain: 'brain',
        liver: 'liver',
        mediastinum: 'mediastinum',
      },
      own: 'a window of my own',
      level: 'Centre of the window',
      width: 'Width of the window',
      wrongLevel: 'A number is expected.',
      wrongWidth: 'A number above 0 is expected.',
    },
    planes: { label: 'Plane', sagittal: 'Sagittal', coronal: 'Coronal', axial: 'Axial' },
    slice: (index: number, count: number) => `${index} (0 to ${count - 1})`,
    sliceLabel: 'Slice',
    width: 'Window width',
    level: 'Window level',
    auto: 'As the model sees it',
    zoomIn: 'Zoom in',
    zoomOut: 'Zoom out',
    fit: 'Fit',
    tool: 'Tool',
    tools: {
      look: 'Move',
      window: 'Window',
      box: 'Box',
      distance: 'Distance',
      angle: 'Angle',
      ellipse: 'Ellipse',
    },
    needsSpacing: 'Say how large a pixel is first (below).',
    label: { box: 'Structure', distance: 'What is measured', angle: 'What is measured', ellipse: 'Structure' },
    labelHelp:
      'The model is asked for it by this name, in training and later: “left femur”. The same thing has the same name on every scan.',
    landmark: (i: number, isAngle: boolean) => (isAngle ? `Line ${i < 2 ? 1 : 2}, point ${(i % 2) + 1}` : `Point ${i + 1}`),
    landmarkDefault: (label: string, i: number, isAngle: boolean) =>
      isAngle ? `end ${(i % 2) + 1} of line ${i < 2 ? 1 : 2} of ${label}` : `end ${i + 1} of ${label}`,
    secondLine: {
      angle: 'Now draw the second line of the angle.',
      ellipse: 'Now draw the other axis of the ellipse: press beside the line, and draw out as far as it reaches.',
    },
    unnamed: (kind: string) => `The drawing (${kind}) was not kept: it had no name. Write the name first, then draw.`,
    unfinished: (kind: string) => `The drawing (${kind}) was not kept: it was not finished.`,
    finish: 'Finish',
    cancelDrawing: 'Cancel the drawing',
    deleteDrawing: 'Delete',
    canvas: (scan: string, plane: string, slice: number) => `${scan}${plane === '' ? '' : `, ${plane} slice ${slice}`}`,
    keys:
      'Keys: Enter begins a drawing with the chosen tool, arrow keys move its active point (with Shift by 10 pixels, with Alt by a ' +
      'tenth), Tab goes to the next point, Enter finishes, Escape cancels, Delete deletes. Without a drawing: arrow keys go through ' +
      'slices, + and − zoom, 0 fits. With a mouse: the wheel goes through slices, with Ctrl it zooms; the right button changes the ' +
      'window. Ctrl+Z undoes what was done to drawings, Ctrl+Shift+Z does it again.',
    pointAt: (i: number, all: number, row: number, column: number, value: string) =>
      `Point ${i + 1} of ${all}: row ${row}, column ${column}${value === '' ? '' : `. ${value}`}`,
    drawn: (label: string, value: string) => `${label} drawn${value === '' ? '' : `: ${value}`}.`,
    deleted: (label: string) => `${label} deleted.`,
    undo: 'Undo',
    redo: 'Redo',
    undone: (names: readonly string[]) => `Undone: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}.`,
    redone: (names: readonly string[]) => `Done again: ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}.`,
    list: 'Drawings on this scan',
    none: 'Nothing is drawn on it yet.',
    columns: { name: 'Name', kind: 'Kind', where: 'Where', value: 'Value', actions: 'Actions' },
    nameOf: (label: string) => `Name of ${label}`,
    goTo: (label: string, where: string) => `Go to ${label}, ${where}`,
    deleteOne: (label: string) => `Delete ${label}`,
    where: (plane: string | null, slice: number) => (plane === null ? 'the picture' : `${plane} ${slice}`),
    labels: 'Labels',
    exportLabels: 'Export labels',
    importLabels: 'Import labels',
    imported: (count: number) => `${countOf(count, 'drawing')} read.`,
    missing: (names: readonly string[]) => `Drawings on scans that are not here were left out: ${names.join(', ')}.`,
    outside: (count: number) => `Drawings of the file that do not fit the scan here were left out: ${count}.`,
    noSlice: (drawing: string, slice: number, count: number) =>
      `${drawing}: slice ${slice}, but the scan has slices 0 to ${count - 1} there.`,
    mask: 'Import a mask',
    maskFile: 'Mask of this scan (NIfTI)',
    maskHelp: 'Whole numbers in the voxels of the scan. Boxes and ellipse axes are made as MedVision’s planner makes them.',
    maskName: (label: number, voxels: number) => `Name of label ${label} (${countOf(voxels, 'voxel')})`,
    maskNameHelp: 'Labels without a name are left out.',
    maskShape: 'Becomes',
    maskShapes: { box: 'boxes', ellipse: 'ellipse axes' },
    maskSlices: 'Slices of a plane, at most',
    maskLeast: 'Smallest cluster (pixels)',
    maskMake: 'Make drawings',
    maskMade: (count: number, clusters: number, small: number, fit: number) =>
      [
        `${countOf(count, 'drawing')} made.`,
        ...(clusters > 0 ? [`${clusters} left out for more than one cluster on the slice.`] : []),
        ...(small > 0 ? [`${small} left out as too small.`] : []),
        ...(fit > 0 ? [`${fit} left out where no ellipse fits.`] : []),
      ].join(' '),
    volumeView: 'The whole volume',
    volumeOpen: 'Look at the whole volume in three planes',
    volumeClose: 'Close the three planes',
    volumeLoading: 'Loading the volume …',
    volumeHelp:
      'In the directions of the body, which need not be those that the slices are stored in. Drawings belong to the slices above.',
    volumeOf: (scan: string) => `${scan} in three planes`,
    inspect: 'What is learnt',
    inspectHelp: 'The rows as the model sees them: pictures, questions, answers, tokens, and what of them is learnt.',
    inspectNow: 'Look at the rows',
    inspecting: 'Reading the rows …',
    inspectClose: 'Close',
    givenNeedsTrain: 'Rows to hold out alone train nothing. Give the rows to train on with them.',
    given: 'Rows given as files',
    givenFiles: (train: string, val: string | null) => `To train on: ${train}. Held out: ${val ?? 'none'}.`,
    givenHelp: 'While they are here, they are trained on and not what is drawn.',
    givenRemove: 'Take them out',
  },
};
