/** The text of `--json`, which is made to be passed on: without secrets, and with names where notes and errors have paths. */
import type { Platform } from '../../src/platform.ts';
import { withoutFoldersIn } from '../../src/track/localPaths.ts';
import { redactConfig } from '../../src/track/secrets.ts';
import { foldersAround } from '../../src/run/outgoing.ts';

export async function reportText(platform: Pick<Platform, 'env' | 'isDirectory'>, report: object): Promise<string> {
  return `${JSON.stringify(redactConfig(withoutFoldersIn(report, await foldersAround(platform, []))), null, 1)}\n`;
}
