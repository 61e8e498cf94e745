/**
 * How a quantised weight lies in one buffer, so that a kernel binds it as it binds any other: eight words of header, then scales, then
 * codes. A weight that is larger than the adapter binds is several such buffers, one for a run of rows each. Words are 32 bits,
 * little-endian. kernels/load/{nf4,int8}.wgsl read this.
 *
 * NF4, header:                                                              int8, header:
 *   0  nibble of the buffer at which the run's first code lies                0  byte of the buffer at which the run's first code lies
 *   1  elements of its block that lie before the run                          1  word of the first row's scale
 *   2  log2 of the block size; + 256 · rounding (0 none, 1 bf16, 2 f16);      2  elements of a row
 *      + 65536 where scales are bytes                                         3–7  0
 *   3  scale of the run's first block: its byte of the buffer, or its word
 *   4  what is added to a block's number within the run, so that, shifted right by word 5, it is the word of its nested scale
 *   5  log2 of the nested block size
 *   6  word of the map (256 f32)
 *   7  the offset, f32
 */

const HEADER_WORDS = 8;

/** Blocks of NF4 elements whose scales are bytes: entries of a map, times a scale for a block of them, plus an offset. */
export interface NestedScales {
  bytes: Uint8Array;
  nested: Float32Array;
  nestedBlock: number;
  offset: number;
  map: Float32Array;
}

export type Rounding = 'none' | 'bf16' | 'f16';
const ROUNDINGS: readonly Rounding[] = ['none', 'bf16', 'f16'];

/** Where everything of a run of elements lies. */
export interface Nf4Layout {
  firstElement: number;
  elements: number;
  blockSize: number;
  firstBlock: number;
  blocks: number;
  nestedBlock: number | undefined;
  /** First nested block of the whole weight that counts here, and how many. */
  firstNested: number;
  nestedCount: number;
  mapWord: number;
  nestedWord: number;
  scaleWord: number;
  codeWord: number;
  /** Of the codes of the whole weight: the first byte that lies in this buffer, a multiple of 4. */
  firstCodeByte: number;
  codeBytes: number;
  /** Of the buffer. */
  bytes: number;
}

/**
 * @param firstElement row-major, from the start of the weight
 * @param nestedBlock absent: scales are f32
 */
export function nf4Layout(firstElement: number, elements: number, blockSize: number, nestedBlock?: number): Nf4Layout {
  const firstBlock = Math.floor(firstElement / blockSize);
  const blocks = Math.ceil((firstElement + elements) / blockSize) - firstBlock;
  const firstNested = nestedBlock === undefined ? 0 : Math.floor(firstBlock / nestedBlock);
  const nestedCount = nestedBlock === undefined ? 0 : Math.ceil((firstBlock + blocks) / nestedBlock) - firstNested;
  const mapWord = HEADER_WORDS;
  const nestedWord = mapWord + (nestedBlock === undefined ? 0 : 256);
  const scaleWord = nestedWord + nestedCount;
  // Four codes are read with one load of the word they lie in; vectors of words begin at multiples of 16 bytes.
  const codeWord = Math.ceil((scaleWord + (nestedBlock === undefined ? blocks : Math.ceil(blocks / 4))) / 4) * 4;
  const firstCodeByte = Math.floor(firstElement / 8) * 4;
  const codeBytes = Math.ceil((firstElement + elements) / 8) * 4 - firstCodeByte;
  return {
    firstElement,
    elements,
    blockSize,
    firstBlock,
    blocks,
    nestedBlock,
    firstNested,
    nestedCount,
    mapWord,
    nestedWord,
    scaleWord,
    codeWord,
    firstCodeByte,
    codeBytes,
    bytes: codeWord * 4 + codeBytes,
  };
}

/** Everything before the codes. @param scales of the whole weight */
export function nf4Head(layout: Nf4Layout, scales: Float32Array | NestedScales, rounding: Rounding): Uint32Array<ArrayBuffer> {
  const { firstElement, blockSize, firstBlock, blocks, nestedBlock, firstNested, nestedCount, mapWord, nestedWord, scaleWord, codeWord } =
    layout;
  const words = new Uint32Array(codeWord);
  const floats = new Float32Array(words.buffer);
  words[0] = codeWord * 8 + (firstElement % 8);
  words[1] = firstElement % blockSize;
  words[2] = Math.log2(blockSize) + 256 * ROUNDINGS.indexOf(rounding);
  if (scales instanceof Float32Array) {
    words[3] = scaleWord;
    floats.set(scales.subarray(firstBlock, firstBlock + blocks), scaleWord);
    return words;
  }
  if (nestedBlock !== scales.nestedBlock) throw new Error(`nested blocks of ${scales.nestedBlock} in a layout for ${nestedBlock}`);
  words[2]! += 65536;
  words[3] = scaleWord * 4;
  words[4] = nestedWord * nestedBlock + (firstBlock % nestedBlock);
  words[5] = Math.log2(nestedBlock);
  words[6] = mapWord;
  floats[7] = scales.offset;
  floats.set(scales.map, mapWord);
  floats.set(scales.nested.subarray(firstNested, firstNested + nestedCount), nestedWord);
  new Uint8Array(words.buffer).set(scales.bytes.subarray(firstBlock, firstBlock + blocks), scaleWord * 4);
  return words;
}

export interface Int8Layout {
  scaleWord: number;
  codeByte: number;
  bytes: number;
}

/** Rows of `size` elements, each with a scale of its own. */
export function int8Layout(rows: number, size: number): Int8Layout {
  const codeByte = Math.ceil((HEADER_WORDS + rows) / 4) * 16;
  return { scaleWord: HEADER_WORDS, codeByte, bytes: codeByte + Math.ceil((rows * size) / 4) * 4 };
}

/** Everything before the codes. @param scales (rows) */
export function int8Head({ scaleWord, codeByte }: Int8Layout, scales: Float32Array, size: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(codeByte / 4);
  words.set([codeByte, scaleWord, size]);
  new Float32Array(words.buffer).set(scales, scaleWord);
  return words;
}
