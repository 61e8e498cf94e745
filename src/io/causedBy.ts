/** Whether an error is how work ended when its signal asked it to. */
export function isCausedBy(error: unknown, stop: AbortSignal): boolean {
  if (!stop.aborted) return false;
  let cause = error;
  while (cause !== stop.reason && cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  return cause === stop.reason;
}
