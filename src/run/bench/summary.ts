/** What the figures come to: rates as shares of the best there, and steps beside PyTorch's. */
import type { BenchResults } from './benchParts.ts';
import { shortNumber } from './parts.ts';
import type { BenchReport, Figure } from './parts.ts';

const PRODUCTS = 'Products';
const STEPS = 'Training steps';

function best(figures: readonly Figure[]): Figure | undefined {
  return figures.reduce<Figure | undefined>((most, one) => ((one.rate ?? 0) > (most?.rate ?? 0) ? one : most), undefined);
}

export function summary(report: BenchReport, { pytorch }: BenchResults): string {
  const lines: string[] = ['Summary'];
  const products = report.figures.filter(({ part }) => part === PRODUCTS);
  const own = best(products);
  const vendor =
    pytorch &&
    best(
      pytorch.products.map(({ m, n, k, dtype, ms }): Figure => ({
        part: 'PyTorch',
        what: `${m}×${n}×${k} ${dtype}`,
        ms,
        rate: (2 * m * n * k) / ms / 1e9,
      })),
    );
  if (own?.rate !== undefined) {
    lines.push(`  Peak of products here: ${shortNumber(own.rate)} TFLOP/s (${own.what}${own.by === undefined ? '' : `, ${own.by}`})`);
    if (vendor?.rate !== undefined)
      lines.push(
        `  Peak of PyTorch's: ${shortNumber(vendor.rate)} TFLOP/s (${vendor.what}); ours is ${percent(own.rate / vendor.rate)} of it`,
      );
    lines.push(
      '',
      ...table(
        ['product', 'ms', 'TFLOP/s', 'of the peak', ...(vendor ? ["of PyTorch's"] : []), 'the fastest plan to the usual one'],
        products.map((figure) => [
          figure.what,
          shortNumber(figure.ms),
          shortNumber(figure.rate ?? NaN),
          percent((figure.rate ?? NaN) / own.rate!),
          ...(vendor ? [percent((figure.rate ?? NaN) / vendor.rate!)] : []),
          `${Number(figure.more?.['speedup'] ?? 1).toFixed(2)} ×`,
        ]),
      ),
    );
  }
  const steps = report.figures.filter(({ part }) => part === STEPS);
  if (steps.length > 0) {
    lines.push(
      '',
      ...table(
        ['training step', 'ms', 'tokens/s', ...(pytorch ? ["PyTorch's, ms", 'times as fast'] : [])],
        steps.map((figure) => {
          const theirs = pytorch?.steps.find(
            ({ name, storage }) => name === figure.more?.['model'] && storage === figure.more?.['storage'],
          );
          return [
            figure.what,
            shortNumber(figure.ms),
            shortNumber(figure.rate ?? NaN),
            ...(pytorch ? [theirs ? shortNumber(theirs.ms) : '–', theirs ? `${(theirs.ms / figure.ms).toFixed(2)} ×` : '–'] : []),
          ];
        }),
      ),
    );
  }
  const list = (title: string, texts: readonly string[]): void => {
    if (texts.length > 0) lines.push('', title, ...texts.map((text) => `  ${text}`));
  };
  list('Left out, for time:', report.leftOut);
  list('Wrong:', report.failures);
  const seconds = Object.values(report.seconds).reduce((a, b) => a + b, 0);
  lines.push(
    '',
    `${report.failures.length === 0 ? 'All that was checked is right.' : `${report.failures.length} failures.`} ` +
      `${(seconds / 60).toFixed(1)} minutes.`,
  );
  return lines.join('\n');
}

function percent(share: number): string {
  return Number.isFinite(share) ? `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %` : '–';
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map(
    (row) =>
      `  ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`,
  );
}
