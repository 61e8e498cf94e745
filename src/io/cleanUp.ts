/**
 * Clearing up after work that may have failed: on a disk that is full or read-only the clearing fails too, and its error must not stand in
 * place of the first.
 */

/** @throws what `work` threw; what `cleanUp` threw only where `work` was well */
export async function withCleanUp<T>(work: () => Promise<T>, cleanUp: () => Promise<void>): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await cleanUp().catch(() => undefined);
    throw error;
  }
  await cleanUp();
  return result;
}
