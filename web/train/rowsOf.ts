/** The rows that a project trains on: those that were given, or what is drawn, made into rows by the worker. */
import * as Comlink from 'comlink';
import type { OpenProject, Studio } from '../studio/studio.ts';

/** Files of conversations. */
export interface RowFiles {
  train: string;
  /** Held out; null: none. */
  val: string | null;
}

/**
 * @param tell hears how far it is, 0 to 1
 * @throws UserError where there is nothing to train on
 */
export async function rowsOf(studio: Studio, open: OpenProject, tell: (share: number) => void = () => undefined): Promise<RowFiles> {
  const { given, id, scans, annotations, base, options } = open.project.peek();
  if (given !== null) return { train: given.train, val: given.val };
  const { min_pixels: least, max_pixels: most, do_image_splitting: isSplit, longest_edge: longestEdge } = options;
  const hear = (share: number): Promise<void> => Promise.resolve(tell(share));
  const { train, val } = await studio.worker.value.own.makeRows(
    {
      project: { id, scans, annotations },
      base,
      ...(typeof least === 'number' && { minPixels: least }),
      ...(typeof most === 'number' && { maxPixels: most }),
      ...(typeof isSplit === 'boolean' && { isSplit }),
      ...(typeof longestEdge === 'number' && { longestEdge }),
    },
    Comlink.proxy(hear),
  );
  return { train, val };
}
