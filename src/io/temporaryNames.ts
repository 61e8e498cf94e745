/**
 * Names of files and folders that are being made: random, so that what a killed process has left never stands in the way of a later one. A
 * leftover may be removed by whoever holds the lock under which all files of that name are made, and by nobody else. (No process id is in
 * the name: on another machine or in another container it would say nothing.)
 */
import { joinPath, parentPath } from '../platform.ts';
import type { Platform } from '../platform.ts';

const ENDING = /\.tmp-[0-9a-f]{16}$/;

/** Beside `file`, and never used before. */
export function temporaryName(file: string): string {
  const random = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${file}.tmp-${random}`;
}

export function isTemporaryName(name: string): boolean {
  return ENDING.test(name);
}

/** The name that a temporary one was to take; undefined for any other name. */
export function finalName(name: string): string | undefined {
  return isTemporaryName(name) ? name.replace(ENDING, '') : undefined;
}

/** What is being made of `file`, or was left of it. */
export async function temporariesOf(platform: Pick<Platform, 'isDirectory' | 'listDir'>, file: string): Promise<string[]> {
  const [folder, name] = [parentPath(file), file.slice(file.lastIndexOf('/') + 1)];
  if (!(await platform.isDirectory(folder))) return [];
  return (await platform.listDir(folder)).filter((other) => finalName(other) === name).map((other) => joinPath(folder, other));
}

/** Removes what killed processes left of `file`. Only under a lock that everyone holds who writes `file`. */
export async function clearTemporariesOf(platform: Pick<Platform, 'isDirectory' | 'listDir' | 'remove'>, file: string): Promise<void> {
  for (const left of await temporariesOf(platform, file)) await platform.remove(left);
}

/** Removes what killed processes left in `folder`. Only under a lock that everyone holds who writes into `folder`. */
export async function clearTemporariesIn(platform: Platform, folder: string): Promise<void> {
  for (const name of await platform.listDir(folder)) if (isTemporaryName(name)) await platform.remove(joinPath(folder, name));
}
