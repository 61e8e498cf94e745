/** A request over HTTP and its answer, as the runtime's server has them: what the service needs of either, and no more. */
export interface Exchange {
  readonly method: string;
  /** Path and query, as they were sent. */
  readonly url: string;
  /** @param name in lower case */
  header(name: string): string | undefined;
  /**
   * The body, asked for where the client waits for that.
   * @param onBytes told how many have come; what it throws ends the reading
   * @throws RequestError where the client breaks off, or needs longer than `ms`
   */
  body(ms: number, onBytes: (bytes: number) => void): Promise<Uint8Array>;

  /** An answer as JSON, whole. */
  send(status: number, headers: Headers, json: string): void;
  /** As `send`, to a request whose rest is not wanted. */
  refuse(status: number, headers: Headers, json: string): void;
  /** An answer in pieces: what comes before the first. */
  begin(status: number, headers: Headers): void;
  write(piece: string): void;
  end(piece: string): void;
  /** Closes the connection, whatever has been answered. */
  drop(): void;

  /** The answer has begun, so that its status can no longer be another. */
  readonly hasBegun: boolean;
  /** Nobody reads what is written. */
  readonly isGone: boolean;
  /** Calls back when the connection has ended; returns the undoing. */
  onGone(act: () => void): () => void;
}

export type Headers = Readonly<Record<string, string>>;
