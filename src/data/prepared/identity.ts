/**
 * What a prepared data set was made from: every setting and input that changes its bytes, by name. It is the folder's name, the first part
 * of its manifest, and the reason given when a folder cannot be used for what is asked. Worker counts, paths and dates are no part of it.
 */

export type IdentityValue = string | number | boolean | null;
/** Flat, so that a difference has one name: option names as on the command line, and `plan <dataset> <kind>`, `task list <family>`, … */
export type Identity = Readonly<Record<string, IdentityValue>>;

/** Raised when the same identity would give other bytes than before: a new column, another PNG encoder. */
export const PREPARED_VERSION = 1;

/** "prompt_style: corrected there, reference asked", one for each name on which the two differ, in the order of `wanted`. */
export function identityDifferences(found: Identity, wanted: Identity): string[] {
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(found)])];
  return names.flatMap((name) => {
    const [there, asked] = [shown(found[name]), shown(wanted[name])];
    return there === asked ? [] : [`${name}: ${there} there, ${asked} asked`];
  });
}

function shown(value: IdentityValue | undefined): string {
  if (value === undefined) return 'not recorded';
  if (value === null) return 'unset';
  return String(value);
}

/** SHA-256 of the identity, 64 hexadecimal digits; the order of names does not count. */
export async function identityHash(identity: Identity): Promise<string> {
  const sorted = Object.entries(identity).sort(([a], [b]) => (a < b ? -1 : 1));
  return sha256Hex(new TextEncoder().encode(JSON.stringify([PREPARED_VERSION, sorted])));
}

/** Lower-case hexadecimal SHA-256. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>); // never shared memory here
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export interface FolderNameParts {
  /** Hugging Face model_type. */
  modelType: string;
  /** Limits as given, −1 for all: angles and distances, detection, tumours and lesions, in total; training and validation. */
  train: readonly [number, number, number, number];
  validation: readonly [number, number, number, number];
  promptStyle: string;
  images: ImageStorage;
}

/**
 * none: annotations only, slices are cut from the volumes when they are asked for. embedded: PNG in the Parquet files. files: the same, and
 * each slice as a PNG file beside them.
 */
export type ImageStorage = 'none' | 'embedded' | 'files';

/**
 * `ds__AD5500_D11000_TLall_all22000__val…__corrected__embedded__<hash>`: medvision_bm's name for a reader, the hash for everything else.
 */
export async function folderName(parts: FolderNameParts, identity: Identity): Promise<string> {
  const limits = ([ad, detection, tl, all]: readonly [number, number, number, number]): string =>
    `AD${limit(ad)}_D${limit(detection)}_TL${limit(tl)}_all${limit(all)}`;
  const hash = (await identityHash(identity)).slice(0, 16);
  return `ds__${limits(parts.train)}__val_${limits(parts.validation)}__${parts.promptStyle}__${parts.images}__${hash}`;
}

const limit = (value: number): string => (value < 0 ? 'full' : String(value));
