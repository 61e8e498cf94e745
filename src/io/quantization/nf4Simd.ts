/**
 * The codes of bf16 values, eight at a time, in WebAssembly: an accelerator of nf4.ts, which makes the same codes without it and serves
 * where a page forbids it. Values are compared as integers (their bits, in the order of the values) with the fifteen boundaries of their
 * block, which depend on the fraction of its largest magnitude and are shifted by its exponent. The module is written here instruction by
 * instruction: it is small, and needs no other tools.
 */
import { codeOf } from './boundaries.ts';

/** Values that are handed over at a time. */
const CHUNK = 2 ** 19;
const BLOCK = 64;
const BOUNDARIES = 15;
/** Boundaries below zero. */
const NEGATIVE = 7;
const ROW_BYTES = 32;
const SOURCE = 0;
const CODES = CHUNK * 2;
const LARGEST = CODES + CHUNK / 2;
const TABLE = LARGEST + (CHUNK / BLOCK) * 4;
const MEMORY_BYTES = TABLE + 128 * ROW_BYTES;

export interface Nf4Simd {
  /** Whole blocks of 64, with the exponents that nf4.ts has looked up. @returns the bits of each block's largest magnitude */
  quantize(halves: Uint16Array, codes: Uint8Array): Uint16Array;
}

interface Exports {
  memory: WebAssembly.Memory;
  quantize: (blocks: number) => void;
}

/** @param bounds the fifteen boundaries; undefined where the runtime has no WebAssembly with vectors, or forbids it */
export function nf4Simd(bounds: Float32Array): Nf4Simd | undefined {
  let exports: Exports;
  try {
    exports = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes())).exports as unknown as Exports;
  } catch {
    return undefined;
  }
  const { buffer } = exports.memory;
  new Int16Array(buffer, TABLE, 128 * (ROW_BYTES / 2)).set(boundaryTable(bounds));
  return {
    quantize(halves, codes) {
      const largest = new Uint16Array(halves.length / BLOCK);
      for (let at = 0; at < halves.length; at += CHUNK) {
        const part = halves.subarray(at, at + CHUNK);
        new Uint16Array(buffer, SOURCE, part.length).set(part);
        exports.quantize(part.length / BLOCK);
        codes.set(new Uint8Array(buffer, CODES, part.length / 2), at / 2);
        largest.set(new Uint32Array(buffer, LARGEST, part.length / BLOCK), at / BLOCK);
      }
      return largest;
    },
  };
}

/** Bits of a magnitude, for an exponent of zero. */
function bitsOf(value: number): number {
  return (new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16) - (127 << 7);
}

/**
 * (128, 16): by the fraction of the largest magnitude, the largest key that does not lie above each boundary, less what the exponent adds.
 */
function boundaryTable(bounds: Float32Array): Int16Array {
  const table = new Int16Array(128 * (ROW_BYTES / 2));
  for (let fraction = 0; fraction < 128; fraction++) {
    const inverse = Math.fround(1 / (1 + fraction / 128));
    for (let j = 0; j < BOUNDARIES; j++) {
      // The magnitudes whose values lie above the boundary are found from both sides of it by halving.
      const isAbove = (bits: number): boolean => {
        const magnitude = new Float32Array(Uint32Array.of((bits + (127 << 7)) << 16).buffer)[0]!;
        return codeOf(Math.fround((j < NEGATIVE ? -magnitude : magnitude) * inverse), bounds) > j;
      };
      let [low, high] = [bitsOf(2 ** -20), bitsOf(4)];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (isAbove(middle) === j < NEGATIVE) low = middle;
        else high = middle;
      }
      // Below zero a value lies above while its magnitude is at most `low`: its key, −magnitude − 1, is more than −low − 2.
      // Above zero it does from `high` on.
      table[fraction * (ROW_BYTES / 2) + j] = j < NEGATIVE ? -low - 2 : high - 1;
    }
  }
  return table;
}

type Code = number[];

const unsigned = (value: number): Code => (value < 128 ? [value] : [(value & 127) | 128, ...unsigned(value >>> 7)]);
const signed = (value: number): Code => (value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...signed(value >> 7)]);
const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
const simd = (opcode: number, ...rest: Code): Code => [0xfd, ...unsigned(opcode), ...rest];
const get = (local: number): Code => [0x20, ...unsigned(local)];
const set = (local: number): Code => [0x21, ...unsigned(local)];
const tee = (local: number): Code => [0x22, ...unsigned(local)];
const constant = (value: number): Code => [0x41, ...signed(value)];
const load = (offset: number): Code => simd(0x00, 4, ...unsigned(offset));
const loadSplat16 = (offset: number): Code => simd(0x08, 1, ...unsigned(offset));
const splat16 = simd(0x10);
const [and, or, xor] = [simd(0x4e), simd(0x50), simd(0x51)];
const [greater16, add16, sub16, max16] = [simd(0x31), simd(0x8e), simd(0x91), simd(0x99)];
const shuffle = (lanes: Code): Code => simd(0x0d, ...lanes);
const [I32_ADD, I32_SUB, I32_AND, I32_SHL, I32_SHR] = [0x6a, 0x6b, 0x71, 0x74, 0x76];

