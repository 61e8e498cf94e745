/** `str()` and `repr()` of Python's values: what `{{ … }}` prints. */
import { NotExact } from './failures.ts';
import { Callable, Dict, Generator, Loop, Namespace, Range, SafeText, Tuple, Undefined, View, typeName } from './values.ts';
import type { Value } from './values.ts';

export function printed(value: Value): string {
  if (typeof value === 'string') return value;
  if (value instanceof SafeText) return value.text;
  return value instanceof Undefined ? '' : represented(value);
}

export function represented(value: Value): string {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number') return printedFloat(value);
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `[${value.map(represented).join(', ')}]`;
  if (value instanceof Tuple) {
    const items = value.items.map(represented);
    return items.length === 1 ? `(${items[0] ?? ''},)` : `(${items.join(', ')})`;
  }
  if (value instanceof Dict) return representedDict(value);
  if (value instanceof Undefined) return 'Undefined';
  if (value instanceof Range) return `range(${value.start}, ${value.stop}${value.step === 1n ? '' : `, ${value.step}`})`;
  if (value instanceof View) return `dict_${value.kind}([${value.items().map(represented).join(', ')}])`;
  if (value instanceof Namespace) return `<Namespace ${representedDict(value.attributes)}>`;
  if (value instanceof Callable && value.printed !== undefined) return value.printed;
  if (value instanceof Generator || value instanceof Callable)
    throw new NotExact(`printing a ${typeName(value)} (its address, in Jinja2) is not supported`);
  throw new NotExact(`printing ${value instanceof Loop ? 'the variable loop' : 'a text marked as safe, quoted,'} is not supported`);
}

function representedDict(dict: Dict): string {
  return `{${dict
    .entries()
    .map(([key, value]) => `${represented(key)}: ${represented(value)}`)
    .join(', ')}}`;
}

/** The shortest digits that give the float back, as in JavaScript; the exponent starts earlier (1e16, 1e-05) and has two digits. */
export function printedFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.0';
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (value !== 0 && (power < -4 || power >= 16))
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  if (power >= 0) return Number.isInteger(value) ? `${BigInt(value)}.0` : String(value);
  const digits = mantissa.replace(/[-.]/g, '');
  return `${value < 0 ? '-' : ''}0.${'0'.repeat(-power - 1)}${digits}`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\\': '\\\\' };

function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const body = text.replace(/[\\'\p{C}\p{Z}]/gu, (letter) => {
    if (letter === ' ') return letter;
    if (letter === "'") return quote === "'" ? "\\'" : letter;
    const escape = ESCAPES[letter];
    if (escape !== undefined) return escape;
    const code = letter.codePointAt(0) ?? 0;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
  });
  return quote + body + quote;
}
