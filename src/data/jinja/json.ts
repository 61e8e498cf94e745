/** The filter `tojson` of transformers' chat templates: `json.dumps` with `ensure_ascii=False`, and its options. */
import { TemplateFailure } from './failures.ts';
import { compareValues } from './comparison.ts';
import { printedFloat } from './printing.ts';
import { Dict, SafeText, Tuple, typeName } from './values.ts';
import type { Value } from './values.ts';

export interface JsonOptions {
  ensureAscii: boolean;
  /** White space of one level; undefined for all on one line. */
  indent: string | undefined;
  itemSeparator: string;
  keySeparator: string;
  sortKeys: boolean;
}

/** @throws TemplateFailure for what JSON cannot hold */
export function toJson(value: Value, options: JsonOptions, depth = 0): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return jsonFloat(value);
  if (typeof value === 'string') return jsonText(value, options.ensureAscii);
  if (value instanceof SafeText) return jsonText(value.text, options.ensureAscii);
  if (Array.isArray(value) || value instanceof Tuple) {
    const items = Array.isArray(value) ? value : value.items;
    return enclosed(
      '[',
      items.map((item) => toJson(item, options, depth + 1)),
      ']',
      options,
      depth,
    );
  }
  if (value instanceof Dict) {
    const entries = value.entries();
    if (options.sortKeys) entries.sort(([a], [b]) => compareValues(a, b));
    const members = entries.map(
      ([key, entry]) => `${jsonText(jsonKey(key), options.ensureAscii)}${options.keySeparator}${toJson(entry, options, depth + 1)}`,
    );
    return enclosed('{', members, '}', options, depth);
  }
  throw new TemplateFailure(`Object of type ${typeName(value)} is not JSON serializable`);
}

function enclosed(open: string, items: string[], close: string, options: JsonOptions, depth: number): string {
  if (items.length === 0 || options.indent === undefined) return open + items.join(options.itemSeparator) + close;
  const line = (level: number): string => `\n${(options.indent ?? '').repeat(level)}`;
  return open + line(depth + 1) + items.join(options.itemSeparator + line(depth + 1)) + line(depth) + close;
}

function jsonFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  return printedFloat(value);
}

function jsonKey(key: Value): string {
  if (typeof key === 'string') return key;
  if (typeof key === 'number') return jsonFloat(key);
  if (key === null || typeof key === 'boolean' || typeof key === 'bigint') return String(key);
  throw new TemplateFailure(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
}

/** What JSON must escape. */
const CONTROL = new RegExp('["\\\\\\x00-\\x1f]', 'g');
const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\f': '\\f',
  '\b': '\\b',
};

function jsonText(text: string, ensureAscii: boolean): string {
  const special = ensureAscii ? /["\\]|[^ -~]/g : CONTROL;
  return `"${text.replace(special, (unit) => SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`;
}
