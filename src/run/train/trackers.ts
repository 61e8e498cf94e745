/** `--report_to` to the trackers it names. */
import { joinPath, ownFiles } from '../../platform.ts';
import { ConsoleTracker } from '../../track/console.ts';
import { JsonlTracker, LOG_FILE } from '../../track/jsonl.ts';
import { outgoing } from '../../track/outgoing.ts';
import { TensorBoardTracker } from '../../track/tensorboard.ts';
import { allOf } from '../../track/tracker.ts';
import type { Tracker } from '../../track/tracker.ts';
import { wandbSettings } from '../../track/wandb/settings.ts';
import { WandbTracker } from '../../track/wandb/tracker.ts';
import { warnOnce } from '../tellOnce.ts';
import type { RunContext } from '../context.ts';
import { outgoingOf } from '../outgoing.ts';

/** Called before the GPU is opened; what must be known at once (a wrong key) is thrown from here or from `Tracker.start`. */
export async function openTrackers({ platform, options, terminal, trackers: given = [] }: RunContext): Promise<Tracker> {
  const out = options.output_dir;
  const seen = await outgoingOf(platform, options);
  const trackers: Tracker[] = [...given];
  if (options.report_to.includes('console')) trackers.push(new ConsoleTracker(terminal));
  if (options.report_to.includes('jsonl')) trackers.push(outgoing(new JsonlTracker(platform, joinPath(out, LOG_FILE)), seen));
  if (options.report_to.includes('tensorboard')) {
    trackers.push(outgoing(new TensorBoardTracker(ownFiles(platform), joinPath(out, 'runs', options.run_name.replaceAll('/', '_'))), seen));
  }
  if (options.report_to.includes('wandb')) {
    const settings = await wandbSettings(platform, options, options.run_name, out);
    warnOnce(terminal, settings.warning);
    // Through the others, because the console may have a bar on the line.
    const others = allOf([...trackers]);
    const say = (level: 'info' | 'warning', text: string): void => void others.event(level, text);
    if (settings.mode !== 'disabled') trackers.push(outgoing(new WandbTracker({ platform: ownFiles(platform), settings, say }), seen));
  }
  // That a log is not written must not be missed.
  return allOf(trackers, options.report_to.includes('console') ? undefined : (text) => terminal.write(`Warning: ${text}\n`));
}
