/** Units as the plans and rows spell them, in one spelling: "mm", "cm", "°". */
const SPELLINGS: readonly [RegExp, string][] = [
  [/^(?:mm|millimet(?:er|re)s?)$/, 'mm'],
  [/^(?:cm|centimet(?:er|re)s?)$/, 'cm'],
  [/^(?:°|deg(?:rees?)?)$/, '°'],
];

/** "" for what is none of them. */
export function unitSign(text: string): string {
  const spelt = text.trim().toLowerCase();
  return SPELLINGS.find(([pattern]) => pattern.test(spelt))?.[1] ?? '';
}
