/** Bodies of requests: of a limited size, in a limited time, and all that are held at a time of a limited size too. */
import { RequestError } from './chatRequest.ts';
import type { Exchange } from './exchange.ts';

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
   * @throws RequestError where it is too large or too slow, or the machine holds too many; what `use` throws
   */
  async read<T>(exchange: Exchange, use: (body: Uint8Array) => Promise<T>): Promise<T> {
    const stated = exchange.header('content-length');
    const length = stated === undefined ? 0 : Number(stated);
    if (length > this.limits.bytes) throw this.tooLarge();
    const hold = { bytes: 0 };
    try {
      this.keep(hold, length);
      const body = await exchange.body(this.limits.ms, (bytes) => {
        if (bytes > this.limits.bytes) throw this.tooLarge();
        this.keep(hold, bytes);
      });
      return await use(body);
    } finally {
      this.held -= hold.bytes;
    }
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
