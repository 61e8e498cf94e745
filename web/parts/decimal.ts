/** A number as people write it, with a comma or a real minus too; NaN for what is none. */
export function decimal(text: string): number {
  return Number(text.trim().replace(',', '.').replace('−', '-') || NaN);
}
