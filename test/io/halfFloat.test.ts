import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/io/halfFloat.ts';

const everyPattern = Uint16Array.from({ length: 65536 }, (_, i) => i);

const formats = [
  { name: 'bf16', widen: bf16ToF32, narrow: f32ToBf16, nan: 0x7fc0, infinity: 0x7f80 },
  { name: 'f16', widen: f16ToF32, narrow: f32ToF16, nan: 0x7e00, infinity: 0x7c00 },
];

describe.each(formats)('$name', ({ widen, narrow, nan, infinity }) => {
  it('comes back unchanged from float32, all 65536 patterns; NaNs become the quiet one', () => {
    const wide = widen(everyPattern);
    const back = narrow(wide);
    for (const bits of everyPattern) {
      const isNaN = (bits & 0x7fff) > infinity;
      expect(Number.isNaN(wide[bits]!)).toBe(isNaN);
      if (isNaN) expect(back[bits]! & 0x7fff).toBe(nan);
      else expect(back[bits]).toBe(bits);
    }
  });

  it('rounds every float32 to the nearest pattern, ties to the even one', () => {
    const values = widen(everyPattern.subarray(0, infinity + 1));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xff7fffff }), (word) => {
        const value = new Float32Array(new Uint32Array([word]).buffer)[0]!;
        fc.pre(!Number.isNaN(value));
        const bits = narrow(Float32Array.of(value))[0]!;
        expect(bits >>> 15).toBe(word >>> 31);
        const got = bits & 0x7fff;
        // Beyond the largest finite value, infinity stands for the next step of the same size.
        const step = (i: number): number => (i < infinity ? values[i]! : 2 * values[infinity - 1]! - values[infinity - 2]!);
        const size = Math.abs(value);
        if (size >= step(infinity)) {
          expect(got).toBe(infinity);
          return;
        }
        const error = Math.abs(size - step(got));
        for (const other of [got - 1, got + 1].filter((i) => i >= 0 && i <= infinity)) {
          const otherError = Math.abs(size - step(other));
          expect(error < otherError || (error === otherError && got % 2 === 0)).toBe(true);
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('rounds exact ties to even and overflows to infinity where torch does', () => {
    const wide = widen(everyPattern);
    for (const bits of [1, 2, 0x100, 0x101, 0x3c00, 0x3c01, infinity - 2]) {
      const tie = (wide[bits]! + wide[bits + 1]!) / 2;
      expect(narrow(Float32Array.of(tie))[0]).toBe(bits % 2 === 0 ? bits : bits + 1);
    }
    expect(narrow(Float32Array.of(Infinity))[0]).toBe(infinity);
    expect(narrow(Float32Array.of(-Infinity))[0]).toBe(infinity | 0x8000);
  });
});

it('f16 rounds 65519 down to 65504 and 65520 up to infinity; 2^-25 to zero and just above to the smallest subnormal', () => {
  expect([...f32ToF16(Float32Array.of(65519.996, 65520, 2 ** -25, 2 ** -25 * 1.0000001))]).toEqual([0x7bff, 0x7c00, 0, 1]);
});
