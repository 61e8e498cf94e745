/** An error of a library in words: for what calls itself on a stranger's nested values, the system's own say nothing of the file. */
export function errorWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isOutOfStack(error) ? 'its values are nested too deep' : error.message;
}

/** V8 and JavaScriptCore say the one, Firefox the other. */
function isOutOfStack({ message }: Error): boolean {
  return /^Maximum call stack size exceeded|^too much recursion/.test(message);
}
