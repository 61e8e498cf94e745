/** Numbers out of what a model wrote. */

/**
 * `reference` is medvision_bm's way: the last k matches of `-?\d+\.?\d*`, which reads "1e2" as 2, "1,234.5" as 234.5, ".5" as 5, "35-37" as
 * −37, "35.2 (landmarks 1 and 2)" as 2 and "x2=0.3" as 2 and 0.3. `robust`, the default, looks inside the first `<answer>` block if there
 * is one (as later versions of the reference do), and reads all of these as people mean them; units are not converted.
 */
export type AnswerMode = 'robust' | 'reference';

/** The last k numbers of a text, or undefined if it has fewer: a failed answer. */
export function parseAnswer(text: string, k: number, mode: AnswerMode = 'robust'): number[] | undefined {
  const numbers = mode === 'reference' ? referenceNumbers(text).map((number) => Number(asciiDigits(number))) : robustNumbers(text, k);
  return numbers.length < k ? undefined : numbers.slice(-k);
}

/** What the reference keeps of an answer in `filtered_resps`: the last k numbers as they are written, or "" where there are fewer. */
export function referenceFiltered(text: string, k: number): string {
  const numbers = referenceNumbers(text);
  return numbers.length < k ? '' : numbers.slice(-k).join(',');
}

/** The matches of the reference's regular expression. Python's \d is any decimal digit of Unicode. */
function referenceNumbers(text: string): string[] {
  return text.match(/-?\p{Nd}+\.?\p{Nd}*/gu) ?? [];
}

const asciiDigits = (text: string): string => text.replace(/\p{Nd}/gu, (digit) => String(digitValue(digit)));

/**
 * Unicode keeps decimal digits in runs of ten from zero to nine (or of several tens), so the value is the distance from the start of the
 * run.
 */
function digitValue(digit: string): number {
  const code = digit.codePointAt(0) ?? 0;
  if (code < 128) return code - 48;
  let start = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start--;
  return (code - start) % 10;
}

/**
 * A number that is no part of a word ("axis1", "bbox_2d", "3D") and no tolerance ("±0.5"): sign, digits with or without thousands
 * separators, fraction, exponent. A minus is a sign only where no digit, letter or closing bracket is before it: "35-37" is a range.
 */
