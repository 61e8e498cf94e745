/** A request that is not done, and what its client is told. */
export type RefusalStatus = 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 422 | 503;

export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: RefusalStatus;

  constructor(status: RefusalStatus, message: string) {
    super(message);
    this.status = status;
  }
}

/** Says nothing of why: what is not served and what is not there are alike. */
export const notFound = (): Refusal => new Refusal(404, 'There is nothing here.');
