/** A page, held against what every page of ours must be: well-formed, alone, and without a word of the data read as HTML. */

const VOID = new Set(['meta', 'br', 'link', 'img']);

export interface ParsedPage {
  /** Start tags in their order: name and attributes. */
  tags: { name: string; attributes: Record<string, string> }[];
  /** What is read, with entities as they are. */
  text: string;
}

/** @throws Error for a tag that is not closed, closed twice, or has a bare `<`, `&` or attribute */
export function parsePage(html: string): ParsedPage {
  const page: ParsedPage = { tags: [], text: '' };
  const open: string[] = [];
  const rest = html.replace(/^<!doctype html>\n/, '').replace(/<style>[^<]*<\/style>/, '');
  let done = 0;
  for (const match of rest.matchAll(/<([^>]*)>/g)) {
    page.text += checked(rest.slice(done, match.index));
    done = match.index + match[0].length;
    const inner = match[1] ?? '';
    const closing = /^\/([a-z0-9]+)$/i.exec(inner)?.[1];
    if (closing !== undefined) {
      const last = open.pop();
      if (last !== closing) throw new Error(`</${closing}> closes <${last ?? 'nothing'}>`);
      continue;
    }
    const parts = /^([a-z][a-z0-9]*)((?:\s+[a-zA-Z][\w-]*(?:="[^"<]*")?)*)\s*(\/?)$/i.exec(inner);
    if (parts === null) throw new Error(`no tag: <${inner.slice(0, 120)}>`);
    const [, name = '', given = '', slash] = parts;
    const attributes = [...given.matchAll(/([a-zA-Z][\w-]*)(?:="([^"]*)")?/g)].map(([, key = '', value = '']) => [key, checked(value)] as const);
    page.tags.push({ name, attributes: Object.fromEntries(attributes) });
    if (slash !== '/' && !VOID.has(name)) open.push(name);
  }
  page.text += checked(rest.slice(done));
  if (open.length > 0) throw new Error(`not closed: ${open.join(', ')}`);
  return page;
}

function checked(text: string): string {
  const bare = /[<>]|&(?!(?:amp|lt|gt|quot|#39);)/.exec(text);
  if (bare) throw new Error(`not escaped: ${text.slice(Math.max(0, bare.index - 40), bare.index + 40)}`);
  return text;
}

/** References to anything outside the page, scripts, and styles that the policy would not let through. */
export function outside({ tags }: ParsedPage): string[] {
  return tags.flatMap(({ name, attributes }) => {
    const found = ['script', 'iframe', 'object', 'embed', 'base', 'form', 'link'].includes(name) ? [name] : [];
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith('on') || key === 'style') found.push(`${name} ${key}`);
      if (['src', 'href', 'xlink:href'].includes(key) && !value.startsWith('data:image/png;base64,') && !value.startsWith('#'))
        found.push(`${name} ${key}=${value}`);
    }
    return found;
  });
}
