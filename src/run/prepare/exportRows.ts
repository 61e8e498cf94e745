/** `--export_jsonl`: the rows of the task lists as JSON lines. Needs no GPU and no weights. */
import { collectSamples } from '../../data/medvision/collect.ts';
import { exportJsonl } from '../../data/medvision/exportJsonl.ts';
import { reportLines } from '../../data/medvision/report.ts';
import { checkReplaceable, OWN_EXPORT } from '../../io/foreignFiles.ts';
import { readingUntil } from '../../io/stoppablePlatform.ts';
import { loadProcessor } from '../../models/processor.ts';
import { UserError } from '../../platform.ts';
import { countText } from '../../track/console.ts';
import { CLEAR_LINE } from '../../track/printable.ts';
import type { RunContext } from '../context.ts';
import { prepareRows } from './taskRows.ts';

/** @param base folder of the base model @returns false when Ctrl-C ended it */
export async function exportRows({ platform, options, stop, terminal, say }: RunContext, base: string): Promise<boolean> {
  const path = options.export_jsonl;
  if (path === null) return true;
  await checkReplaceable(platform, path, OWN_EXPORT, '--export_jsonl', options.overwrite);
  const processor = await loadProcessor(platform, base, {
    ...(options.min_pixels !== null && { minPixels: options.min_pixels }),
    ...(options.max_pixels !== null && { maxPixels: options.max_pixels }),
  });
  const collected = await collectSamples(readingUntil(platform, stop), options, processor);
  if (!options.process_dataset_only) for (const line of reportLines(collected.report)) say(line); // else preparing says it
  const total = countText(collected.train.length + collected.validation.length);
  const rows = await exportJsonl(platform, path, collected, {
    stop,
    onProgress: (done) => {
      if (terminal.isTty) terminal.write(`${CLEAR_LINE}Exporting rows: ${countText(done)} of ${total}`);
    },
  });
  if (terminal.isTty) terminal.write(CLEAR_LINE);
  say(
    rows === undefined
      ? `Stopped; ${path} is not written.`
      : `${path}: ${collected.train.length} training and ${collected.validation.length} validation rows.`,
  );
  return rows !== undefined;
}

/**
 * `--process_dataset_only true` beside an export: the prepared folder is made too, but where none was named and the data folder cannot be
 * written, the export is what was asked for.
 */
export async function prepareBesideExport(context: RunContext, base: string): Promise<void> {
  try {
    await prepareRows(context, base);
  } catch (error) {
    if (!(error instanceof UserError) || context.options.prepared_ds_dir !== null) throw error;
    context.say(`Note: the rows are exported, but not prepared. ${error.message} Name another folder with --prepared_ds_dir.`);
  }
}
