/**
 * Added tokens are cut out of a text before anything else is done with it. This is the algorithm of Python's `tokenizers`
 * (`AddedVocabulary`): the longest token at the leftmost place; those with `normalized` are looked for in the normalised text, after the
 * others; `lstrip` and `rstrip` take the white space beside them, and one with `single_word` is passed over where a letter, digit or
 * underscore stands beside it.
 */

export interface AddedToken {
  id: number;
  content: string;
  special: boolean;
  lstrip: boolean;
  rstrip: boolean;
  single_word: boolean;
  normalized: boolean;
}

/** A stretch of text, or the id of an added token. `isStart`: it starts where the whole text starts. */
export type Piece = { text: string; isStart: boolean } | { id: number };

/** `\w` and `\s` of Rust's regex. */
const WORD = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]';
const STARTS_WITH_WORD = new RegExp(`^${WORD}`, 'u');
const ENDS_WITH_WORD = new RegExp(`${WORD}$`, 'u');
const SPACE = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

interface Node {
  children: Map<string, Node>;
  token?: AddedToken;
}

interface Match {
  token: AddedToken;
  start: number;
  end: number;
}

/** Finds the longest of many texts at a place. */
class Trie {
  private readonly root: Node = { children: new Map() };

  add(text: string, token: AddedToken): void {
    let node = this.root;
    for (const unit of text.split('')) {
      let next = node.children.get(unit);
      if (next === undefined) node.children.set(unit, (next = { children: new Map() }));
      node = next;
    }
    node.token ??= token;
  }

  /** All matches, leftmost and longest first, none over another. */
  *matches(text: string): Iterable<Match> {
    for (let start = 0; start < text.length;) {
      let found: Match | undefined;
      let node = this.root.children.get(text.charAt(start));
      for (let at = start + 1; node !== undefined; at++) {
        if (node.token !== undefined) found = { token: node.token, start, end: at };
        node = at < text.length ? node.children.get(text.charAt(at)) : undefined;
      }
      if (found !== undefined) yield found;
      start = found === undefined ? start + 1 : found.end;
    }
  }
}

export class AddedTokens {
  private readonly ofText = new Trie();
  private readonly ofNormalizedText = new Trie();
  private readonly normalize: (text: string) => string;

  constructor(tokens: readonly AddedToken[], normalize: (text: string) => string) {
    this.normalize = normalize;
    // Of two tokens whose normalised texts are one, the special one counts.
    for (const token of [...tokens.filter(({ special }) => special), ...tokens.filter(({ special }) => !special)]) {
      if (!token.normalized) this.ofText.add(token.content, token);
      else if (normalize(token.content) !== '') this.ofNormalizedText.add(normalize(token.content), token);
    }
  }

  /** The text in its order: added tokens, and normalised text between them. */
  split(text: string): Piece[] {
    return cut(text, true, this.ofText).flatMap((piece) =>
      'id' in piece ? [piece] : cut(this.normalize(piece.text), piece.isStart, this.ofNormalizedText),
    );
  }
}

function cut(text: string, isStart: boolean, trie: Trie): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  const pushText = (end: number): void => {
    if (done < end) pieces.push({ text: text.slice(done, end), isStart: isStart && done === 0 });
  };
  for (const match of trie.matches(text)) {
    const { token } = match;
    if (
      token.single_word &&
      (ENDS_WITH_WORD.test(before(text, match.start)) || STARTS_WITH_WORD.test(text.slice(match.end, match.end + 2)))
    )
      continue;
    let { start, end } = match;
    if (token.lstrip) {
      while (start > 0 && SPACE.test(text.charAt(start - 1))) start--;
      start = Math.max(start, done);
    }
    if (token.rstrip) while (end < text.length && SPACE.test(text.charAt(end))) end++;
    // A token of white space that the one before has taken with it: nothing is left of it, and no id comes of nothing.
    if (start >= end) continue;
    pushText(start);
    pieces.push({ id: token.id });
    done = end;
  }
  pushText(text.length);
  return pieces;
}

/** The character before a place, which may be a surrogate pair. */
function before(text: string, at: number): string {
  return text.slice(Math.max(0, at - 2), at);
}
