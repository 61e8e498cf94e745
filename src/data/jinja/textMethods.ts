/** Methods of Python's `str`. */
import { bind, integer, optionalText, text } from './arguments.ts';
import { TemplateFailure } from './failures.ts';
import { formatFields } from './formatting.ts';
import {
  capitalize,
  characters,
  isSpace,
  splitAt,
  splitAtFromRight,
  splitLines,
  splitWords,
  splitWordsFromRight,
  stripLeft,
  stripRight,
  textLength,
  titled,
} from './pythonText.ts';
import { sliceIndices } from './operators.ts';
import { Tuple, isTrue, iterate, typeName } from './values.ts';
import type { Arguments, Value } from './values.ts';

type Method = (self: string, given: Arguments) => Value;

/** All that `dir(str)` names and that is not done here is refused by name. */
export const UNSUPPORTED_TEXT_METHODS: ReadonlySet<string> = new Set([
  'casefold',
  'encode',
  'format_map',
  'isnumeric',
  'maketrans',
  'translate',
  'istitle',
]);

export const TEXT_METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ['upper', plain('upper', (self) => self.toUpperCase())],
  ['lower', plain('lower', (self) => self.toLowerCase())],
  ['title', plain('title', titled)],
  ['capitalize', plain('capitalize', capitalize)],
  [
    'swapcase',
    plain('swapcase', (self) =>
      characters(self)
        .map((letter) => (/\p{Uppercase}/u.test(letter) ? letter.toLowerCase() : letter.toUpperCase()))
        .join(''),
    ),
  ],
  ['strip', stripping('strip', (self, chars) => stripLeft(stripRight(self, chars), chars))],
  ['lstrip', stripping('lstrip', stripLeft)],
  ['rstrip', stripping('rstrip', stripRight)],
  ['startswith', affix('startswith', (self, part) => self.startsWith(part))],
  ['endswith', affix('endswith', (self, part) => self.endsWith(part))],
  ['split', splitting('split', splitWords, splitAt)],
  ['rsplit', splitting('rsplit', splitWordsFromRight, splitAtFromRight)],
  ['splitlines', (self, given) => splitLines(self, isTrue(bind('splitlines', ['keepends?'], given)[0] ?? false))],
  [
    'replace',
    (self, given) => {
      const [from, to, count] = bind('replace', ['/old', '/new', '/count?'], given);
      return replaced(self, text('replace', from), text('replace', to), integer('replace', count, -1));
    },
  ],
  [
    'join',
    (self, given) => {
      const [items] = bind('join', ['/iterable'], given);
      const parts = [...iterate(items as Value)].map((item, i) => {
        if (typeof item !== 'string') throw new TemplateFailure(`sequence item ${i}: expected str instance, ${typeName(item)} found`);
        return item;
      });
      return parts.join(self);
    },
  ],
  [
    'removeprefix',
    (self, given) => {
      const prefix = text('removeprefix', bind('removeprefix', ['/prefix'], given)[0]);
      return self.startsWith(prefix) ? self.slice(prefix.length) : self;
    },
  ],
  [
    'removesuffix',
    (self, given) => {
      const suffix = text('removesuffix', bind('removesuffix', ['/suffix'], given)[0]);
      return suffix !== '' && self.endsWith(suffix) ? self.slice(0, -suffix.length) : self;
    },
  ],
  [
    'partition',
    (self, given) => {
      const separator = separatorOf('partition', given);
      const at = self.indexOf(separator);
      return new Tuple(at < 0 ? [self, '', ''] : [self.slice(0, at), separator, self.slice(at + separator.length)]);
    },
  ],
  [
    'rpartition',
    (self, given) => {
      const separator = separatorOf('rpartition', given);
      const at = self.lastIndexOf(separator);
      return new Tuple(at < 0 ? ['', '', self] : [self.slice(0, at), separator, self.slice(at + separator.length)]);
    },
  ],
  ['count', within('count', (self, part) => (part === '' ? textLength(self) + 1 : self.split(part).length - 1))],
  ['find', within('find', (self, part) => found(self, self.indexOf(part)), true)],
  ['rfind', within('rfind', (self, part) => found(self, self.lastIndexOf(part)), true)],
  ['index', within('index', (self, part) => required(found(self, self.indexOf(part))), true)],
  ['rindex', within('rindex', (self, part) => required(found(self, self.lastIndexOf(part))), true)],
  [
    'center',
    filling('center', (self, missing, width, fill) => {
      const left = Math.floor(missing / 2) + (missing & width & 1);
      return fill.repeat(left) + self + fill.repeat(missing - left);
    }),
  ],
  ['ljust', filling('ljust', (self, missing, _, fill) => self + fill.repeat(missing))],
  ['rjust', filling('rjust', (self, missing, _, fill) => fill.repeat(missing) + self)],
  [
    'zfill',
    (self, given) => {
      const missing = Math.max(0, integer('zfill', bind('zfill', ['/width'], given)[0]) - textLength(self));
      const sign = /^[-+]/.exec(self)?.[0] ?? '';
      return sign + '0'.repeat(missing) + self.slice(sign.length);
    },
  ],
  [
    'expandtabs',
    (self, given) => {
      const size = integer('expandtabs', bind('expandtabs', ['tabsize?'], given)[0], 8);
      let column = 0;
      return characters(self)
        .map((letter) => {
          const shown = letter === '\t' ? ' '.repeat(size > 0 ? size - (column % size) : 0) : letter;
          column = letter === '\n' || letter === '\r' ? 0 : column + shown.length;
          return shown;
        })
        .join('');
    },
  ],
  ['format', formatFields],
  ['isspace', plain('isspace', isSpace)],
  ['isalpha', plain('isalpha', (self) => /^\p{L}+$/u.test(self))],
  ['isdecimal', plain('isdecimal', (self) => /^\p{Nd}+$/u.test(self))],
  ['isdigit', plain('isdigit', (self) => /^[\p{Nd}²³¹⁰⁴-⁹₀-₉①-⑨⑴-⑼⒈-⒐⓪⓵-⓽⓿❶-❾➀-➈➊-➒]+$/u.test(self))],
  ['isalnum', plain('isalnum', (self) => /^[\p{L}\p{N}]+$/u.test(self))],
  ['isascii', plain('isascii', (self) => !/[^\0-\x7f]/.test(self))],
  ['isidentifier', plain('isidentifier', (self) => /^[\p{ID_Start}_]\p{ID_Continue}*$/u.test(self))],
  ['isprintable', plain('isprintable', (self) => !/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.test(self))],
  ['islower', plain('islower', isLower)],
  ['isupper', plain('isupper', isUpper)],
]);

