/**
 * Numbers as the reference's Python writes them. Prompts and targets are compared with it character by character, so formatting must round
 * the binary double exactly as CPython does, and values that went through the loader's float16 columns must be rounded alike.
 */

/** `f"{x:.3f}"`: the exact binary value is rounded to three decimals, ties to even. */
export function fixed3(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x < 0 ? '-inf' : 'inf';
  const sign = x < 0 || Object.is(x, -0) ? '-' : '';
  const magnitude = Math.abs(x);
  // toFixed is exact too, except that it takes the larger of two equally near values. With three decimals a tie is an odd multiple of 1/16.
  const sixteenths = magnitude * 16;
  if (Number.isInteger(sixteenths) && sixteenths % 2 === 1 && sixteenths < 2 ** 40) {
    const below = Math.floor(sixteenths * 62.5); // in thousandths
    return sign + ((below % 2 === 0 ? below : below + 1) / 1000).toFixed(3);
  }
  return sign + magnitude.toFixed(3);
}

/** `str(x)` of a Python float: the shortest digits that read back, with `.0` for whole numbers. */
export function pythonFloat(x: number): string {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? 'nan' : x < 0 ? '-inf' : 'inf';
  if (Object.is(x, -0)) return '-0.0';
  const magnitude = Math.abs(x);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    const [digits = '', exponent = '0'] = x.toExponential().split('e');
    const power = Number(exponent);
    return `${digits}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  return Number.isInteger(x) ? `${x}.0` : String(x);
}

/** The double rounded to IEEE float16 (ties to even) and back; what a `Value("float16")` column of the `datasets` library keeps. */
export function toFloat16(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const magnitude = Math.abs(x);
  if (magnitude >= 65520) return x < 0 ? -Infinity : Infinity;
  let exponent = Math.floor(Math.log2(magnitude));
  if (2 ** exponent > magnitude) exponent--; // log2 may round up to a whole number
  if (2 ** (exponent + 1) <= magnitude) exponent++;
  const quantum = 2 ** (Math.max(exponent, -14) - 10); // the spacing of float16 values there; subnormals share the last one
  return Math.sign(x) * roundHalfEven(magnitude / quantum) * quantum;
}

function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