const START = String.raw`(?<![\p{L}_\d.]|±\s?)(?:(?<![\d\p{L})\]])([-+−]))?`;
const END = String.raw`([eE][-+]?\d+)?(?!\d|[dD]\b)`;
const PLAIN = new RegExp(String.raw`${START}(\d+(?:\.\d*)?|\.\d+)${END}`, 'gu');
const GROUPED = new RegExp(String.raw`${START}((?:\d{1,3}(?:,\d{3})+(?!\d|,\d)|\d+)(?:\.\d*)?|\.\d+)${END}`, 'gu');
/** "32x16": not a letter of a word. */
const TIMES = /(?<=\d)x(?=\.?\d)/gu;
/** "35,2" in a text without decimal points, as half of Europe writes it. */
const DECIMAL_COMMA = /(?<![\d.,])(\d+),(\d{1,2}|\d{4,})(?![\d.]|,\d)/gu;
/** "1. " or "2) " before a number at the start of a line: the count of a list. */
const LIST_MARK = /^[ \t]*\d+[.)][ \t]+(?=[-+−.\d])/gmu;
/** "3.5 × 10^2" */
const POWER_OF_TEN = /(\d\.?) ?[×x*·] ?10\^(?:\{([-+−]?\d+)\}|([-+−]?\d+))/gu;
/** A space that only ever groups digits (no-break, thin, narrow), or an apostrophe, before three of them. */
const GROUP_MARK = /(?<=\d)[\u00a0\u2009\u202f'’](?=\d{3}(?!\d))/gu;
/** "(landmarks 1 and 2)", "[slice 12]": a remark has words in it, brackets around an answer have none. */
const BRACKETS = /\([^()]*\)|\[[^[\]]*\]/gu;
/** "35-37", "35 to 37": two numbers without a sign, the second of which follows a hyphen, a dash or "to". */
const RANGE = /(?<![\p{L}_\d.,]|[-+−])(\d[\d,]*(?:\.\d+)?|\.\d+)\s*(?:[-–—]|to)\s*(?=\d|\.\d)/giu;

function robustNumbers(text: string, k: number): number[] {
  const clean = spelledOut(text);
  if (!/\.\d/u.test(clean) && [...clean.matchAll(DECIMAL_COMMA)].length === k)
    return robustNumbers(clean.replace(DECIMAL_COMMA, '$1.$2'), k);
  // From the narrowest reading to the widest; the first with enough numbers holds. Remarks do not count if the answer is there without
  // them. A range is one number, its end, if that leaves enough. And "100,200" is one number or two: which one shows in how many are asked
  // for.
  const spoken = [clean.replace(BRACKETS, (all) => (/\p{L}/u.test(all) ? ' ' : all)), clean];
  const readings = spoken.flatMap((words) =>
    [words.replace(RANGE, ' '), words].flatMap((all) => [numbersOf(all, GROUPED), numbersOf(all, PLAIN)]),
  );
  return readings.find((numbers) => numbers.length >= k) ?? [];
}

/** The answer's block, if there is one, with numbers in one spelling. */
function spelledOut(text: string): string {
  const block = /<answer>(.*?)<\/answer>/su.exec(text)?.[1] ?? text;
  return asciiDigits(block)
    .replaceAll('．', '.')
    .replace(GROUP_MARK, '')
    .replace(POWER_OF_TEN, (_, digits: string, braced?: string, bare?: string) => `${digits}e${(braced ?? bare ?? '').replace('−', '-')}`)
    .replace(TIMES, ' x ')
    .replace(LIST_MARK, '');
}

/** A unit right behind a number. */
const UNIT = new RegExp(
  String.raw`^\s?(mm|millimet(?:er|re)s?|cm|centimet(?:er|re)s?|°|deg(?:rees?)?|%|percent|px|pixels?|` +
    String.raw`ml|millilit(?:er|re)s?|HU)(?![\p{L}\d])` +
    String.raw`(?:\s?(?:\^?([23])|([²³])))?`,
  'u',
);
const UNIT_WORDS: readonly [RegExp, string][] = [
  [/^millimet/, 'mm'],
  [/^centimet/, 'cm'],
  [/^(?:°|deg)/, 'degrees'],
  [/^percent/, '%'],
  [/^(?:px|pixel)/, 'pixels'],
  [/^millilit/, 'ml'],
];

export interface Measure {
  value: number;
  /** As it stands behind the number, in one spelling. */
  unit?: string;
}

/** All numbers of an answer to a question that no task tells the count of, each with its unit: "12 × 9 mm" has two, and one unit. */
export function measuresOf(text: string): Measure[] {
  const clean = spelledOut(text);
  return [...clean.matchAll(GROUPED)].flatMap((match): Measure[] => {
    const [value] = numbersOf(match[0], GROUPED);
    if (value === undefined || clean[match.index - 1] === '^') return [];
    const [, word, digit, sign] = UNIT.exec(clean.slice(match.index + match[0].length)) ?? [];
    if (word === undefined) return [{ value }];
    const unit = UNIT_WORDS.find(([pattern]) => pattern.test(word))?.[1] ?? word;
    const power = sign ?? (digit === undefined ? '' : digit === '2' ? '²' : '³');
    return [{ value, unit: `${unit}${power}` }];
  });
}

function numbersOf(text: string, pattern: RegExp): number[] {
  return [...text.matchAll(pattern)]
    .map(
      ([, sign = '', digits = '', exponent = '']) =>
        Number(digits.replaceAll(',', '') + exponent) * (sign === '-' || sign === '−' ? -1 : 1),
    )
    .filter(Number.isFinite);
}
