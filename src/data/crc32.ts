/** CRC-32, the checksum of gzip and of PNG. */
const TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** What a byte does to the register when one, two and three more bytes follow. */
const TABLE_1 = TABLE.map(later);
const TABLE_2 = TABLE_1.map(later);
const TABLE_3 = TABLE_2.map(later);

function later(value: number): number {
  return (value >>> 8) ^ TABLE[value & 255]!;
}

/** Of nothing. */
export const CRC_START = -1;

/** The register after these bytes, for data that comes in pieces; its complement is the checksum, as a signed number. */
export function updatedCrc(register: number, bytes: Uint8Array): number {
  let i = 0;
  for (const end = bytes.length & ~3; i < end; i += 4) {
    const four = register ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    register = TABLE_3[four & 255]! ^ TABLE_2[(four >>> 8) & 255]! ^ TABLE_1[(four >>> 16) & 255]! ^ TABLE[four >>> 24]!;
  }
  for (; i < bytes.length; i++) register = (register >>> 8) ^ TABLE[(register ^ bytes[i]!) & 255]!;
  return register;
}

/** The checksum, 0 to 2³² - 1. */
export function crc32(bytes: Uint8Array): number {
  return ~updatedCrc(CRC_START, bytes) >>> 0;
}
