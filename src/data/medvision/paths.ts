/**
 * Files that a plan names must lie in the data folder, also where links lead: a plan comes from elsewhere and may not read the rest of the
 * disk.
 */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';

/**
 * @throws UserError where `path` leads out of `dataDir` by a link. A browser has no links. A missing file is for whoever opens it to tell.
 */
export async function insideDataDir(platform: Platform, dataDir: string, path: string): Promise<void> {
  const { links } = platform;
  if (links === undefined || !(await platform.exists(path))) return;
  const [root, real] = await Promise.all([links.realPath(dataDir), links.realPath(path)]);
  const isInside = (folder: string): boolean =>
    real.replaceAll('\\', '/').startsWith(`${folder.replaceAll('\\', '/').replace(/\/$/, '')}/`);
  if (real !== root && !isInside(root) && !isInside(blobsOf(root) ?? root)) {
    throw new UserError(
      `${path}: it is, or lies behind, a link to ${real}, outside of the data folder ${root}. Plans may only name files inside it: move ` +
        `the files there, ` +
        'or give --data_dir the folder that really holds them.',
    );
  }
}

/** A data set from the hub lies in the cache as links from `<repository>/snapshots/<commit>/` to `<repository>/blobs/`. */
function blobsOf(root: string): string | undefined {
  const repository = /^(.*[\\/]datasets--[^\\/]+)[\\/]snapshots[\\/][^\\/]+$/.exec(root)?.[1];
  return repository === undefined ? undefined : `${repository}/blobs`;
}
