/**
 * Whose a file is that a program is about to replace. What Vernier wrote there earlier gives way to the new; what somebody else wrote does
 * only where `--overwrite` asks for it. A file is known by how it begins, never by its name.
 */
import { COMPANION_FILES } from './companionFiles.ts';
import { WEIGHTS_INDEX } from './modelFolder.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';

/** Enough for the beginning of every kind below. */
const HEAD_BYTES = 4096;

/** How a file of Vernier's begins. */
export interface OwnKind {
  /** As a message calls it: `a page of Vernier`. */
  what: string;
  /** @param head the first 4096 bytes, as UTF-8 */
  isOwn: (head: string) => boolean;
}

/** What the end of a run puts at the root of its folder: an adapter, or a whole model. */
export const RESULT_FILES = [
  'adapter_model.safetensors',
  'adapter_model.bin',
  'adapter_config.json',
  'model.safetensors',
  WEIGHTS_INDEX,
  'pytorch_model.bin',
  'trainer_state.json',
  'README.md',
  ...COMPANION_FILES,
];

/** In the head of every page that Vernier writes. */
export const PAGE_MARK = '<meta name="generator" content="Vernier">';

/** Of pages that were written before they had the mark. */
const FIRST_TITLE = '<title>What is learnt from ';

export const OWN_PAGE: OwnKind = { what: 'a page of Vernier', isOwn: (head) => head.includes(PAGE_MARK) || head.includes(FIRST_TITLE) };
export const OWN_EXPORT: OwnKind = {
  what: 'rows that --export_jsonl wrote',
  isOwn: (head) => /^\{"task_type":"[^"]*","task":"[^"]*","split":"/.test(head),
};
export const OWN_LOG: OwnKind = { what: 'a log of Vernier', isOwn: (head) => /^\{"event":"start","time":"/.test(head) };

/**
 * Called before anything that takes long.
 * @param flag that names the file, for messages
 * @param mayReplace what `--overwrite` says; undefined where the program has none
 * @throws UserError where `path` is a folder, or a file that holds something of another kind; an empty file holds nothing
 */
export async function checkReplaceable(platform: Platform, path: string, kind: OwnKind, flag: string, mayReplace?: boolean): Promise<void> {
  if (!(await platform.exists(path))) return;
  if (await platform.isDirectory(path)) throw new UserError(`${flag} ${path} is a folder; name a file.`);
  if (mayReplace === true || (await isOwnOrEmpty(platform, path, kind))) return;
  const asking = mayReplace === undefined ? 'or remove it' : 'or --overwrite true to replace it';
  throw new UserError(`${flag} ${path} exists, and is not ${kind.what}: it would be lost. Give another ${flag}, ${asking}.`);
}

export async function isOwnOrEmpty(platform: Platform, path: string, kind: OwnKind): Promise<boolean> {
  const file = await platform.openFile(path);
  try {
    return file.size === 0 || kind.isOwn(new TextDecoder().decode(await file.read(0, Math.min(file.size, HEAD_BYTES))));
  } finally {
    await file.close();
  }
}

/** The first of `names` that lies in `dir`. */
export async function firstPresent(platform: Platform, dir: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) if (await platform.exists(joinPath(dir, name))) return name;
  return undefined;
}
