/** The Studio's worker, as if its functions were here. */
import * as Comlink from 'comlink';
import { connectWorker, reviver } from '../client.ts';
import type { WorkerClient } from '../client.ts';
import type { StudioFunctions } from './functions.ts';

/** A function of another thread. Callbacks among its arguments are handed over with `Comlink.proxy`. */
type There<F> = F extends (...args: infer Args) => infer Result ? (...args: Args) => Promise<Awaited<Result>> : never;

export interface StudioWorker extends WorkerClient {
  /** The Studio's own functions. */
  readonly own: { readonly [Name in keyof StudioFunctions]: There<StudioFunctions[Name]> };
  /** Ends it at once; whatever it was at is lost but for what it had saved. */
  terminate(): void;
}

/** @param worker runs worker.ts of this folder */
export function connectStudio(worker: Worker): StudioWorker {
  const remote = Comlink.wrap<Record<string, (...args: unknown[]) => Promise<unknown>>>(worker);
  const revived = reviver(worker);
  const own = new Proxy({} as StudioWorker['own'], {
    get:
      (_, name: string) =>
      (...args: unknown[]) =>
        revived(remote[name]!(...args) as Promise<unknown>),
  });
  return { ...connectWorker(worker), own, terminate: () => worker.terminate() };
}
