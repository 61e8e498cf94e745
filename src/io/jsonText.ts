/**
 * Changes to a JSON file in its text, where reading and writing it again would lose something: JavaScript turns Python's `1e6` and
 * `1000000.0` into the integer 1000000, which strict readers of a configuration refuse.
 */

/** The text with the member at `path` set to `value`; added where the object lacks it. Unchanged where an object on the way is missing. */
export function withJsonMember(text: string, path: readonly string[], value: boolean | string): string {
  let open = text.indexOf('{');
  for (const [depth, key] of path.entries()) {
    const found = membersOf(text, open).get(key);
    if (depth < path.length - 1) {
      if (found === undefined || text[found.start] !== '{') return text;
      open = found.start;
    } else if (found !== undefined) return text.slice(0, found.start) + JSON.stringify(value) + text.slice(found.end);
    else return insertMember(text, open, `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
  }
  return text;
}

/** The text without a member of the outermost object. */
export function withoutJsonMember(text: string, key: string): string {
  const found = membersOf(text, text.indexOf('{')).get(key);
  if (found === undefined) return text;
  const name = JSON.stringify(key);
  const start = text.lastIndexOf(name, found.start - 1);
  const after = /^\s*,\s*/.exec(text.slice(found.end));
  if (after) return text.slice(0, start) + text.slice(found.end + after[0].length);
  return text.slice(0, start).replace(/,?\s*$/, '') + text.slice(found.end);
}

/** As the first member, indented as the one that was first. */
function insertMember(text: string, open: number, member: string): string {
  const space = /^\s*/.exec(text.slice(open + 1))![0];
  const isEmpty = text[open + 1 + space.length] === '}';
  return `${text.slice(0, open + 1)}${isEmpty ? '' : space}${member}${isEmpty ? '' : ','}${text.slice(open + 1)}`;
}

/**
 * Where the values of an object stand in the text; `open` is its brace. The last of two members with one name counts, as for JSON.parse.
 */
function membersOf(text: string, open: number): Map<string, { start: number; end: number }> {
  const members = new Map<string, { start: number; end: number }>();
  const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g;
  tokens.lastIndex = open;
  let depth = 0;
  let key: string | undefined;
  let value: { start: number; end: number } | undefined;
  for (let match = tokens.exec(text); match !== null; match = tokens.exec(text)) {
    const token = match[0];
    if (depth === 1 && token === ':') continue;
    if (depth === 1 && (token === ',' || token === '}')) {
      if (key !== undefined && value !== undefined) members.set(key, value);
      key = value = undefined;
      if (token === '}') break;
      continue;
    }
    if (depth === 1 && key === undefined) {
      key = JSON.parse(token) as string;
      continue;
    }
    if (depth > 0) value = { start: value?.start ?? match.index, end: match.index + token.length };
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
  }
  return members;
}
