/** The report that an earlier run left in a folder. */
import { isOwnOrEmpty, OWN_PAGE } from '../../io/foreignFiles.ts';
import type { OwnKind } from '../../io/foreignFiles.ts';
import { joinPath } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { RECORD_FILE, RECORD_MARK } from './record.ts';

export const REPORT_FILE = 'report.html';
export const OWN_RECORD: OwnKind = { what: 'a record of a run', isOwn: (head) => head.startsWith(RECORD_MARK) };

/** Removes the record of an earlier run, which says nothing of the one that begins. */
export async function forgetReport(platform: Platform, dir: string): Promise<void> {
  for (const [name, kind] of [
    [RECORD_FILE, OWN_RECORD],
    [REPORT_FILE, OWN_PAGE],
  ] as const) {
    const path = joinPath(dir, name);
    if (!(await platform.exists(path)) || (await platform.isDirectory(path))) continue;
    if (await isOwnOrEmpty(platform, path, kind)) await platform.remove(path);
  }
}
