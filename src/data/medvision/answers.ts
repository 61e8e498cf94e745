/** Numbers out of what a model wrote. */

/**
 * `reference` is medvision_bm's way: the last k matches of `-?\d+\.?\d*`, which reads "1e2" as 2, "1,234.5" as 234.5, ".5" as 5 and "35-37" as −37.
 * `robust`, the default, looks inside the last `<answer>` block if there is one, and reads exponents, thousands separators, leading dots and ranges.
 */
export type AnswerMode = 'robust' | 'reference';

/** The last k numbers of a text, or undefined if it has fewer: a failed answer. */
export function parseAnswer(text: string, k: number, mode: AnswerMode = 'robust'): number[] | undefined {
  const numbers = mode === 'reference' ? referenceNumbers(text).map(Number) : robustNumbers(text);
  return numbers.length < k ? undefined : numbers.slice(-k);
}

/** The matches that the reference's regular expression finds, in ASCII digits. Python's \d is any decimal digit of Unicode. */
export function referenceNumbers(text: string): string[] {
  return [...text.matchAll(/-?\p{Nd}+\.?\p{Nd}*/gu)].map(([match]) => match.replace(/\p{Nd}/gu, (digit) => String(digitValue(digit))));
}

/** Unicode keeps decimal digits in runs of ten from zero to nine (or of several tens), so the value is the distance from the start of the run. */
function digitValue(digit: string): number {
  const code = digit.codePointAt(0) ?? 0;
  if (code < 128) return code - 48;
  let start = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start--;
  return (code - start) % 10;
}

/**
 * sign? (1,234,567 | digits | nothing before a dot) fraction? exponent?. A minus counts as a sign only where no digit, letter or closing bracket
 * is before it ("35-37" is a range), and a number glued to a letter or underscore is part of a word ("axis1", "bbox_2d", "3D").
 */
const NUMBER = /(?<![\p{L}_\d.])(?:(?<![\d\p{L})\]])([-+−]))?((?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d*)?|\.\d+)([eE][-+]?\d+)?(?!\d)/gu;

function robustNumbers(text: string): number[] {
  const blocks = [...text.matchAll(/<answer>(.*?)<\/answer>/gsu)];
  const within = blocks.at(-1)?.[1] ?? text;
  const plain = within.replace(/\p{Nd}/gu, (digit) => String(digitValue(digit)));
  const numbers: number[] = [];
  for (const match of plain.matchAll(NUMBER)) {
    const [whole, sign = '', digits = '', exponent = ''] = match;
    const after = plain.slice(match.index + whole.length);
    if (/^[dD]\b/.test(after)) continue; // "3D", "2d"
    const value = Number(digits.replaceAll(',', '') + exponent) * (sign === '-' || sign === '−' ? -1 : 1);
    if (Number.isFinite(value)) numbers.push(value);
  }
  return numbers;
}
