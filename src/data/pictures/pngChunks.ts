/** A PNG file cut into its chunks. */
import { latin1 } from '../imageFormats.ts';

export interface PngChunk {
  type: string;
  data: Uint8Array;
}

const SIGNATURE_BYTES = 8;

/** Up to IEND, or to where the file is cut off: a chunk that is not there in full is left out. */
export function pngChunks(bytes: Uint8Array): PngChunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: PngChunk[] = [];
  for (let at = SIGNATURE_BYTES; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const type = latin1(bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) break;
    chunks.push({ type, data: bytes.subarray(at + 8, at + 8 + length) });
    if (type === 'IEND') break;
    at += 12 + length;
  }
  return chunks;
}
