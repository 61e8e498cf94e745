/** Hostile variants of good files: bytes changed, cut, doubled and inserted; values of JSON replaced by what nobody expects; seeded by fast-check. */
import fc from 'fast-check';

/** What readers of numbers, sizes, names and texts trip over. Small to write, whatever it stands for. */
const NASTY: readonly unknown[] = [
  null, true, false, 0, -0, -1, 0.5, 1, 3, 255, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, 1e9, 1e18, 1e308, -1e308, 5e-324,
  '', ' ', '\0', '\x1b[2J', '\u202e', '\ud800', '../../etc/passwd', '/dev/zero', 'NaN', 'constructor', '__proto__', 'toString', 'x'.repeat(5000), '𝒳'.repeat(99),
  '(a+)+$', '((((', '\\', '[', '{{', '{% for', '{{ messages }}', '<image>', '<image>'.repeat(50),
  [], [[]], [null], [1, 2, 3], ['a'], {}, { toString: 1 }, { content: 1 }, { type: 'image' }, { type: 'text' }, { length: 1e9 }, { Regex: '(x+x+)+y' },
  [[[[[[[[[[]]]]]]]]]], Array.from({ length: 300 }, (_, i) => i),
];
/** Of JSON as text: what JSON.stringify cannot write. */
const NASTY_TEXT: readonly string[] = ['NaN', '-Infinity', '1e999', '01', '"\\ud800"', '{"__proto__":{"a":1}}', '{"a":1,"a":2}', '['.repeat(3000), '{"a":'.repeat(1000), '"\\u0000"', '\x00', '﻿', "'a'"];

type Path = (string | number)[];

function placesIn(value: unknown, path: Path = [], out: Path[] = []): Path[] {
  out.push(path);
  if (typeof value === 'object' && value !== null && out.length < 5000) {
    for (const [key, one] of Object.entries(value)) placesIn(one, [...path, Array.isArray(value) ? Number(key) : key], out);
  }
  return out;
}

const HOLE = '@@hole@@';

interface JsonEdit {
  /** Which place. */
  at: number;
  how: 'replace' | 'remove' | 'rename' | 'double' | 'text';
  what: number;
}

const jsonEdit: fc.Arbitrary<JsonEdit> = fc.record({
  at: fc.nat(),
  how: fc.oneof({ weight: 6, arbitrary: fc.constant('replace' as const) }, fc.constantFrom('remove', 'rename', 'double', 'text')),
  what: fc.nat(10_000),
});

function edited(value: unknown, edits: readonly JsonEdit[]): string {
  let root = structuredClone(value);
  let text: string | undefined;
  for (const { at, how, what } of edits) {
    const places = placesIn(root);
    const path = places[at % places.length]!;
    const nasty = structuredClone(NASTY[what % NASTY.length]);
    const last = path.at(-1);
    if (last === undefined) {
      if (how === 'replace' && what % 7 === 0) root = nasty;
      continue;
    }
    const holder = path.slice(0, -1).reduce<unknown>((inner, key) => (inner as Record<string, unknown>)[key], root) as Record<string, unknown>;
    if (how === 'replace') holder[last] = nasty;
    else if (how === 'text') [holder[last], text] = [HOLE, NASTY_TEXT[what % NASTY_TEXT.length]];
    else if (how === 'remove') delete holder[last];
    else if (how === 'double' && Array.isArray(holder)) holder.push(holder[Number(last)]);
    else if (how === 'rename' && !Array.isArray(holder)) holder[JSON.stringify(NASTY[what % NASTY.length]).replaceAll('"', '')] = holder[last];
  }
  const written = JSON.stringify(root);
  return text === undefined ? written : written.replace(`"${HOLE}"`, () => text);
}

/** JSON of which the value, now and then the text, is wrong. */
export function hostileJson(value: unknown): fc.Arbitrary<Uint8Array> {
  const ofValue = fc.array(jsonEdit, { minLength: 1, maxLength: 4 }).map((edits) => new TextEncoder().encode(edited(value, edits)));
  return fc.oneof({ weight: 5, arbitrary: ofValue }, hostileBytes(new TextEncoder().encode(JSON.stringify(value))));
}

/** Values of JSON that are wrong, as servers give them. */
export function hostileValue(value: unknown): fc.Arbitrary<unknown> {
  const plain = fc.array(jsonEdit.filter(({ how }) => how !== 'text'), { minLength: 1, maxLength: 4 });
  return plain.map((edits) => JSON.parse(edited(value, edits)) as unknown);
}

const marks = fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xfe, 0xff, ...new TextEncoder().encode('{}[]",:\\0-.eE ntu<>%\n\r'));

/** @param most edited bytes lie before it: where headers are */
export function hostileBytes(good: Uint8Array, most = good.length): fc.Arbitrary<Uint8Array> {
  const place = fc.nat(Math.max(0, Math.min(most, good.length) - 1));
  const edit = fc.oneof(
    { weight: 6, arbitrary: fc.record({ how: fc.constant('set' as const), at: place, value: fc.oneof(marks, fc.nat(255)) }) },
    fc.record({ how: fc.constantFrom('insert', 'erase', 'repeat', 'fill'), at: place, value: fc.oneof(marks, fc.nat(255)) }),
  );
  const cut = fc.option(fc.nat(good.length), { freq: 5 });
  return fc.tuple(fc.array(edit, { maxLength: 6 }), cut).map(([edits, length]) => {
    let bytes = Uint8Array.from(good.subarray(0, length ?? undefined));
    for (const { how, at, value } of edits) {
      if (how === 'set' && at < bytes.length) bytes[at] = value;
      else if (how === 'fill') bytes.fill(value, at, at + 4);
      else if (how === 'erase') bytes = joined(bytes.subarray(0, at), bytes.subarray(at + 1 + (value % 8)));
      else if (how === 'insert') bytes = joined(bytes.subarray(0, at), new Uint8Array(1 + (value % 64)).fill(value), bytes.subarray(at));
      else if (how === 'repeat') bytes = joined(bytes.subarray(0, at), bytes.subarray(Math.max(0, at - value), at), bytes.subarray(at));
    }
    return bytes;
  });
}

export function hostileText(good: string): fc.Arbitrary<Uint8Array> {
  const inserted = fc.tuple(fc.nat(good.length), fc.constantFrom(...NASTY.filter((one) => typeof one === 'string')));
  const withText = fc.array(inserted, { minLength: 1, maxLength: 3 }).map((edits) =>
    new TextEncoder().encode(edits.reduce((text, [at, what]) => text.slice(0, at) + what + text.slice(at), good)),
  );
  return fc.oneof(withText, hostileBytes(new TextEncoder().encode(good)));
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts));
}
