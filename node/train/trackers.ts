/** `--report_to` to the trackers it names. */
import { joinPath } from '../../src/platform.ts';
import { ConsoleTracker } from '../../src/track/console.ts';
import { JsonlTracker } from '../../src/track/jsonl.ts';
import { TensorBoardTracker } from '../../src/track/tensorboard.ts';
import { allOf } from '../../src/track/tracker.ts';
import type { Tracker } from '../../src/track/tracker.ts';
import type { RunContext } from './context.ts';

/** Called before the GPU is opened; what must be known at once (a wrong key) is thrown from here or from `Tracker.start`. */
export async function openTrackers({ platform, options, terminal }: RunContext): Promise<Tracker> {
  const out = options.lora_checkpoint_dir;
  const trackers: Tracker[] = [];
  if (options.report_to.includes('console')) trackers.push(new ConsoleTracker(terminal));
  if (options.report_to.includes('jsonl')) trackers.push(new JsonlTracker(platform, joinPath(out, 'trainer_log.jsonl')));
  if (options.report_to.includes('tensorboard')) trackers.push(new TensorBoardTracker(platform, joinPath(out, 'runs', options.run_name.replaceAll('/', '_'))));
  return Promise.resolve(allOf(trackers));
}
