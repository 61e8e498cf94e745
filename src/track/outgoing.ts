/**
 * What trackers whose rows are kept or sent may be told: paths become names, and pictures, which show patients, stay here unless they were
 * asked for. The console, which only the user sees, is told everything.
 */
import { lastName } from '../platform.ts';
import { withoutFolders, withoutFoldersIn } from './localPaths.ts';
import type { Row, Tracker } from './tracker.ts';

export interface Outgoing {
  /** The options as they may be seen, in place of a run's `config`. Absent: as they are, shortened. */
  config?: Readonly<Record<string, unknown>>;
  /** The user's folders, as written. */
  folders: readonly string[];
  pictures: boolean;
}

export function outgoing(tracker: Tracker, { config, folders, pictures }: Outgoing): Tracker {
  const shortRow = (row: Row): Row => withoutFoldersIn(row, folders) as Row;
  const { picture, state } = tracker;
  return {
    start: (run) =>
      tracker.start({
        ...run,
        name: withoutFolders(run.name, folders),
        facts: shortRow(run.facts),
        config: withoutFoldersIn(config ?? run.config, folders) as Record<string, unknown>,
      }),
    progress: (now) => tracker.progress(now),
    log: (row, step) => tracker.log(shortRow(row), step),
    ...(pictures && picture && {
      picture: (key: string, shown: Parameters<typeof picture>[1], step: number): void =>
        picture.call(tracker, key, { ...shown, caption: withoutFolders(shown.caption, folders) }, step),
    }),
    event: (level, text) => tracker.event(level, withoutFolders(text, folders)),
    finish: ({ outcome, figures, files }) => tracker.finish({ outcome, figures: shortRow(figures), files: files.map(lastName) }),
    ...(state && { state: () => state.call(tracker) }),
  };
}
