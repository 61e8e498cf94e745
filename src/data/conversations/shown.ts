/** How values of a row are told apart and shown in messages. */

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array) && !(value instanceof Date);
}

/**
 * Nothing that could be lost: null, an empty text, list or object, or one that holds only such. Python's `datasets` fills the keys that a
 * row does not have with nulls, in depth; and lists of tools are also written as text.
 */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (typeof value === 'string') return ['', '[]', '{}', 'null', 'None'].includes(value.trim());
  if (value instanceof Uint8Array) return value.length === 0;
  if (Array.isArray(value)) return value.every(isEmpty);
  return isObject(value) && Object.values(value).every(isEmpty);
}

/** A value for messages, cut where it is long. */
export function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  // What JSON has no word for, as a function or a symbol, is undefined there.
  const json = JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'bigint' ? Number(part) : part instanceof Uint8Array ? `(${part.length} bytes)` : part,
  ) as string | undefined;
  const text = json ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
