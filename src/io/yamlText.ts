/**
 * YAML that others wrote. It may be from strangers: the library composes nested values by calling itself, and has regular expressions that
 * a whole page of dashes breaks, so the depth is looked at first, as for JSON.
 */
import { Lexer, parseDocument, Parser } from 'yaml';
import type { Document } from 'yaml';
import { errorText, UserError } from '../platform.ts';

/** Recipes have some dozen lines, templates of answers some hundred. */
const MAX_CHARACTERS = 2 ** 16;
/** A recipe has lists in a map. */
const MAX_DEPTH = 64;

/** @throws UserError for what is too long, nested too deep, or unfolds to more than anybody writes */
export function parsedYaml(text: string, path: string): { document: Document.Parsed; value: unknown } {
  if (text.length > MAX_CHARACTERS)
    throw new UserError(`${path}: ${text.length} characters; a few thousand were expected. Check the path.`);
  const deep = tooDeep(text);
  if (deep !== undefined) throw notUsable(`${path}:${deep}`, NESTED);
  try {
    const document = parseDocument(text, { prettyErrors: true, logLevel: 'error' });
    const value: unknown = document.errors.length > 0 ? undefined : document.toJS({ maxAliasCount: 100 });
    if (isDeeper(value)) throw new RangeError();
    return { document, value };
  } catch (error) {
    throw notUsable(path, error instanceof RangeError ? NESTED : errorText(error));
  }
}

const NESTED = `lists and maps are nested more than ${MAX_DEPTH} deep`;

function notUsable(where: string, why: string): UserError {
  return new UserError(`${where}: not usable YAML: ${why}.`);
}

/** The line where the text goes deeper than it may: by the library's own tokens, whose parser keeps a stack and does not call itself. */
function tooDeep(text: string): number | undefined {
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    parser.next(lexeme).next(); // a document that ends is of no interest here
    if (parser.stack.length > MAX_DEPTH + OUTSIDE) return text.slice(0, parser.offset).split('\n').length;
  }
  return undefined;
}

/** On the parser's stack beside lists and maps: the document, and a word. */
const OUTSIDE = 2;

/** A chain of aliases is deep without a bracket. What is met on several ways is looked at once a level. */
function isDeeper(value: unknown): boolean {
  let level = new Set([value]);
  for (let depth = 0; level.size > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    const inner = new Set<unknown>();
    for (const item of level)
      if (typeof item === 'object' && item !== null) for (const one of Object.values(item)) if (typeof one === 'object') inner.add(one);
    level = inner;
  }
  return false;
}
