/**
 * Files as streams of bytes, gzip-decompressed where they need it. DecompressionStream is the one implementation that every runtime has. The
 * output is handed on piece by piece, so a reader stops when it has what it needs and a gzip bomb never unfolds.
 */
import type { Platform } from '../platform.ts';
import { UserError } from '../platform.ts';

const CHUNK_BYTES = 1 << 20;

/** The bytes of a file; `.gz` files (by their magic number, not their name) are decompressed. Leaving the loop early stops the work. */
export async function* fileChunks(platform: Platform, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await platform.openFile(path);
  try {
    const magic = file.size >= 2 ? await file.read(0, 2) : new Uint8Array(2);
    const isGzip = magic[0] === 0x1f && magic[1] === 0x8b;
    let offset = 0;
    const raw = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        async pull(controller) {
          const length = Math.min(CHUNK_BYTES, file.size - offset);
          if (length <= 0) return controller.close();
          const bytes = await file.read(offset, length);
          offset += length;
          controller.enqueue(bytes as Uint8Array<ArrayBuffer>); // a fresh read is never shared memory
        },
      },
      { highWaterMark: 0 },
    );
    const reader = (isGzip ? raw.pipeThrough(new DecompressionStream('gzip')) : raw).getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          if (cause instanceof UserError || !isGzip) throw cause;
          throw new UserError(
            `${path}: the gzip data is truncated or corrupt (${cause instanceof Error ? cause.message : String(cause)}). Fetch the file again.`,
          );
        });
        if (done) return;
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => undefined); // an errored stream has nothing left to cancel
    }
  } finally {
    await file.close();
  }
}
