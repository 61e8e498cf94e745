/**
 * How two ways to measure agree: Bland and Altman, "Statistical methods for assessing agreement between two methods of clinical
 * measurement", Lancet 1986; 327: 307–310.
 */

export interface Pair {
  truth: number;
  predicted: number;
}

/** All in the unit of the measure. */
export interface Agreement {
  count: number;
  /** Mean of predicted − true. */
  bias: number;
  /** Standard deviation of the differences, with n − 1. */
  deviation: number;
  /** Limits of agreement, bias ± 1.96 standard deviations: 19 of 20 differences are expected between them, where they are normal. */
  lower: number;
  upper: number;
  /** Standard errors: of the bias √(s²/n), of a limit about √(3s²/n). */
  biasError: number;
  limitError: number;
  /** Mean of |predicted − true|. */
  meanError: number;
}

/** The 97.5 % quantile of the normal distribution, as it is usually written. */
const WITHIN = 1.96;

/** Undefined for fewer than two pairs, which have no spread. Pairs that are not finite are left out. */
export function agreementOf(pairs: readonly Pair[]): Agreement | undefined {
  const differences = pairs.map(({ truth, predicted }) => predicted - truth).filter(Number.isFinite);
  const count = differences.length;
  if (count < 2) return undefined;
  const bias = differences.reduce((sum, one) => sum + one, 0) / count;
  const deviation = Math.sqrt(differences.reduce((sum, one) => sum + (one - bias) ** 2, 0) / (count - 1));
  return {
    count,
    bias,
    deviation,
    lower: bias - WITHIN * deviation,
    upper: bias + WITHIN * deviation,
    biasError: deviation / Math.sqrt(count),
    limitError: deviation * Math.sqrt(3 / count),
    meanError: differences.reduce((sum, one) => sum + Math.abs(one), 0) / count,
  };
}

/** The value below which a share of the values lies, between neighbours in proportion (R's type 7, numpy's default). NaN for none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const low = sorted[Math.floor(place)] ?? NaN;
  const high = sorted[Math.ceil(place)] ?? NaN;
  return low + (place - Math.floor(place)) * (high - low);
}
