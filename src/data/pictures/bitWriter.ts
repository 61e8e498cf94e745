/** Bits from the lowest of each byte on, in words of 32: every runtime that has a GPU is little endian. */
export class BitWriter {
  readonly out: Uint32Array<ArrayBuffer>;
  /** Full words so far, and the bits of the next one. */
  at = 0;
  word = 0;
  filled = 0;

  constructor(out: Uint32Array<ArrayBuffer>) {
    this.out = out;
  }

  /** @param size 31 at most */
  put(value: number, size: number): void {
    this.word |= value << this.filled;
    this.filled += size;
    if (this.filled < 32) return;
    this.out[this.at++] = this.word;
    this.filled -= 32;
    this.word = value >>> (size - this.filled);
  }

  /** All bytes so far, and a number of 32 bits that begins with a byte, its highest byte first. */
  end(last: number): Uint8Array<ArrayBuffer> {
    this.out[this.at] = this.word;
    const length = 4 * this.at + ((this.filled + 7) >> 3);
    const bytes = new Uint8Array(this.out.buffer, 0, length + 4);
    new DataView(bytes.buffer).setUint32(length, last);
    return bytes;
  }
}
