/** What comes with the page: the tiny bases and the embedded sample, at the paths where the platform mounts them (places.ts, plugin.ts). */
import { names } from 'virtual:own-files';

export const ownFiles: ReadonlyMap<string, string> = new Map(
  names.map((name) => [`/own/${name}`, new URL(`own/${name}`, document.baseURI).href]),
);
