/**
 * Reading JSON that others wrote: every access says what was expected where, so a plan with a missing key or a wrong type ends in one
 * sentence and not in a TypeError. `where` is a path for people: `file: tasks[0].labels_map`.
 */
import { parseJson as parseText, shownJson } from '../../io/parseJson.ts';
import { errorText, UserError } from '../../platform.ts';

export type JsonObject = Record<string, unknown>;

function wrong(where: string, expected: string, found: unknown): UserError {
  return new UserError(`${where}: ${expected} expected, ${shownJson(found, 60)} found.`);
}

export function asObject(value: unknown, where: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(where, 'an object', value);
  return value as JsonObject;
}

export function asArray(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw wrong(where, 'a list', value);
  return value;
}

export function asString(value: unknown, where: string): string {
  if (typeof value !== 'string') throw wrong(where, 'a text', value);
  return value;
}

export function asNumber(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw wrong(where, 'a number', value);
  return value;
}

export function asIndex(value: unknown, where: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw wrong(where, 'a whole number from 0', value);
  return value;
}

export function asNumbers(value: unknown, count: number, where: string): number[] {
  const list = asArray(value, where);
  if (list.length !== count) throw wrong(where, `${count} numbers`, value);
  return list.map((item, i) => asNumber(item, `${where}[${i}]`));
}

/** A map of texts, such as labels_map; absent maps are empty. */
export function asTexts(value: unknown, where: string): Map<string, string> {
  if (value === undefined || value === null) return new Map();
  return new Map(Object.entries(asObject(value, where)).map(([key, text]) => [key, asString(text, `${where}.${key}`)]));
}

export function parseJson(bytes: Uint8Array, where: string): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${where}: not UTF-8 text. Save the file as UTF-8, or fetch it again.`);
  }
  try {
    return parseText(text);
  } catch (cause) {
    const repaired = withoutBareNumbers(text);
    if (repaired !== undefined) return repaired;
    throw new UserError(`${where}: not valid JSON (${errorText(cause)}). Fetch the file again.`);
  }
}

/**
 * Python writes NaN and Infinity, which JSON has not; as null they matter only where a number is needed. Undefined where that is not all
 * that is wrong.
 */
function withoutBareNumbers(text: string): unknown {
  if (!/NaN|Infinity/.test(text)) return undefined;
  try {
    const found = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b/gs;
    const repaired = text.replace(found, (one) => (one.startsWith('"') ? one : 'null')); // millions of escapes are too many for it
    return parseText(repaired);
  } catch {
    return undefined;
  }
}
