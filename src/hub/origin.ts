/** From a folder back to the hub: a snapshot's path in the cache says which repository and commit it is. */

import { lastName, withoutHome } from '../platform.ts';

export interface HubOrigin {
  type: 'model' | 'dataset';
  /** `org/name` */
  id: string;
  commit: string;
  /** The repository's folder in the cache, where the blobs that a snapshot links to are. */
  repoDir: string;
}

/** Undefined for a folder that is not a snapshot of the cache. */
export function hubOrigin(dir: string): HubOrigin | undefined {
  const match = /^((?:.*[\\/])?(model|dataset)s--([^\\/]+))[\\/]snapshots[\\/]([^\\/]+)[\\/]*$/.exec(dir);
  if (match === null) return undefined;
  const [, repoDir = '', type, name = '', commit = ''] = match;
  return { type: type === 'dataset' ? 'dataset' : 'model', id: name.split('--').join('/'), commit, repoDir };
}

/** What a folder is called in files that are passed on: its hub id, else its own name. */
export function publicName(dir: string): string {
  return hubOrigin(dir)?.id ?? lastName(dir);
}

/**
 * How an adapter's configuration names its base: by hub id and commit, which mean something on other machines, else by its folder, as PEFT
 * does, unless that would tell whose home folder it lies in.
 */
export function baseModelNames(dir: string, home?: string): { base_model_name_or_path: string; revision: string | null } {
  const origin = hubOrigin(dir);
  return origin === undefined
    ? { base_model_name_or_path: withoutHome(dir, home), revision: null }
    : { base_model_name_or_path: origin.id, revision: origin.commit };
}
