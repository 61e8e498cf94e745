/** The options of a run as its logs may show them, and the folders that are the user's own business. */
import { publicName } from '../hub/origin.ts';
import { definitions } from '../options.ts';
import type { Options } from '../options.ts';
import type { Definition } from '../options/definition.ts';
import { parentPath } from '../platform.ts';
import type { Platform } from '../platform.ts';
import type { Outgoing } from '../track/outgoing.ts';

/** Folders whose names stay here: the user's own, those that `paths` lie in or are, and what plans name below the folder of the data. */
export async function foldersAround(platform: Pick<Platform, 'env' | 'isDirectory'>, paths: readonly string[]): Promise<string[]> {
  const folders = ['HOME', 'USERPROFILE'].flatMap((name) => platform.env(name) ?? []).filter((folder) => folder.length > 1);
  for (const path of paths) {
    folders.push(parentPath(path));
    if (await platform.isDirectory(path)) folders.push(path);
  }
  return [...folders, 'Datasets'];
}

/** Options as they may be seen: files and folders by their last part. `folders`: those that texts about the run may not name. */
export async function outgoingOptions(
  platform: Platform,
  options: Readonly<Record<string, unknown>>,
  table: Readonly<Record<string, Definition>>,
): Promise<{ config: Record<string, unknown>; folders: string[] }> {
  const config: Record<string, unknown> = { ...options };
  const paths: string[] = [];
  for (const [name, definition] of Object.entries(table)) {
    const value = config[name];
    if (definition.type !== 'string' || definition.place === undefined) continue;
    if (typeof value !== 'string' || value === definition.default) continue;
    // What is no folder here was found on the hub.
    const isHere = definition.place === 'path' || (await platform.exists(value));
    if (!isHere || value === 'true' || value === 'false') continue;
    config[name] = publicName(value);
    paths.push(value);
  }
  // Who names a run as its folder wants the name to be seen.
  const shown = [options['run_name'], options['wandb_run_name']];
  return { config, folders: (await foldersAround(platform, paths)).filter((folder) => !shown.includes(folder)) };
}

export async function outgoingOf(platform: Platform, options: Options): Promise<Outgoing> {
  return { ...(await outgoingOptions(platform, options, definitions)), pictures: options.track_pictures };
}
