/** Huffman codes and the bits they are read from (ISO 10918-1, C.2 and F.2.2). */

const LOOKED = 9;

export class HuffmanTable {
  /** Of codes of up to LOOKED bits, by the next LOOKED bits: length × 256 + value; 0: longer. */
  private readonly short = new Uint16Array(1 << LOOKED);
  /** Of each length: the largest code (−1: none), and what is added to a code for its place among the values. */
  private readonly largest = new Int32Array(18).fill(-1);
  private readonly offset = new Int32Array(18);
  private readonly values: Uint8Array;

  /** @param counts codes of lengths 1 to 16 @throws Error in words where they are too many for their lengths */
  constructor(counts: Uint8Array, values: Uint8Array) {
    this.values = values.slice();
    let code = 0;
    let at = 0;
    for (let length = 1; length <= 16; length++) {
      const count = counts[length - 1] ?? 0;
      this.offset[length] = at - code;
      for (let i = 0; i < count; i++, code++, at++) {
        if (length > LOOKED) continue;
        const first = code << (LOOKED - length);
        this.short.fill(length * 256 + (values[at] ?? 0), first, first + (1 << (LOOKED - length)));
      }
      if (code > 1 << length) throw new Error('a Huffman table of its JPEG has too many codes');
      if (count > 0) this.largest[length] = code - 1;
      code <<= 1;
    }
  }

  /** @throws Error in words where no code fits */
  read(bits: BitReader): number {
    const found = this.short[bits.peek(LOOKED)] ?? 0;
    if (found > 0) {
      bits.skip(found >> 8);
      return found & 255;
    }
    for (let length = LOOKED + 1; length <= 16; length++) {
      const code = bits.peek(length);
      if (code <= (this.largest[length] ?? -1)) {
        bits.skip(length);
        return this.values[code + (this.offset[length] ?? 0)] ?? 0;
      }
    }
    throw new Error('its JPEG has a code that is in no Huffman table');
  }
}

export class BitReader {
  private readonly bytes: Uint8Array;
  private at: number;
  private held = 0;
  private count = 0;
  /** Bytes beyond the end of the data that were asked for. */
  private missing = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  /** The next bits, 16 at most; zeros behind the end. */
  peek(length: number): number {
    while (this.count < length) {
      const byte = this.bytes[this.at];
      const isMarker = byte === 0xff && this.bytes[this.at + 1] !== 0;
      if (byte === undefined || isMarker) this.missing++;
      else this.at += byte === 0xff ? 2 : 1;
      this.held = ((this.held << 8) | (byte === undefined || isMarker ? 0 : byte)) & 0xffffff;
      this.count += 8;
    }
    return (this.held >> (this.count - length)) & ((1 << length) - 1);
  }

  /** @throws Error in words where the data ended long before */
  skip(length: number): void {
    this.count -= length;
    if (this.missing > 8) throw new Error('the data of its JPEG end too early');
  }

  /** A difference of so many bits (F.2.2.1, EXTEND). */
  difference(length: number): number {
    if (length === 0) return 0;
    const value = this.peek(length);
    this.skip(length);
    return value < 1 << (length - 1) ? value - (1 << length) + 1 : value;
  }

  /** Goes past the next restart marker. */
  restart(): void {
    this.count = this.held = this.missing = 0;
    while (this.at + 1 < this.bytes.length && !(this.bytes[this.at] === 0xff && ((this.bytes[this.at + 1] ?? 0) & 0xf8) === 0xd0))
      this.at++;
    this.at += 2;
  }
}
