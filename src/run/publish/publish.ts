/**
 * What happens to a run's results beyond its folder: merging into the base model and pushing to the hub, after each save and after
 * training.
 */
import type { SavedCheckpoint } from '../../train/saving.ts';
import type { TrainResult } from '../../train/trainer.ts';
import type { RunContext } from '../context.ts';
import { checkMerging, findAdapter, mergeInto } from './merging.ts';
import { openPushing } from './pushing.ts';

export interface Publisher {
  /**
   * After a checkpoint is complete under its name. Must return at once; while the promise it may return is pending, `save_total_limit`
   * leaves that folder alone. A rejection becomes a warning.
   */
  onSaved(saved: SavedCheckpoint): Promise<void> | undefined;
  /** Once, after training: `dir` is the run's folder with the result at its root. Waits for uploads under way. */
  afterTraining(dir: string, result: TrainResult): Promise<void>;
}

/** Called before the GPU is opened, so that a wrong token is told at the start. `base` is the base model's folder. */
export async function openPublisher(context: RunContext, base: string): Promise<Publisher> {
  const { options, say } = context;
  const isMerged = options.merge_model || options.push_merged_model;
  if (isMerged) await checkMerging(context, base);
  const pushing = options.push_LoRA || options.push_merged_model ? await openPushing(context, base) : undefined;
  const pushAdapter = options.push_LoRA ? pushing : undefined;
  return {
    onSaved: (saved) => pushAdapter?.checkpoint(saved),
    async afterTraining(dir, { outcome, steps }) {
      // A hub that fails now must not keep the merge from being made.
      const pushed =
        steps > 0
          ? await pushAdapter?.result(dir).then(
              () => undefined,
              (error: unknown) => ({ error }),
            )
          : undefined;
      if (isMerged && outcome === 'finished') {
        const merged = await mergeInto(context, base, dir);
        if (merged !== undefined && options.push_merged_model) await pushing?.merged(merged);
      } else if (isMerged) say('Stopped: the adapter is not merged; --merge_only true merges what is there.');
      if (pushed !== undefined) throw pushed.error;
    },
  };
}

/** `--merge_only true`: merges (and pushes, where asked) the adapter that is in the run's folder, without training and without a GPU. */
export async function mergeOnly(context: RunContext, base: string): Promise<void> {
  const pushing = context.options.push_merged_model ? await openPushing(context, base) : undefined;
  const merged = await mergeInto(context, base, await findAdapter(context));
  if (merged !== undefined) await pushing?.merged(merged);
}
