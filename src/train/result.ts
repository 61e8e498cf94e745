/** What a run that ends leaves at the root of its folder. */
import { temporaryName } from '../io/temporaryNames.ts';
import { joinPath, UserError } from '../platform.ts';
import { formatTrainerState, TRAINER_STATE } from './checkpointFolder.ts';
import type { TrainerState } from './checkpointFolder.ts';
import type { Session } from './session.ts';

/**
 * Adapter or model, and `trainer_state.json`. All of it is written beside before any file is moved there, so that a full disk leaves no
 * half of it. @param checkpoint what holds the same @param about what the card of an adapter says of its training
 */
export async function saveResult(
  session: Session,
  dir: string,
  state: TrainerState,
  checkpoint: string | undefined,
  about: string | undefined,
): Promise<void> {
  const { platform } = session;
  const unfinished = temporaryName(joinPath(dir, 'result'));
  try {
    await session.save(unfinished, { about });
    await platform.writeFile(joinPath(unfinished, TRAINER_STATE), formatTrainerState(state));
    for (const name of await platform.listDir(unfinished)) await platform.rename(joinPath(unfinished, name), joinPath(dir, name));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const kept = checkpoint === undefined ? '' : ` ${checkpoint} is complete and holds the same.`;
    throw new UserError(`The result was not written to ${dir}: ${error.message}${kept}`, { cause: error });
  } finally {
    await platform.remove(unfinished).catch(() => undefined); // the first error is the one to report
  }
}
