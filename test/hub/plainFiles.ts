/** The Node platform with none of the abilities that not every runtime has. */
import { nodePlatform } from '../../node/platform.ts';
import type { FileAbilities, Platform } from '../../src/platform.ts';

const { links, look, openAppend, appendsByCopying, blob, hash, lock, freeBytes, ...plain } = nodePlatform;

export const plainFiles: Platform = plain satisfies { [Name in keyof FileAbilities]?: never } & { name: string };
