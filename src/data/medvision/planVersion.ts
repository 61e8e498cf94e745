/**
 * Versions of MedVision's annotations (the planner's, in the names of the plans): which one a pin means, what an older one must be
 * acknowledged for, what its ellipses are worth, and between which ones figures cannot be compared.
 */
import { UserError } from '../../platform.ts';

/** The newest release of the annotations that this version of Vernier knows of; older pins are asked for on purpose. */
const LATEST_RELEASE = '1.4.0';

/** From here on ellipses are fitted with the two spacings of a slice in their places; before, they were transposed. */
const SPACING_IN_PLACE = '1.1.1';

/** The split between training and test cases moved in 1.4.0 on these data sets, on some 42 of 100 cases. */
const SPLIT_MOVED = { version: '1.4.0', datasets: ['BraTS24', 'HNTSMRG24', 'KiPA22', 'KiTS23', 'MSD', 'autoPET-III'] } as const;

/** As versions, not as text: 1.10 comes after 1.9. */
export function compareVersions(a: string, b: string): number {
  const x = a.split('.').map(Number);
  const y = b.split('.').map(Number);
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const difference = (x[i] ?? 0) - (y[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** `1.0.0` of "1.0.0" and "v1.0.0". @throws UserError for what is no version */
export function readPin(text: string): string {
  const pin = text.trim().replace(/^v/, '');
  if (/^\d{1,6}(\.\d{1,6}){0,3}$/.test(pin)) return pin;
  throw new UserError(`--planner_version takes a version of the annotations, as ${LATEST_RELEASE}; found ${JSON.stringify(text)}.`);
}

/**
 * Of a data set's versions the one that a pin means, by upstream's rule: the newest that was published at or before it. Without a pin the
 * newest there is. Undefined where there is none.
 */
export function versionAtPin(versions: readonly string[], pin: string | undefined): string | undefined {
  const wanted = pin === undefined ? undefined : readPin(pin);
  return versions
    .filter((version) => wanted === undefined || compareVersions(version, wanted) <= 0)
    .reduce<string | undefined>((best, version) => (best === undefined || compareVersions(version, best) > 0 ? version : best), undefined);
}

/** For messages: which versions there are beside what was wanted. @param files what the plan's file is called, with * for its version */
export function noVersionText(files: string, versions: readonly string[], pin: string | undefined): string {
  const wanted = pin === undefined ? `${files} expected` : `${files} of version ${readPin(pin)} or older expected (--planner_version)`;
  const found = versions.length === 0 ? 'there is none' : `there are ${versions.map((version) => `v${version}`).join(', ')}`;
  return `${wanted}, ${found}`;
}

/**
 * A pin below the newest release is used knowingly, as upstream's loader has it.
 * @throws UserError where it is not acknowledged, or is no version
 */
export function checkPin({
  planner_version: pin,
  ack_release: acknowledged,
}: {
  planner_version: string | null;
  ack_release: string | null;
}): void {
  if (pin === null || compareVersions(readPin(pin), LATEST_RELEASE) >= 0) return;
  if (acknowledged !== null && acknowledged.trim().replace(/^v/, '') === LATEST_RELEASE) return;
  throw new UserError(
    `--planner_version ${readPin(pin)} is older than ${LATEST_RELEASE}, the newest annotations: its sizes of tumours and lesions and its ` +
      `test cases are others, and figures of the two must not be compared. To use it knowingly: --ack_release ${LATEST_RELEASE} (or ` +
      `MedVision_ACK_RELEASE=${LATEST_RELEASE})${acknowledged === null ? '' : `; found ${JSON.stringify(acknowledged)}`}.`,
  );
}

/** Whether a plan's ellipses were fitted with the two spacings of a slice transposed: wrong wherever pixels are not square. */
export function hasTransposedSpacing(version: string): boolean {
  return compareVersions(version, SPACING_IN_PLACE) < 0;
}

/** The pixels of a slice are square as far as lengths are concerned. */
export function isSquare(pixelHeight: number, pixelWidth: number): boolean {
  return Math.abs(pixelHeight - pixelWidth) <= 0.01 * Math.min(pixelHeight, pixelWidth);
}

export interface AnnotationVersion {
  dataset: string;
  /** detection or biometry */
  kind: string;
  version: string;
}

/**
 * What runs on different annotations cannot say of each other, in a sentence; empty where nothing differs.
 * @param runs the plans of each run
 */
export function versionCaution(runs: readonly (readonly AnnotationVersion[])[]): string {
  const versions = new Map<string, { dataset: string; kind: string; found: Set<string> }>();
  for (const { dataset, kind, version } of runs.flat()) {
    const own = versions.get(`${dataset} ${kind}`) ?? { dataset, kind, found: new Set() };
    own.found.add(version);
    versions.set(`${dataset} ${kind}`, own);
  }
  const differing = [...versions.values()].filter(({ found }) => found.size > 1);
  if (differing.length === 0) return '';
  const names = differing.map(
    ({ dataset, kind, found }) =>
      `${dataset} ${kind} (${[...found]
        .sort(compareVersions)
        .map((v) => `v${v}`)
        .join(', ')})`,
  );
  const moved = differing.filter(({ dataset, found }) => {
    const before = [...found].filter((version) => compareVersions(version, SPLIT_MOVED.version) < 0);
    return before.length > 0 && before.length < found.size && (SPLIT_MOVED.datasets as readonly string[]).includes(dataset);
  });
  const movedNames = [...new Set(moved.map(({ dataset }) => dataset))].join(', ');
  return (
    `The runs have other versions of the annotations: ${names.join('; ')}.` +
    (moved.length === 0
      ? ''
      : ` Test cases of ${movedNames} moved in ${SPLIT_MOVED.version}, some of them out of what was trained on: these ` +
        'figures must not be compared.')
  );
}
