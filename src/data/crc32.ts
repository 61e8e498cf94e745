/** CRC-32, the checksum of gzip and of PNG. */
const TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** Of nothing. */
export const CRC_START = -1;

/** The register after these bytes, for data that comes in pieces; its complement is the checksum, as a signed number. */
export function updatedCrc(register: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) register = (register >>> 8) ^ TABLE[(register ^ bytes[i]!) & 255]!;
  return register;
}

/** The checksum, 0 to 2³² - 1. */
export function crc32(bytes: Uint8Array): number {
  return ~updatedCrc(CRC_START, bytes) >>> 0;
}
