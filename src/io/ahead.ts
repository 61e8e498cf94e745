/**
 * Work that is begun before its result is wanted: the next batch's rows, while this one is computed. Whoever began it may leave before the
 * result is asked for, since the run was stopped or failed elsewhere; what becomes of the work then (a data worker that is ended under it)
 * concerns nobody, while a runtime ends a process for a rejection that nobody handles.
 */

/** Begins `work`, whose failure is told where it is awaited, and only there. */
export function ahead<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined);
  return work;
}

/** What `work` gives; undefined once the signal is aborted, whatever becomes of the work, which is not waited for. */
export async function unlessStopped<T extends object>(work: Promise<T>, stop: AbortSignal | undefined): Promise<T | undefined> {
  if (stop === undefined) return work;
  void ahead(work);
  let leave = (): void => undefined;
  const stopped = new Promise<undefined>((resolve) => {
    leave = () => resolve(undefined);
  });
  if (stop.aborted) return undefined;
  stop.addEventListener('abort', leave);
  try {
    const result = await Promise.race([work, stopped]);
    return stop.aborted ? undefined : result;
  } catch (error) {
    if (stop.aborted) return undefined;
    throw error;
  } finally {
    stop.removeEventListener('abort', leave);
  }
}
