/** A prepared folder while it is unfinished: what is done, noted file by file, and what killed runs leave behind. */
import { parseJson } from '../../io/parseJson.ts';
import { finalName } from '../../io/temporaryNames.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { sha256Hex } from './identity.ts';
import { isShardEntry, MANIFEST } from './manifest.ts';
import type { Manifest, ShardEntry } from './manifest.ts';

const NOTES = 'unfinished.jsonl';
const PICTURES = 'png';
const SHARD = /^(train|validation)-\d{5,}\.parquet$/;

/** Whether a killed atomic write has left it of a file of ours. */
function isLeftover(name: string): boolean {
  const made = finalName(name);
  return made !== undefined && (SHARD.test(made) || made === NOTES || made === MANIFEST);
}

/**
 * Makes the folder; removes what a killed run has half-written. @throws UserError for one that holds something else: its files would be
 * taken for ours
 */
export async function checkFolder(platform: Platform, dir: string): Promise<void> {
  await platform.makeDir(dir, { isPrivate: true });
  const there = await platform.listDir(dir);
  const names = there.filter((name) => !isLeftover(name));
  if (names.length > 0 && !names.includes(MANIFEST) && !names.includes(NOTES)) {
    throw new UserError(
      `${dir} is not empty and holds no prepared data (${names.slice(0, 3).join(', ')}…). Give --prepared_ds_dir a new or empty folder.`,
    );
  }
  for (const name of there) if (isLeftover(name)) await platform.remove(joinPath(dir, name));
}

/** The files that are done: a line a file, after a first line that says for which settings. */
export class Notes {
  readonly kept: ReadonlyMap<string, ShardEntry>;
  private readonly platform: Platform;
  private readonly path: string;

  private constructor(platform: Platform, path: string, kept: ReadonlyMap<string, ShardEntry>) {
    this.platform = platform;
    this.path = path;
    this.kept = kept;
  }

  /**
   * @param hash of the settings; notes of others are dropped, with the files they name
   * @param finished the manifest of a folder that was whole once and has lost files
   */
  static async open(platform: Platform, dir: string, hash: string, finished: Manifest | undefined): Promise<Notes> {
    const path = joinPath(dir, NOTES);
    const first = JSON.stringify({ settings: hash });
    const lines = (await platform.exists(path)) ? new TextDecoder().decode(await platform.readFile(path)).split('\n') : [];
    const isOurs = lines[0] === first;
    const entries =
      finished !== undefined ? [...finished.splits.train, ...finished.splits.validation] : isOurs ? lines.slice(1).flatMap(parseEntry) : [];
    const kept = new Map<string, ShardEntry>();
    for (const entry of entries) if (await isWhole(platform, dir, entry)) kept.set(entry.file, entry);
    // Pictures are not noted: those of other settings may differ under the same name.
    if (finished === undefined && !isOurs) await platform.remove(joinPath(dir, PICTURES));
    const text = [first, ...[...kept.values()].map((entry) => JSON.stringify(entry))].join('\n');
    await platform.writeFile(path, `${text}\n`);
    return new Notes(platform, path, kept);
  }

  add(entry: ShardEntry): Promise<void> {
    return this.platform.appendFile(this.path, `${JSON.stringify(entry)}\n`);
  }
}

/** Removes the notes, half-written files, and Parquet files that are not `wanted`. */
export async function clearLeftovers(platform: Platform, dir: string, wanted: ReadonlySet<string>): Promise<void> {
  for (const name of await platform.listDir(dir)) {
    if (isLeftover(name) || (SHARD.test(name) && !wanted.has(name))) await platform.remove(joinPath(dir, name));
  }
  await clearTemporary(platform, joinPath(dir, PICTURES));
  await platform.remove(joinPath(dir, NOTES));
}

async function clearTemporary(platform: Platform, folder: string): Promise<void> {
  if (!(await platform.isDirectory(folder))) return;
  for (const name of await platform.listDir(folder)) {
    const path = joinPath(folder, name);
    if (finalName(name)?.endsWith('.png')) await platform.remove(path);
    else if (!name.endsWith('.png')) await clearTemporary(platform, path);
  }
}

/** The last line of a killed run may be half a line. */
function parseEntry(line: string): ShardEntry[] {
  try {
    const value: unknown = parseJson(line);
    return isShardEntry(value) ? [value] : [];
  } catch {
    return [];
  }
}

async function isWhole(platform: Platform, dir: string, entry: ShardEntry): Promise<boolean> {
  const path = joinPath(dir, entry.file);
  if (!(await platform.exists(path)) || (await sizeOf(platform, path)) !== entry.bytes) return false;
  return (await sha256Hex(await platform.readFile(path))) === entry.sha256;
}

/** Bytes. */
export async function sizeOf(platform: Platform, path: string): Promise<number> {
  const file = await platform.openFile(path);
  try {
    return file.size;
  } finally {
    await file.close();
  }
}
