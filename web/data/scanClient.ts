/** The thread of the Data step, as if its functions were here. */
import { wrap } from 'comlink';
import { reviver } from '../client.ts';
import type { ScanFunctions } from './scanFunctions.ts';

/** Callbacks among the arguments are handed over with Comlink's `proxy`. */
type There<F> = F extends (...args: infer Args) => infer Result ? (...args: Args) => Promise<Awaited<Result>> : never;

export type ScanClient = { readonly [Name in keyof ScanFunctions]: There<ScanFunctions[Name]> } & { terminate(): void };

type Remote = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** The thread is begun when something is first asked of it: an empty project needs none of its code. */
export function connectScans(): ScanClient {
  let begun: { worker: Worker; remote: Remote; revived: ReturnType<typeof reviver> } | undefined;
  const begin = (): NonNullable<typeof begun> => {
    const worker = new Worker(new URL('./scanWorker.ts', import.meta.url), { type: 'module' });
    return (begun = { worker, remote: wrap<Remote>(worker) as unknown as Remote, revived: reviver(worker) });
  };
  return new Proxy({} as ScanClient, {
    get: (_, name: string) =>
      name === 'terminate'
        ? () => begun?.worker.terminate()
        : (...args: unknown[]) => {
            const { remote, revived } = begun ?? begin();
            return revived(remote[name]!(...args));
          },
  });
}
