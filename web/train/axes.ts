/** Axes of curves: what they reach over, and their numbers. */

/** With as many digits as tell neighbours apart, three at least: losses may differ in the fifth. */
export function axisNumbers(splits: readonly number[]): string[] {
  for (let digits = 3; digits < 16; digits++) {
    const numbers = splits.map((value) => String(Number(value.toPrecision(digits))));
    if (new Set(numbers).size === splits.length) return numbers;
  }
  return splits.map(String);
}

/** Room around one figure alone, as of a run's first evaluation; undefined: there is more than one to go by. */
export function roomAround(low: number | null, high: number | null): [number, number] | undefined {
  if (low === null || high === null) return [0, 1];
  if (low !== high) return undefined;
  return low === 0 ? [0, 1] : [low - Math.abs(low) / 10, low + Math.abs(low) / 10];
}
