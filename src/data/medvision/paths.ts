/** Files that a plan names must lie in the data folder, also where links lead: a plan comes from elsewhere and may not read the rest of the disk. */
import type { Platform } from '../../platform.ts';
import { UserError } from '../../platform.ts';

/** @throws UserError where `path` leads out of `dataDir` by a link. A browser has no links. A missing file is for whoever opens it to tell. */
export async function insideDataDir(platform: Platform, dataDir: string, path: string): Promise<void> {
  if (platform.native === undefined || !(await platform.exists(path))) return;
  const [root, real] = await Promise.all([platform.native.realPath(dataDir), platform.native.realPath(path)]);
  const inside = root.endsWith('/') ? root : `${root}/`;
  if (real !== root && !real.replaceAll('\\', '/').startsWith(inside.replaceAll('\\', '/'))) {
    throw new UserError(
      `${path}: it is, or lies behind, a link to ${real}, outside of the data folder ${root}. Plans may only name files inside it: move the files there, ` +
        'or give --data_dir the folder that really holds them.',
    );
  }
}
