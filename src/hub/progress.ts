/** A download told to a person: what and how much first, then a bar on a terminal, or a line now and then in a log. */
import { bytesText, durationText } from '../track/console.ts';
import type { Terminal } from '../track/console.ts';
import { CLEAR_LINE } from '../track/printable.ts';
import type { DownloadHooks } from './snapshot.ts';

const REDRAW_MS = 200;
const LINE_MS = 30_000;

/** `name` as "Qwen/Qwen2.5-VL-3B-Instruct". `isQuiet`: nothing but notes. */
export function downloadHooks(
  terminal: Terminal,
  name: string,
  { isQuiet = false, signal }: { isQuiet?: boolean; signal?: AbortSignal } = {},
): DownloadHooks {
  let startedAt = 0;
  let drawnAt = 0;
  let startBytes: number | undefined;
  const clear = terminal.isTty ? CLEAR_LINE : '';
  return {
    ...(signal && { signal }),
    onNote: (text) => terminal.write(`${clear}Note: ${text}\n`),
    onTotal({ files, bytes, presentBytes }) {
      startedAt = Date.now();
      drawnAt = terminal.isTty ? 0 : startedAt;
      startBytes = undefined;
      const present = presentBytes > 0 ? `; ${bytesText(presentBytes)} are in the cache` : '';
      if (!isQuiet) terminal.write(`Fetching ${name}: ${files} ${files === 1 ? 'file' : 'files'}, ${bytesText(bytes)}${present}.\n`);
    },
    onProgress(done, total) {
      if (isQuiet) return;
      // What an earlier run left counts as done, not as speed.
      startBytes ??= done;
      const now = Date.now();
      const isOver = done >= total;
      if (!isOver && now - drawnAt < (terminal.isTty ? REDRAW_MS : LINE_MS)) return;
      drawnAt = now;
      const speed = (done - startBytes) / Math.max(0.001, (now - startedAt) / 1000);
      const left = speed > 0 && !isOver ? `  ${durationText((total - done) / speed)} left` : '';
      const text =
        `${Math.floor((100 * done) / Math.max(1, total))} %  ${bytesText(done)} of ${bytesText(total)}  ` + `${bytesText(speed)}/s${left}`;
      if (!terminal.isTty) terminal.write(`  ${name}: ${text}\n`);
      else
        terminal.write(
          `${clear}${bar(done / Math.max(1, total), Math.min(30, terminal.columns - text.length - 6))} ${text}`.slice(
            0,
            terminal.columns + clear.length - 1,
          ) + (isOver ? clear : ''),
        );
    },
  };
}

function bar(share: number, width: number): string {
  if (width < 5) return '';
  const full = Math.round(Math.min(1, share) * width);
  return `▕${'█'.repeat(full)}${' '.repeat(width - full)}▏`;
}
