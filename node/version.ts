import { existsSync, readFileSync } from 'node:fs';

/** Of the package, whose file lies above this one as it is written (node/) and as it is built (a folder of dist/). */
export function version(): string {
  const file = ['../package.json', '../../package.json'].map((path) => new URL(path, import.meta.url)).find((url) => existsSync(url));
  if (file === undefined) throw new Error('package.json does not lie above this program');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
