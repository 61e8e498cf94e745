/** Numbers out of what a model wrote. */

/**
 * `reference` is medvision_bm's way: the last k matches of `-?\d+\.?\d*`, which reads "1e2" as 2, "1,234.5" as 234.5, ".5" as 5, "35-37" as −37
 * and "x2=0.3" as 2 and 0.3. `robust`, the default, looks inside the first `<answer>` block if there is one (as later versions of the reference
 * do), and reads all of these as people mean them.
 */
export type AnswerMode = 'robust' | 'reference';

/** The last k numbers of a text, or undefined if it has fewer: a failed answer. */
export function parseAnswer(text: string, k: number, mode: AnswerMode = 'robust'): number[] | undefined {
  const numbers = mode === 'reference' ? referenceNumbers(text).map(Number) : robustNumbers(text, k);
  return numbers.length < k ? undefined : numbers.slice(-k);
}

/** The matches that the reference's regular expression finds, in ASCII digits. Python's \d is any decimal digit of Unicode. */
export function referenceNumbers(text: string): string[] {
  return [...text.matchAll(/-?\p{Nd}+\.?\p{Nd}*/gu)].map(([match]) => asciiDigits(match));
}

const asciiDigits = (text: string): string => text.replace(/\p{Nd}/gu, (digit) => String(digitValue(digit)));

/** Unicode keeps decimal digits in runs of ten from zero to nine (or of several tens), so the value is the distance from the start of the run. */
function digitValue(digit: string): number {
  const code = digit.codePointAt(0) ?? 0;
  if (code < 128) return code - 48;
  let start = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start--;
  return (code - start) % 10;
}

/**
 * A number that is no part of a word ("axis1", "bbox_2d", "3D") and no tolerance ("±0.5"): sign, digits with or without thousands separators, fraction,
 * exponent. A minus is a sign only where no digit, letter or closing bracket is before it: "35-37" is a range.
 */
const START = String.raw`(?<![\p{L}_\d.]|±\s?)(?:(?<![\d\p{L})\]])([-+−]))?`;
const END = String.raw`([eE][-+]?\d+)?(?!\d|[dD]\b)`;
const PLAIN = new RegExp(String.raw`${START}(\d+(?:\.\d*)?|\.\d+)${END}`, 'gu');
const GROUPED = new RegExp(String.raw`${START}((?:\d{1,3}(?:,\d{3})+(?!\d|,\d)|\d+)(?:\.\d*)?|\.\d+)${END}`, 'gu');
/** "1. " or "2) " before a number at the start of a line: the count of a list. */
const LIST_MARK = /^[ \t]*\d+[.)][ \t]+(?=[-+−.\d])/gmu;

function robustNumbers(text: string, k: number): number[] {
  const block = /<answer>(.*?)<\/answer>/su.exec(text)?.[1] ?? text;
  const clean = asciiDigits(block).replace(LIST_MARK, '');
  // "100,200" is one number or two; which one shows in how many are asked for.
  const grouped = numbersOf(clean, GROUPED);
  return grouped.length >= k ? grouped : numbersOf(clean, PLAIN);
}

function numbersOf(text: string, pattern: RegExp): number[] {
  return [...text.matchAll(pattern)]
    .map(([, sign = '', digits = '', exponent = '']) => Number(digits.replaceAll(',', '') + exponent) * (sign === '-' || sign === '−' ? -1 : 1))
    .filter(Number.isFinite);
}