export function isLower(self: string): boolean {
  return /\p{Lowercase}/u.test(self) && !/[\p{Uppercase}\p{Lt}]/u.test(self);
}

export function isUpper(self: string): boolean {
  return /\p{Uppercase}/u.test(self) && !/[\p{Lowercase}\p{Lt}]/u.test(self);
}

function plain(name: string, of: (self: string) => Value): Method {
  return (self, given) => {
    bind(name, [], given);
    return of(self);
  };
}

function stripping(name: string, of: (self: string, chars?: string) => string): Method {
  return (self, given) => of(self, optionalText(name, bind(name, ['/chars?'], given)[0]));
}

function splitting(
  name: string,
  words: (self: string, limit: number) => string[],
  at: (self: string, separator: string, limit: number) => string[],
): Method {
  return (self, given) => {
    const [separator, limit] = bind(name, ['sep?', 'maxsplit?'], given);
    const sought = optionalText(name, separator);
    if (sought === '') throw new TemplateFailure('empty separator');
    const most = integer(name, limit, -1);
    return sought === undefined ? words(self, most) : at(self, sought, most);
  };
}

function affix(name: string, test: (self: string, part: string) => boolean): Method {
  return (self, given) => {
    const [part, start, end] = bind(name, ['/part', '/start?', '/end?'], given);
    const all = textLength(self);
    const window = windowOf(self, start ?? null, end ?? null);
    // A start after the end of the text finds not even the empty part.
    if (numberAbove(start, all)) return false;
    const parts = part instanceof Tuple ? part.items : [part as Value];
    return parts.some((candidate) => test(window.text, text(`${name} first arg must be str or a tuple of str`, candidate)));
  };
}

function numberAbove(value: Value | undefined, length: number): boolean {
  return typeof value === 'bigint' && value > BigInt(length);
}

function windowOf(self: string, start: Value, end: Value): { text: string; start: number } {
  if (start === null && end === null) return { text: self, start: 0 };
  const all = characters(self);
  const indices = sliceIndices(all.length, start, end, null);
  return { text: all.slice(indices.start, indices.stop).join(''), start: indices.start };
}

/** Methods that look for a part in `self[start:end]`; `isPosition` where the result counts from the start of the whole text. */
function within(name: string, of: (self: string, part: string) => number, isPosition = false): Method {
  return (self, given) => {
    const [part, start, end] = bind(name, ['/sub', '/start?', '/end?'], given);
    const window = windowOf(self, start ?? null, end ?? null);
    const sought = text(name, part);
    if (numberAbove(start, textLength(self))) return isPosition ? BigInt(of('', 'x')) : 0n;
    const result = of(window.text, sought);
    return BigInt(isPosition && result >= 0 ? result + window.start : result);
  };
}

function found(self: string, at: number): number {
  return at < 0 ? -1 : textLength(self.slice(0, at));
}

function required(at: number): number {
  if (at < 0) throw new TemplateFailure('substring not found');
  return at;
}

function separatorOf(name: string, given: Arguments): string {
  const separator = text(name, bind(name, ['/sep'], given)[0]);
  if (separator === '') throw new TemplateFailure('empty separator');
  return separator;
}

function filling(name: string, of: (self: string, missing: number, width: number, fill: string) => string): Method {
  return (self, given) => {
    const [width, fill] = bind(name, ['/width', '/fillchar?'], given);
    const letter = fill === undefined ? ' ' : text(name, fill);
    if (textLength(letter) !== 1) throw new TemplateFailure('The fill character must be exactly one character long');
    const wanted = integer(name, width);
    const missing = wanted - textLength(self);
    return missing <= 0 ? self : of(self, missing, wanted, letter);
  };
}

/** `str.replace`; an empty part stands before every character and after the last. */
export function replaced(self: string, from: string, to: string, count: number): string {
  if (count < 0 && from !== '') return self.replaceAll(from, () => to);
  const parts = from === '' ? ['', ...characters(self), ''] : self.split(from);
  const gaps = parts.length - 1;
  const most = count < 0 ? gaps : Math.min(count, gaps);
  return parts.map((part, i) => (i === 0 ? part : (i <= most ? to : from) + part)).join('');
}
