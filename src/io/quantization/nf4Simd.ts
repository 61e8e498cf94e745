/**
 * The codes of bf16 values, sixteen at a time, in WebAssembly: an accelerator of nf4.ts, which makes the same codes without it and serves
 * where a page forbids it. What counts is how far the bits of a magnitude lie below those of its block's largest, and the largest's
 * fraction. That distance is cut into sixteen cells of a quarter of an octave, the last of which has no end: no cell holds two boundaries,
 * so a table by cell says the code at its beginning and where in it the next code begins. The module is written here instruction by
 * instruction: it is small, and needs no other tools.
 */
import { codeOf } from './boundaries.ts';

/** Values that are handed over at a time. */
const CHUNK = 2 ** 19;
const BLOCK = 64;
const CELLS = 16;
/** Bits of a magnitude that a cell spans: 2 to this power. */
const CELL_SHIFT = 5;
/**
 * Of the last cell a place is told up to here; no boundary lies beyond (the last one, at 2^-4.7, is some 130 after the cell's beginning).
 */
const LAST_PLACE = 255;
/** Codes above and below zero, and where the next one begins. */
const ROW_BYTES = 4 * CELLS;
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
  new Uint8Array(buffer, TABLE, 128 * ROW_BYTES).set(cellTable(bounds));
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

/**
 * (128, 4, 16), by the fraction of the largest magnitude: of magnitudes above zero the code at each cell's beginning and the place from
 * which on it is one less; below zero the same of 15 − code.
 */