/** Locals: the parameter, what walks along, then vectors. */
const [BLOCKS, FROM, TO, KEPT, MOST, ROW] = [0, 1, 2, 3, 4, 5];
const [MAXIMUM, EXPONENT, KEY, SUM, MASK, FIRST_BOUNDARY] = [6, 7, 8, 9, 10, 11];

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const vectors = Array.from({ length: BLOCK / 8 }, (_, i) => i);
  const boundaries = Array.from({ length: BOUNDARIES }, (_, j) => j);
  // The largest of eight lanes: halves against halves.
  const fold = (bytes: number): Code => [
    ...get(MAXIMUM), ...get(MAXIMUM), ...get(MAXIMUM), ...shuffle(Array.from({ length: 16 }, (_, i) => (i + bytes) % 16)), ...max16, ...set(MAXIMUM),
  ];
  const body: Code = [
    ...constant(SOURCE), ...set(FROM), ...constant(CODES), ...set(TO), ...constant(LARGEST), ...set(KEPT),
    ...constant(0x7fff), ...splat16, ...set(MASK),
    0x03, 0x40, // loop
    ...get(FROM), ...load(0), ...get(MASK), ...and, ...set(MAXIMUM),
    ...vectors.slice(1).flatMap((i) => [...get(MAXIMUM), ...get(FROM), ...load(16 * i), ...get(MASK), ...and, ...max16, ...set(MAXIMUM)]),
    ...fold(8), ...fold(4), ...fold(2),
    ...get(KEPT), ...get(MAXIMUM), ...simd(0x19, 0), ...tee(MOST), 0x36, 2, 0, // i32.store
    ...get(MOST), ...constant(127), I32_AND, ...constant(5), I32_SHL, ...set(ROW),
    ...get(MOST), ...constant(7), I32_SHR, ...constant(7), I32_SHL, ...splat16, ...set(EXPONENT),
    ...boundaries.flatMap((j) => [
      ...get(ROW), ...loadSplat16(TABLE + 2 * j), ...get(EXPONENT), ...(j < NEGATIVE ? sub16 : add16), ...set(FIRST_BOUNDARY + j),
    ]),
    ...vectors.flatMap((i) => [
      // Bits whose order as integers is that of the values.
      ...get(FROM), ...load(16 * i), ...tee(KEY), ...get(KEY), ...constant(15), ...simd(0x8c), ...get(MASK), ...and, ...xor, ...set(KEY),
      ...simd(0x0c, ...new Array<number>(16).fill(0)), ...set(SUM),
      // A comparison that holds is −1.
      ...boundaries.flatMap((j) => [...get(SUM), ...get(KEY), ...get(FIRST_BOUNDARY + j), ...greater16, ...sub16, ...set(SUM)]),
      // Two codes to a byte, the first in its high half, and four such bytes together.
      ...get(TO),
      ...get(SUM), ...constant(4), ...simd(0xab), ...get(SUM), ...constant(16), ...simd(0xad), ...or, ...tee(SUM), ...get(SUM),
      ...shuffle([0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12]), ...simd(0x5a, 2, ...unsigned(4 * i), 0),
    ]),
    ...get(FROM), ...constant(2 * BLOCK), I32_ADD, ...set(FROM),
    ...get(TO), ...constant(BLOCK / 2), I32_ADD, ...set(TO),
    ...get(KEPT), ...constant(4), I32_ADD, ...set(KEPT),
    ...get(BLOCKS), ...constant(1), I32_SUB, ...tee(BLOCKS), 0x0d, 0, // br_if
    0x0b, 0x0b,
  ];
  const locals: Code = [2, ...unsigned(5), 0x7f, ...unsigned(5 + BOUNDARIES), 0x7b];
  const code = [...locals, ...body];
  const name = (text: string): Code => [text.length, ...new TextEncoder().encode(text)];
  return Uint8Array.from([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 1, 0x7f, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, ...unsigned(Math.ceil(MEMORY_BYTES / 65536))]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('quantize'), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}
