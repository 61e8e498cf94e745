/** What a run leaves for its reader when it ends: `report.json` and the page made of it. That it cannot be written is no reason to fail. */
import { checkReplaceable, OWN_PAGE } from '../../io/foreignFiles.ts';
import { errorText, joinPath } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { OWN_RECORD, REPORT_FILE } from './forget.ts';
import { runPage } from './page.ts';
import { RECORD_FILE, recordText } from './record.ts';
import type { RunRecord } from './record.ts';
import { openRun } from './run.ts';

/**
 * @param warn told where the report could not be written
 * @returns the page's path, where it is there
 */
export async function leaveReport(
  platform: Platform,
  dir: string,
  makeRecord: () => Promise<RunRecord>,
  { mayReplace, warn }: { mayReplace: boolean; warn: (text: string) => void },
): Promise<string | undefined> {
  const page = joinPath(dir, REPORT_FILE);
  const file = joinPath(dir, RECORD_FILE);
  try {
    await checkReplaceable(platform, page, OWN_PAGE, '--output_dir', mayReplace);
    await checkReplaceable(platform, file, OWN_RECORD, '--output_dir', mayReplace);
    // They show patients.
    await platform.writeFile(file, recordText(await makeRecord()), { isPrivate: true });
    await platform.writeFile(page, await runPage(await openRun(platform, dir)), { isPrivate: true });
    return page;
  } catch (error) {
    warn(`The run is done, but its report was not written: ${errorText(error)}`);
    return undefined;
  }
}
