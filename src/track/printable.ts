/**
 * Text for a terminal or a log: what files and servers put into messages must not move the cursor, recolour, or turn the order of letters
 * around, for a line could then say something that nobody wrote. Such characters are shown as JSON writes them, `\\u001b`; a line of JSON
 * therefore keeps its meaning.
 */

/** How programs redraw a line. Only a write as a whole may begin or end with it. */
export const CLEAR_LINE = '\r\x1b[K';

/** C0 but for tab and line break, DEL, C1; line separators; marks, embeddings, overrides and isolates of bidirectional text. */
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb]/g;

export function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(CONTROLS, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The same of what is written to a terminal at once, with the redrawing before and after it. */
export function printableWrite(text: string): string {
  const isCleared = text.startsWith(CLEAR_LINE);
  const rest = isCleared ? text.slice(CLEAR_LINE.length) : text;
  const isClearedAfter = rest.endsWith(CLEAR_LINE);
  const middle = isClearedAfter ? rest.slice(0, -CLEAR_LINE.length) : rest;
  return (isCleared ? CLEAR_LINE : '') + printable(middle) + (isClearedAfter ? CLEAR_LINE : '');
}
