/**
 * `manifest.json`, the last file of a prepared folder to be written: with it the folder is whole. Nothing in it depends on when, where or
 * by how many workers the data was prepared, so that two preparations of the same data are the same bytes.
 */
import { parseJson, shownJson } from '../../io/parseJson.ts';
import { readText } from '../../io/textFile.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { PREPARED_VERSION } from './identity.ts';
import type { Identity, ImageStorage } from './identity.ts';
import type { PreparedSplit } from './row.ts';

export const MANIFEST = 'manifest.json';
const FORMAT = 'vernier prepared data';

/** One Parquet file. */
export interface ShardEntry {
  /** Relative to the folder: `train-00000.parquet`. */
  file: string;
  rows: number;
  bytes: number;
  /** Of the file, hexadecimal. */
  sha256: string;
}

export interface Manifest {
  identity: Identity;
  /** The version of the annotations that was asked for; the plans that it meant are in the identity. */
  pin?: string;
  images: ImageStorage;
  /** Files of each set in the order of their rows. A set may be empty. */
  splits: Record<PreparedSplit, ShardEntry[]>;
  /** Rows of each task of a set. */
  tasks: Record<PreparedSplit, Record<string, number>>;
}

export function rowCount(entries: readonly ShardEntry[]): number {
  return entries.reduce((sum, { rows }) => sum + rows, 0);
}

export function manifestText({ identity, pin, images, splits, tasks }: Manifest): string {
  const said = { format: FORMAT, version: PREPARED_VERSION, identity, planner_version: pin, images, splits, tasks };
  return `${JSON.stringify(said, null, 2)}\n`;
}

/** Undefined where the folder or its manifest is missing. @throws UserError for a file that is no manifest of this version */
export async function readManifest(platform: Platform, dir: string): Promise<Manifest | undefined> {
  const path = joinPath(dir, MANIFEST);
  if (!(await platform.exists(path))) return undefined;
  return parseManifest(await readText(platform, path), path);
}

function parseManifest(text: string, path: string): Manifest {
  const damaged = (what: string): UserError => new UserError(`${path}: ${what}. Remove the folder and prepare the data again.`);
  let found: Partial<Record<string, unknown>>;
  try {
    const value: unknown = parseJson(text);
    if (typeof value !== 'object' || value === null) throw damaged('not the manifest of prepared data');
    found = value;
  } catch (error) {
    throw error instanceof UserError ? error : damaged('not valid JSON');
  }
  const { format, version, identity, planner_version: pin, images, splits, tasks } = found;
  if (format !== FORMAT)
    throw new UserError(`${path}: not the manifest of prepared data ("format" should be "${FORMAT}"). Give another --prepared_ds_dir.`);
  if (version !== PREPARED_VERSION)
    throw damaged(`written as version ${shownJson(version)}, this program reads version ${PREPARED_VERSION}`);
  if (!isIdentity(identity) || !isImageStorage(images) || !isSplits(splits) || !isTasks(tasks))
    throw damaged('a part of the manifest is missing or of the wrong type');
  return { identity, ...(typeof pin === 'string' && { pin }), images, splits, tasks };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isIdentity(value: unknown): value is Identity {
  return isRecord(value) && Object.values(value).every((item) => item === null || ['string', 'number', 'boolean'].includes(typeof item));
}

function isImageStorage(value: unknown): value is ImageStorage {
  return value === 'none' || value === 'embedded' || value === 'files';
}

export function isShardEntry(value: unknown): value is ShardEntry {
  if (!isRecord(value)) return false;
  const { file, rows, bytes, sha256 } = value;
  const isCount = (count: unknown): boolean => Number.isSafeInteger(count) && (count as number) > 0;
  return (
    typeof file === 'string' &&
    /^(train|validation)-\d{5,}\.parquet$/.test(file) &&
    isCount(rows) &&
    isCount(bytes) &&
    typeof sha256 === 'string'
  );
}

function isSplits(value: unknown): value is Manifest['splits'] {
  return isRecord(value) && [value['train'], value['validation']].every((entries) => Array.isArray(entries) && entries.every(isShardEntry));
}

function isTasks(value: unknown): value is Manifest['tasks'] {
  const isCounts = (counts: unknown): boolean => isRecord(counts) && Object.values(counts).every((count) => typeof count === 'number');
  return isRecord(value) && isCounts(value['train']) && isCounts(value['validation']);
}
