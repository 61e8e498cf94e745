/** The checksum behind data that zlib has compressed (RFC 1950). */
export class Adler {
  private a = 1;
  private b = 0;

  get value(): number {
    return this.b * 65_536 + this.a;
  }

  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      // As many as stay below 2³¹.
      for (const end = Math.min(bytes.length, at + 2048); at < end; at++) {
        this.a += bytes[at] ?? 0;
        this.b += this.a;
      }
      this.a %= 65_521;
      this.b %= 65_521;
    }
  }
}
