/**
 * JSON that others wrote. JSON.parse takes lists within lists as deep as memory goes, and whatever walks or shows the value afterwards then
 * runs out of stack; so the depth is looked at first. No file that is read here nests deeper than twenty.
 */

const MAX_DEPTH = 256;

/** @throws SyntaxError with the reason, as JSON.parse; the caller says which file */
export function parseJson(text: string): unknown {
  const at = tooDeep(text);
  if (at !== undefined) throw new SyntaxError(`lists and objects are nested more than ${MAX_DEPTH} deep at character ${at}`);
  return JSON.parse(text) as unknown;
}

/** Where the text goes deeper than it may. */
function tooDeep(text: string): number | undefined {
  if (text.length <= MAX_DEPTH) return undefined; // as the many lines of a log are
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
    } else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      if (++depth > MAX_DEPTH) return at;
    } else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--;
  }
  return undefined;
}

/** The first key that occurs twice at the top level of a valid JSON object: JSON.parse would silently keep the last one. */
export function duplicateKey(text: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === OPEN_LIST || code === OPEN_OBJECT) depth++;
    else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--;
    else if (code === QUOTE) {
      const end = endOfString(text, at);
      if (depth === 1 && isKey(text, end + 1)) {
        const key = JSON.parse(text.slice(at, end + 1)) as string;
        if (seen.has(key)) return key;
        seen.add(key);
      }
      at = end;
    }
  }
  return undefined;
}

/** Whether a colon follows, after white space. */
function isKey(text: string, from: number): boolean {
  let at = from;
  while (' \t\n\r'.includes(text.charAt(at)) && at < text.length) at++;
  return text.charAt(at) === ':';
}

/** Of the quote that ends a string; the end of the text where none does. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    at = text.indexOf('"', at);
    if (at < 0) return text.length;
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return at;
  }
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** A value for a message, cut where it is long. */
export function shownJson(value: unknown, most = 200): string {
  if (value === undefined) return 'nothing';
  // Whole numbers of 64 bits, as Parquet has them, are none of JSON's, and of what is no value at all it makes nothing.
  const text =
    (JSON.stringify(value, (_, item: unknown) => (typeof item === 'bigint' ? String(item) : item)) as string | undefined) ??
    `a ${typeof value}`;
  return text.length > most ? `${text.slice(0, most - 3)}…` : text;
}

/** A text of a server or file, whatever it gave in its place; String() runs what an object brings along under the name toString. */
export function textOrNothing(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}
