/** Frames in DICOM's RLE (PS3.5, Annex G): a segment for each byte of each sample, the most significant first. */

/**
 * @param sampleBytes bytes of a sample, 1, 2 or 4
 * @returns samples plane by plane, little endian
 * @throws Error in words, for the middle of a sentence
 */
export function decodeRle(bytes: Uint8Array, pixels: number, samples: number, sampleBytes: number): Uint8Array {
  if (bytes.length < 64) throw new Error('an RLE frame begins with 64 bytes');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(0, true);
  if (count !== samples * sampleBytes) throw new Error(`it has ${count} RLE segments, ${samples * sampleBytes} are expected`);
  const out = new Uint8Array(pixels * samples * sampleBytes);
  for (let segment = 0; segment < count; segment++) {
    const from = view.getUint32(4 + 4 * segment, true);
    const to = segment + 1 < count ? view.getUint32(8 + 4 * segment, true) : bytes.length;
    if (from < 64 || from > bytes.length || to < from) throw new Error('an RLE segment lies outside of its frame');
    const sample = Math.floor(segment / sampleBytes);
    const byte = sampleBytes - 1 - (segment % sampleBytes);
    const written = decodeSegment(bytes.subarray(from, to), out, sample * pixels * sampleBytes + byte, sampleBytes, pixels);
    if (written < pixels) throw new Error(`an RLE segment has ${written} of ${pixels} bytes`);
  }
  return out;
}

/** Bytes go to every `step`th place from `at`. @returns how many, `most` at most */
function decodeSegment(bytes: Uint8Array, out: Uint8Array, at: number, step: number, most: number): number {
  let written = 0;
  for (let i = 0; i < bytes.length && written < most;) {
    const header = bytes[i++] ?? 0;
    if (header === 128) continue;
    const isRun = header > 128;
    const count = Math.min(isRun ? 257 - header : header + 1, most - written);
    if (!isRun && i + count > bytes.length) return written;
    if (isRun && i >= bytes.length) return written;
    for (let k = 0; k < count; k++) out[at + (written + k) * step] = bytes[isRun ? i : i + k] ?? 0;
    i += isRun ? 1 : header + 1;
    written += count;
  }
  return written;
}
