/** Whether all ranks were given the same: found before the first step, since nobody would see it later. */
import { UserError } from '../platform.ts';
import { rankWords } from './world.ts';
import type { World } from './world.ts';

/** `sameEverywhere` of a program's options, but for those by which ranks are meant to differ. */
export function sameOptions(world: World, { gpu_adapter: _, ...options }: { gpu_adapter: string | null }): Promise<void> {
  return sameEverywhere(world, options);
}

/**
 * Compares, name by name, what every rank is about to work with.
 * @throws UserError, at all ranks, that lists what differs and where
 */
export async function sameEverywhere(world: World, own: Readonly<Record<string, unknown>>): Promise<void> {
  if (world.size === 1) return;
  const all = await world.gather(JSON.parse(JSON.stringify(own)) as Record<string, unknown>);
  const [first, ...others] = all;
  const complaints = others.flatMap((theirs, at) =>
    [...new Set([...Object.keys(first!), ...Object.keys(theirs)])]
      .filter((name) => JSON.stringify(first![name]) !== JSON.stringify(theirs[name]))
      .map(
        (name) =>
          `  ${name}: ${valueText(first![name])} at ${rankWords(world, 0)}, ${valueText(theirs[name])} at ${rankWords(world, at + 1)}`,
      ),
  );
  if (complaints.length === 0) return;
  throw new UserError(
    `The ranks of this job were not given the same, so that they would not make one run:\n${complaints.slice(0, 20).join('\n')}\n` +
      'Give every rank the same command line, recipe, environment, files and version.',
  );
}

/** A value among others that differ: as JSON, at most 120 characters of it. */
export function valueText(value: unknown): string {
  const text = JSON.stringify(value) ?? 'unset';
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}
