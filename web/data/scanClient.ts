/** The thread of the Data step, as if its functions were here. */
import { wrap } from 'comlink';
import { reviver } from '../client.ts';
import type { ScanFunctions } from './scanFunctions.ts';

/** Callbacks among the arguments are handed over with Comlink's `proxy`. */
type There<F> = F extends (...args: infer Args) => infer Result ? (...args: Args) => Promise<Awaited<Result>> : never;

export type ScanClient = { readonly [Name in keyof ScanFunctions]: There<ScanFunctions[Name]> } & { terminate(): void };

export function connectScans(): ScanClient {
  const worker = new Worker(new URL('./scanWorker.ts', import.meta.url), { type: 'module' });
  const remote = wrap<Record<string, (...args: unknown[]) => Promise<unknown>>>(worker);
  const revived = reviver(worker);
  return new Proxy({} as ScanClient, {
    get: (_, name: string) =>
      name === 'terminate' ? () => worker.terminate() : (...args: unknown[]) => revived(remote[name]!(...args) as Promise<unknown>),
  });
}
