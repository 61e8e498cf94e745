/** Bodies of requests: of a limited size, in a limited time, and all that are held at a time of a limited size too. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { RequestError } from '../../src/run/ask/chatRequest.ts';

export interface BodyLimits {
  /** Of one. */
  bytes: number;
  /** Of all that are held. */
  heldBytes: number;
  ms: number;
}

export class Bodies {
  private readonly limits: BodyLimits;
  private held = 0;

  constructor(limits: BodyLimits) {
    this.limits = limits;
  }

  /** Bytes of bodies that are being read or used. */
  get heldBytes(): number {
    return this.held;
  }

  /**
   * The body, given to `use`, after which it is no longer counted as held.
   * @param response which says to go on where the client waits for that
   * @throws RequestError where it is too large or too slow, or the machine holds too many; what `use` throws
   */
  async read<T>(request: IncomingMessage, response: ServerResponse, use: (body: Uint8Array) => Promise<T>): Promise<T> {
    const stated = request.headers['content-length'];
    const length = stated === undefined ? 0 : Number(stated);
    if (length > this.limits.bytes) throw this.tooLarge();
    const hold = { bytes: 0 };
    try {
      this.keep(hold, length);
      if (/^100-continue$/i.test(request.headers.expect ?? '')) response.writeContinue();
      return await use(await this.receive(request, hold));
    } finally {
      this.held -= hold.bytes;
    }
  }

  private receive(request: IncomingMessage, hold: { bytes: number }): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      const done = (): void => {
        clearTimeout(timer);
        request.off('data', take).off('end', end).off('error', cut).off('close', cut);
      };
      const fail = (error: unknown): void => {
        done();
        reject(error as Error);
      };
      const take = (piece: Buffer): void => {
        bytes += piece.length;
        try {
          if (bytes > this.limits.bytes) throw this.tooLarge();
          this.keep(hold, bytes);
          pieces.push(piece);
        } catch (error) {
          fail(error);
        }
      };
      const end = (): void => {
        done();
        resolve(Buffer.concat(pieces));
      };
      const cut = (): void => fail(new RequestError(400, 'The connection ended before the body did.'));
      const timer = setTimeout(() => {
        const seconds = Math.round(this.limits.ms / 100) / 10;
        fail(new RequestError(408, `The body has not come within ${seconds} s.`, { type: 'timeout_error', code: 'request_timeout' }));
      }, this.limits.ms);
      request.on('data', take).on('end', end).on('error', cut).on('close', cut);
    });
  }

  /** Counts a body as having at least so many bytes. */
  private keep(hold: { bytes: number }, bytes: number): void {
    const more = bytes - hold.bytes;
    if (more <= 0) return;
    if (this.held + more > this.limits.heldBytes && this.held > hold.bytes)
      throw new RequestError(503, 'The bodies of other requests fill the memory that is set aside for them; try again later.', {
        type: 'server_error',
        code: 'overloaded',
        retryAfter: 2,
      });
    this.held += more;
    hold.bytes = bytes;
  }

  private tooLarge(): RequestError {
    const mib = this.limits.bytes / 2 ** 20;
    return new RequestError(413, `The body is larger than ${mib} MiB (--serve_body_mib). Send fewer or smaller pictures.`, {
      code: 'request_too_large',
    });
  }
}
