/** How files are told to be of one case, and landmarks to be one. */
import { countOf, lastName, UserError } from '../../platform.ts';

/** Names that a question could not tell apart. */
export const sameName = (a: string, b: string): boolean => a.trim().toLowerCase() === b.trim().toLowerCase();

const EXTENSIONS = /\.(?:nii\.gz|nii|nrrd|nhdr|mha|mhd|dcm|dicom|png|jpe?g|webp|gif|tiff?)$/i;
/** Of volumes and pictures; DICOM is told by its content. */
export const isScanFile = (name: string): boolean => EXTENSIONS.test(name) && !/\.(?:dcm|dicom)$/i.test(name) && !name.startsWith('.');
export const isVolumeFile = (name: string): boolean => /\.(?:nii(?:\.gz)?|nrrd|nhdr|mha|mhd)$/i.test(name);

/** What images and masks of one case are usually told apart by. */
const IMAGE_ENDINGS = ['_0000', '_image', '_img', '_T1w', '_T2w', '_FLAIR', '_bold', '_ct', '_CT', '_mr', '_MR'];
const MASK_ENDINGS = ['_seg', '-seg', '_dseg', '_mask', '-mask', '_label', '-label', '_labels', '_segmentation', '_gt'];

/** @param ending of the image or mask files, without which a name is the case; undefined: the usual ones */
export function caseName(file: string, kind: 'image' | 'mask', ending: string | undefined): string {
  const name = lastName(file);
  if (ending !== undefined) return name.endsWith(ending) ? name.slice(0, -ending.length) : '';
  const stem = name.replace(EXTENSIONS, '');
  const known = (kind === 'image' ? IMAGE_ENDINGS : MASK_ENDINGS).find((one) => stem.endsWith(one) && stem.length > one.length);
  return known === undefined ? stem : stem.slice(0, -known.length);
}

export interface CaseFiles {
  id: string;
  image: string;
  /** Path of its mask, or of its landmarks or boxes. */
  other: string;
}

export interface Matched {
  cases: CaseFiles[];
  /** Files without a counterpart. */
  alone: { images: string[]; others: string[] };
}

/**
 * Pairs by case, in the order of their names.
 * @param words for messages: what the others are, and the options that say how names end
 * @throws UserError where two files are of one case, or none has a counterpart
 */
export function matchFiles(
  images: ReadonlyMap<string, string>,
  others: ReadonlyMap<string, string>,
  words: { others: string; fix: string },
): Matched {
  const cases = [...images].flatMap(([id, image]) => {
    const other = others.get(id);
    return other === undefined ? [] : [{ id, image, other }];
  });
  const alone = {
    images: [...images].flatMap(([id, file]) => (others.has(id) ? [] : [file])),
    others: [...others].flatMap(([id, file]) => (images.has(id) ? [] : [file])),
  };
  if (cases.length === 0) {
    const shown = (files: readonly string[]): string => (files[0] === undefined ? 'none' : `as ${lastName(files[0])}`);
    throw new UserError(
      `No image has a counterpart: ${countOf(images.size, 'image')} (${shown(alone.images)}), ${others.size} ${words.others} ` +
        `(${shown(alone.others)}). Files of one case have one name but for their endings. ${words.fix}`,
    );
  }
  return { cases: cases.sort((a, b) => (a.id < b.id ? -1 : 1)), alone };
}

/** By case. @param option that says how the names end @throws UserError where two files are of one case */
export function byCase(files: readonly string[], kind: 'image' | 'mask', ending: string | undefined, option: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of files) {
    const id = caseName(file, kind, ending);
    if (id === '') continue;
    if (!/^[^/\\\p{Cc}]{1,200}$/u.test(id)) throw new UserError(`${file}: its name is no name of a case.`);
    const other = found.get(id);
    if (other !== undefined)
      throw new UserError(
        `${file} and ${other} are both of the case ${id}. ${option} ENDING says which files are meant, as ${option} _0000.nii.gz.`,
      );
    found.set(id, file);
  }
  return found;
}
