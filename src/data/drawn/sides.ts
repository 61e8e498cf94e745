/**
 * Which scans are held out: whole ones, and all of a patient on one side, since slices of one head are too much alike to judge by. A
 * patient is told from the file's name where it follows BIDS (sub-01_…, brain imaging data structure), or by the study of DICOM, whose
 * scans have no names but numbers (Study 1, CT series 2); else every file is its own.
 */
import { shuffled, streamId } from '../random.ts';

export type Side = 'train' | 'test';

/** What of a scan the choice is made by. */
export interface ChoosableScan {
  name: string;
  /** On it. Scans without any are on neither side as far as rows go. */
  annotations: number;
}

const HELD_OUT = 0.2;

/** The patient that a file name tells, or the name without its endings. */
export function patientOf(name: string): string {
  return /^(?:sub-[A-Za-z0-9]+|Study \d+(?=, ))/.exec(name)?.[0] ?? name.replace(/\.(?:nii|nii\.gz|png|jpe?g|webp|gif|tiff?)$/i, '');
}

/**
 * A fifth of the patients held out, one at least, where there are two. Patients without annotations train.
 * @returns a side for each scan, in their order; the same seed and names give the same
 */
export function suggestSides(scans: readonly ChoosableScan[], seed = 0): Side[] {
  const patients = scans.filter(({ annotations }) => annotations > 0).map(({ name }) => patientOf(name));
  const held = heldOutPatients(patients, HELD_OUT, seed);
  return scans.map(({ name }) => (held.has(patientOf(name)) ? 'test' : 'train'));
}

/**
 * Of the patients a share, one at least and never all; none where there is but one, or the share is 0.
 * @param patients may come several times; their order does not matter
 */
export function heldOutPatients(patients: readonly string[], share: number, seed: number): Set<string> {
  const all = [...new Set(patients)].sort();
  const count = share === 0 || all.length < 2 ? 0 : Math.min(all.length - 1, Math.max(1, Math.round(share * all.length)));
  return new Set([...shuffled(all.length, seed, streamId('held-out patients')).subarray(0, count)].map((at) => all[at] ?? ''));
}
