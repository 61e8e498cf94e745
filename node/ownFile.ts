import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The nearest of these files of the package, above this file as it is written (node/) and as it is built (dist/ or a folder of it). */
export function ownFile(...names: string[]): string | undefined {
  for (let folder = dirname(fileURLToPath(import.meta.url)), level = 0; level < 3; folder = dirname(folder), level++)
    for (const name of names) if (existsSync(join(folder, name))) return join(folder, name);
  return undefined;
}