function cellTable(bounds: Float32Array): Uint8Array {
  const table = new Uint8Array(128 * ROW_BYTES);
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  for (let fraction = 0; fraction < 128; fraction++) {
    const inverse = Math.fround(1 / (1 + fraction / 128));
    for (const sign of [0, 1]) {
      const codeAt = (distance: number): number => {
        bits[0] = ((127 << 7) + fraction - distance) << 16;
        const code = codeOf(Math.fround((sign === 0 ? float[0]! : -float[0]!) * inverse), bounds);
        return sign === 0 ? code : 15 - code;
      };
      for (let cell = 0; cell < CELLS; cell++) {
        const begin = cell << CELL_SHIFT;
        const places = cell < CELLS - 1 ? 1 << CELL_SHIFT : LAST_PLACE;
        const first = codeAt(begin);
        let next = 0;
        while (next < places && codeAt(begin + next) === first) next++;
        if (codeAt(begin + places - 1) < first - 1) throw new Error('two boundaries in a cell');
        const at = fraction * ROW_BYTES + sign * 2 * CELLS + cell;
        table[at] = first;
        table[at + CELLS] = next < places ? next : LAST_PLACE;
      }
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
const store = (offset: number): Code => simd(0x0b, 4, ...unsigned(offset));
const splat16 = simd(0x10);
const [not, and, or, xor] = [simd(0x4d), simd(0x4e), simd(0x50), simd(0x51)];
const [shiftLeft16, shiftRight16, sub16, min16, max16] = [simd(0x8b), simd(0x8d), simd(0x91), simd(0x97), simd(0x99)];
const [narrowSigned, narrowUnsigned, swizzle, less8, greaterEqual8, add8] = [
  simd(0x65),
  simd(0x66),
  simd(0x0e),
  simd(0x25),
  simd(0x2c),
  simd(0x6e),
];
const shuffle = (lanes: Code): Code => simd(0x0d, ...lanes);
const zero = simd(0x0c, ...new Array<number>(16).fill(0));
const splatBytes = (value: number): Code => simd(0x0c, ...new Array<number>(16).fill(value));
const [I32_ADD, I32_SUB, I32_AND, I32_SHL] = [0x6a, 0x6b, 0x71, 0x74];

/** Locals: the parameter, what walks along, then vectors; two of some, for eight values each. */
const [BLOCKS, FROM, TO, KEPT, MOST, ROW] = [0, 1, 2, 3, 4, 5];
const [MASK, LOW_BYTE, LAST_CELL, MAXIMUM, LARGEST_BITS] = [6, 7, 8, 9, 10];
const [ABOVE, ABOVE_NEXT, BELOW, BELOW_NEXT] = [11, 12, 13, 14];
const [DISTANCE, CELL, SIGN, PACKED] = [15, 17, 19, 20];
const VECTORS = 22 - MASK;

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const vectors = Array.from({ length: BLOCK / 8 }, (_, i) => i);
  // The largest of eight lanes: halves against halves.
  const fold = (bytes: number): Code => [
    ...get(MAXIMUM),
    ...get(MAXIMUM),
    ...get(MAXIMUM),
    ...shuffle(Array.from({ length: 16 }, (_, i) => (i + bytes) % 16)),
    ...max16,
    ...set(MAXIMUM),
  ];
  // Distances of eight values and their cells; the places in them go where the distances were.
  const place = (i: number, lane: number): Code => [
    ...get(LARGEST_BITS),
    ...get(FROM),
    ...load(16 * i),
    ...get(MASK),
    ...and,
    ...sub16,
    ...tee(DISTANCE + lane),
    ...constant(CELL_SHIFT),
    ...shiftRight16,
    ...get(LAST_CELL),
    ...min16,
    ...set(CELL + lane),
    ...get(DISTANCE + lane),
    ...get(CELL + lane),
    ...constant(CELL_SHIFT),
    ...shiftLeft16,
    ...sub16,
    ...set(DISTANCE + lane),
  ];
  // What a table has for values of one sign; an index that is no cell gives zero.
  const lookUp = (above: number, below: number): Code => [
    ...get(above),
    ...get(CELL),
    ...get(SIGN),
    ...or,
    ...swizzle,
    ...get(below),
    ...get(CELL),
    ...get(SIGN),
    ...not,
    ...or,
    ...swizzle,
    ...or,
  ];
  // Sixteen codes, two to a byte, the first in its high half, in the low bytes of eight lanes.
  const sixteen = (i: number, packed: number): Code => [
    ...place(i, 0),
    ...place(i + 1, 1),
    ...get(FROM),
    ...load(16 * i),
    ...get(FROM),
    ...load(16 * (i + 1)),
    ...narrowSigned,
    ...zero,
    ...less8,
    ...set(SIGN),
    ...get(CELL),
    ...get(CELL + 1),
    ...narrowUnsigned,
    ...set(CELL),
    // A comparison that holds is −1.
    ...lookUp(ABOVE, BELOW),
    ...get(DISTANCE),
    ...get(DISTANCE + 1),
    ...narrowUnsigned,
    ...lookUp(ABOVE_NEXT, BELOW_NEXT),
    ...greaterEqual8,
    ...add8,
    ...get(SIGN),
    ...splatBytes(15),
    ...and,
    ...xor,
    ...tee(packed),
    ...constant(4),
    ...shiftLeft16,
    ...get(packed),
    ...constant(8),
    ...shiftRight16,
    ...or,
    ...get(LOW_BYTE),
    ...and,
    ...set(packed),
  ];
  const body: Code = [
    ...constant(SOURCE),
    ...set(FROM),
    ...constant(CODES),
    ...set(TO),
    ...constant(LARGEST),
    ...set(KEPT),
    ...constant(0x7fff),
    ...splat16,
    ...set(MASK),
    ...constant(0xff),
    ...splat16,
    ...set(LOW_BYTE),
    ...constant(CELLS - 1),
    ...splat16,
    ...set(LAST_CELL),
    0x03,
    0x40, // loop
    ...get(FROM),
    ...load(0),
    ...get(MASK),
    ...and,
    ...set(MAXIMUM),
    ...vectors.slice(1).flatMap((i) => [...get(MAXIMUM), ...get(FROM), ...load(16 * i), ...get(MASK), ...and, ...max16, ...set(MAXIMUM)]),
    ...fold(8),
    ...fold(4),
    ...fold(2),
    ...get(MAXIMUM),
    ...set(LARGEST_BITS),
    ...get(KEPT),
    ...get(MAXIMUM),
    ...simd(0x19, 0),
    ...tee(MOST),
    0x36,
    2,
    0, // i32.store
    ...get(MOST),
    ...constant(127),
    I32_AND,
    ...constant(Math.log2(ROW_BYTES)),
    I32_SHL,
    ...set(ROW),
    ...[ABOVE, ABOVE_NEXT, BELOW, BELOW_NEXT].flatMap((local, i) => [...get(ROW), ...load(TABLE + i * CELLS), ...set(local)]),
    ...[0, 1].flatMap((half) => [
      ...sixteen(4 * half, PACKED),
      ...sixteen(4 * half + 2, PACKED + 1),
      ...get(TO),
      ...get(PACKED),
      ...get(PACKED + 1),
      ...narrowUnsigned,
      ...store(16 * half),
    ]),
    ...get(FROM),
    ...constant(2 * BLOCK),
    I32_ADD,
    ...set(FROM),
    ...get(TO),
    ...constant(BLOCK / 2),
    I32_ADD,
    ...set(TO),
    ...get(KEPT),
    ...constant(4),
    I32_ADD,
    ...set(KEPT),
    ...get(BLOCKS),
    ...constant(1),
    I32_SUB,
    ...tee(BLOCKS),
    0x0d,
    0, // br_if
    0x0b,
    0x0b,
  ];
  const locals: Code = [2, ...unsigned(5), 0x7f, ...unsigned(VECTORS), 0x7b];
  const code = [...locals, ...body];
  const name = (text: string): Code => [text.length, ...new TextEncoder().encode(text)];
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, [1, 0x60, 1, 0x7f, 0]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, ...unsigned(Math.ceil(MEMORY_BYTES / 65536))]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('quantize'), 0, 0]),
    ...section(10, [1, ...unsigned(code.length), ...code]),
  ]);
}
