/** The text of `--json`, which is made to be passed on: without secrets, and with names where notes and errors have paths. */
import type { Platform } from '../../platform.ts';
import { withoutFoldersIn } from '../../track/localPaths.ts';
import { redactConfig } from '../../track/secrets.ts';
import { foldersAround } from '../outgoing.ts';

export async function reportText(platform: Pick<Platform, 'env' | 'isDirectory'>, report: object): Promise<string> {
  return `${JSON.stringify(redactConfig(withoutFoldersIn(report, await foldersAround(platform, []))), null, 1)}\n`;
}
