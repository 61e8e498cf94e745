/** `--export_jsonl`, `--export_verl`: the rows of the task lists as JSON lines, or as Parquet for verl. Needs no GPU and no weights. */
import { collectSamples } from '../../data/medvision/collect.ts';
import { exportJsonl } from '../../data/medvision/exportJsonl.ts';
import { checkVerlFolder, exportVerl } from '../../data/medvision/exportVerl.ts';
import { reportLines } from '../../data/medvision/report.ts';
import { checkReplaceable, OWN_EXPORT } from '../../io/foreignFiles.ts';
import { readingUntil } from '../../io/stoppablePlatform.ts';
import { loadProcessor } from '../../models/processor.ts';
import { UserError } from '../../platform.ts';
import { countText } from '../../track/console.ts';
import { CLEAR_LINE } from '../../track/printable.ts';
import type { RunContext } from '../context.ts';
import { prepareRows } from './taskRows.ts';
import { imageSizes } from '../../options/imageSizes.ts';

/** Whether rows are to be written for other systems. */
export function isExporting({ export_jsonl, export_verl }: Pick<RunContext['options'], 'export_jsonl' | 'export_verl'>): boolean {
  return export_jsonl !== null || export_verl !== null;
}

/** @param base folder of the base model @returns false when Ctrl-C ended it */
export async function exportRows({ platform, options, stop, terminal, say }: RunContext, base: string): Promise<boolean> {
  const { export_jsonl: path, export_verl: dir } = options;
  if (!isExporting(options)) return true;
  if (path !== null) await checkReplaceable(platform, path, OWN_EXPORT, '--export_jsonl', options.overwrite);
  if (dir !== null) await checkVerlFolder(platform, dir, options.overwrite);
  const processor = await loadProcessor(platform, base, imageSizes(options));
  const collected = await collectSamples(readingUntil(platform, stop), options, processor);
  if (!options.process_dataset_only) for (const line of reportLines(collected.report)) say(line); // else preparing says it
  const total = countText(collected.train.length + collected.validation.length);
  const hooks = {
    stop,
    onProgress: (done: number): void => {
      if (terminal.isTty) terminal.write(`${CLEAR_LINE}Exporting rows: ${countText(done)} of ${total}`);
    },
  };
  const tell = (where: string, rows: number | undefined): boolean => {
    if (terminal.isTty) terminal.write(CLEAR_LINE);
    say(
      rows === undefined
        ? `Stopped; ${where} is not written.`
        : `${where}: ${collected.train.length} training and ${collected.validation.length} validation rows.`,
    );
    return rows !== undefined;
  };
  if (path !== null && !tell(path, await exportJsonl(platform, path, collected, hooks))) return false;
  return dir === null || tell(dir, await exportVerl(platform, dir, collected, hooks));
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
