/** The Node platform with none of the abilities that not every runtime has. */
import { nodePlatform } from '../../node/platform.ts';
import type { FileAbilities, Platform } from '../../src/platform.ts';

const none: { [Name in keyof FileAbilities]: undefined } = {
  links: undefined, look: undefined, openAppend: undefined, appendsByCopying: undefined, blob: undefined, hash: undefined, lock: undefined, freeBytes: undefined,
};

export const plainFiles: Platform = { ...nodePlatform, ...none };
