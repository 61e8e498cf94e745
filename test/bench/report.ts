/** What the benchmark prints and writes: one figure a line, in groups. */

export interface Figure {
  group: string;
  what: string;
  ms: number;
  /** Work per second, in `unit`. */
  rate: number;
  unit: 'GFLOP/s' | 'GB/s' | 'tokens/s' | 'rows/s';
}

/** The same work here and in jax-js. */
export interface Comparison {
  what: string;
  vernierMs: number;
  jaxMs: number;
  /** Largest difference of the results over the largest result. */
  difference: number;
}

export function shortNumber(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}

export function figureLine({ what, ms, rate, unit }: Figure): string {
  return `  ${what.padEnd(62)} ${shortNumber(ms).padStart(9)} ms ${shortNumber(rate).padStart(9)} ${unit}`;
}

export function comparisonLine({ what, vernierMs, jaxMs, difference }: Comparison): string {
  const ratio = (jaxMs / vernierMs).toFixed(2);
  return (
    `  ${what.padEnd(46)} vernier ${shortNumber(vernierMs).padStart(8)} ms   jax-js ${shortNumber(jaxMs).padStart(8)} ms   ${ratio.padStart(6)} times as fast` +
    `   (results differ by ${difference.toExponential(1)})`
  );
}

/** The same as a table for RESULTS.md. */
export function markdown(title: string, figures: readonly Figure[], comparisons: readonly Comparison[]): string {
  const lines = [`### ${title}`, ''];
  if (comparisons.length > 0) {
    lines.push('| same work, same run | Vernier, ms | jax-js, ms | ratio |', '|---|---:|---:|---:|');
    for (const { what, vernierMs, jaxMs } of comparisons) {
      lines.push(`| ${what} | ${shortNumber(vernierMs)} | ${shortNumber(jaxMs)} | ${(jaxMs / vernierMs).toFixed(2)} |`);
    }
    lines.push('');
  }
  lines.push('| | ms | |', '|---|---:|---:|');
  for (const { group, what, ms, rate, unit } of figures) lines.push(`| ${group}: ${what} | ${shortNumber(ms)} | ${shortNumber(rate)} ${unit} |`);
  return `${lines.join('\n')}\n`;
}
