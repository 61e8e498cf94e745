/** Bytes of a frame to the numbers that are stored in it (PS3.5, 8.1: bits allocated, bits stored, high bit, pixel representation). */
import type { FrameSamples } from './decodeFrame.ts';
import type { PixelFormat } from './format.ts';

export type StoredValues = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

const HOST_IS_LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Numbers of an uncompressed frame. @param firstBit of frames of single bits that begin within a byte */
export function nativeValues(bytes: Uint8Array, format: PixelFormat, isBigEndian: boolean, firstBit: number): StoredValues {
  const { bitsAllocated, bitsStored, highBit, isSigned, kind } = format;
  if (kind !== 'integers')
    return kind === 'floats' ? new Float32Array(ordered(bytes, 4, isBigEndian)) : new Float64Array(ordered(bytes, 8, isBigEndian));
  if (bitsAllocated === 1) return singleBits(bytes, firstBit, format.rows * format.columns);
  return integers(bytes, bitsAllocated, bitsStored, highBit + 1 - bitsStored, isSigned, isBigEndian);
}

/** Numbers of a decoded frame, whose unused bits are the upper ones. */
export function decodedValues({ bytes, bitsAllocated, bitsStored, isSigned }: FrameSamples): StoredValues {
  return integers(bytes, bitsAllocated, Math.min(bitsStored, bitsAllocated), 0, isSigned, false);
}

function integers(
  bytes: Uint8Array,
  bitsAllocated: number,
  bitsStored: number,
  shift: number,
  isSigned: boolean,
  isBigEndian: boolean,
): StoredValues {
  const size = bitsAllocated / 8;
  const buffer = ordered(bytes, size, isBigEndian && size > 1);
  const raw =
    size === 1
      ? isSigned
        ? new Int8Array(buffer)
        : new Uint8Array(buffer)
      : size === 2
        ? isSigned
          ? new Int16Array(buffer)
          : new Uint16Array(buffer)
        : isSigned
          ? new Int32Array(buffer)
          : new Uint32Array(buffer);
  // Overlays and rubbish may lie in the bits that are not used.
  const left = 32 - bitsStored - shift;
  const right = 32 - bitsStored;
  if (bitsStored < bitsAllocated) {
    if (isSigned) for (let i = 0; i < raw.length; i++) raw[i] = ((raw[i] ?? 0) << left) >> right;
    else for (let i = 0; i < raw.length; i++) raw[i] = ((raw[i] ?? 0) << left) >>> right;
  }
  return raw;
}

/** A buffer of its own, in this machine's order of bytes, cut to whole numbers. */
function ordered(bytes: Uint8Array, size: number, isBigEndian: boolean): ArrayBuffer {
  const whole = bytes.subarray(0, bytes.length - (bytes.length % size));
  return (isBigEndian === HOST_IS_LITTLE ? swapped(whole, size) : whole.slice()).buffer as ArrayBuffer;
}

function swapped(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at += size) for (let k = 0; k < size; k++) out[at + k] = bytes[at + size - 1 - k] ?? 0;
  return out;
}

/** The least significant bit is the first (PS3.5, 8.1.1, Annex D). */
function singleBits(bytes: Uint8Array, firstBit: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => ((bytes[(firstBit + i) >> 3] ?? 0) >> ((firstBit + i) & 7)) & 1);
}
