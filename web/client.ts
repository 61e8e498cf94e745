/** Runs and models in a worker, as if they were here. */
import * as Comlink from 'comlink';
import type { Answer, AskRequest } from '../src/api/answer.ts';
import type { FineTuneRequest, FineTuneResult, RunEvent } from '../src/api/fineTune.ts';
import { Job } from '../src/api/job.ts';
import type { EvaluateRequest, EvaluationEvent, EvaluationResult, LoadModelRequest } from '../src/api/loadModel.ts';
import type { Picture } from '../src/api/pictures.ts';
import type { ConversationInput } from '../src/api/rows.ts';
import { UserError } from '../src/platform.ts';
import type { Tell, WorkerApi } from './workerApi.ts';

/** Trackers are functions, which stay in their thread: the events say what they would be told. */
export type WorkerFineTuneRequest = Omit<FineTuneRequest, 'trackers'>;

/** `LoadedModel`, in a worker. */
export interface WorkerModel extends AsyncDisposable {
  readonly name: string;
  ask(pictures: Picture | readonly Picture[], question: string | null, request?: AskRequest): Job<string, Answer>;
  evaluate(rows: string | readonly ConversationInput[] | undefined, request?: EvaluateRequest): Job<EvaluationEvent, EvaluationResult>;
  close(): Promise<void>;
}

export interface WorkerClient {
  /** Files that are read as if they lay at these paths: picked Files, or URLs from the page's root (absolute ones). */
  mount(files: ReadonlyMap<string, Blob | string>): Promise<void>;
  /** Takes away what is mounted below a folder. */
  unmount(folder: string): Promise<void>;
  /** What environment variables say elsewhere: HF_TOKEN, HF_ENDPOINT, WANDB_API_KEY, … They are kept in memory only. */
  setVariables(values: Readonly<Record<string, string>>): Promise<void>;
  /** As `fineTune` of `vernier`; options that are wrong fail when it is awaited. */
  fineTune(request: WorkerFineTuneRequest): Job<RunEvent, FineTuneResult>;
  /** As `loadModel` of `vernier`. */
  loadModel(request: LoadModelRequest): Promise<WorkerModel>;
  /** Of the private file system, or mounted: what a run has left. */
  readFile(path: string): Promise<Uint8Array>;
  listDir(path: string): Promise<string[]>;
  remove(path: string): Promise<void>;
}

let lastId = 0;

/**
 * The functions of a worker that runs `vernier/web/worker`:
 *
 *     const vernier = connectWorker(new Worker(new URL('vernier/web/worker', import.meta.url), { type: 'module' }));
 *     await vernier.mount(new Map([['/base/config.json', '/models/tiny/config.json'], …]));
 *     const run = vernier.fineTune({ base: '/base', rows, output: '/run' });
 */
export function connectWorker(worker: Worker): WorkerClient {
  const remote = Comlink.wrap<WorkerApi>(worker);
  const revived = reviver(worker);

  /** A job there, as one here. */
  const job = <Event, Result>(
    start: (id: number, tell: Tell<Event> & Comlink.ProxyMarked) => Promise<Result>,
    how: { signal?: AbortSignal | undefined; onEvent?: ((event: Event) => void) | undefined },
    joined?: (last: Event, next: Event) => Event | undefined,
  ): Job<Event, Result> =>
    new Job<Event, Result>(
      (tell, stop) => {
        const id = ++lastId;
        const forward = (event: Event): Promise<void> => {
          how.onEvent?.(event);
          tell(event);
          return Promise.resolve();
        };
        const result = revived(start(id, Comlink.proxy(forward)));
        const ask = (): void => void remote.stop(id);
        stop.addEventListener('abort', ask);
        if (stop.aborted) ask();
        return result.finally(() => stop.removeEventListener('abort', ask));
      },
      { signal: how.signal, joined },
    );

  const modelOf = (of: number, name: string): WorkerModel => {
    const close = (): Promise<void> => revived(remote.closeModel(of));
    return {
      name,
      ask(pictures, question, { signal, ...request } = {}) {
        return job<string, Answer>(
          (id, tell) => remote.ask(id, of, pictures, question, request, tell),
          { signal },
          (last, next) => last + next,
        );
      },
      evaluate(rows, { signal, ...request } = {}) {
        return job<EvaluationEvent, EvaluationResult>((id, tell) => remote.evaluate(id, of, rows, request, tell), { signal });
      },
      close,
      [Symbol.asyncDispose]: close,
    };
  };

  return {
    mount: (files) => revived(remote.mount(files)),
    unmount: (folder) => revived(remote.unmount(folder)),
    setVariables: (values) => revived(remote.setVariables(values)),
    fineTune({ signal, onProgress, ...request }) {
      return job<RunEvent, FineTuneResult>((id, tell) => remote.fineTune(id, request, tell), { signal, onEvent: onProgress });
    },
    async loadModel({ signal, onMessage, ...request }) {
      const id = ++lastId;
      const ask = (): void => void remote.stop(id);
      signal?.throwIfAborted();
      signal?.addEventListener('abort', ask);
      const tell = (text: string): Promise<void> => {
        onMessage?.(text);
        return Promise.resolve();
      };
      try {
        return modelOf(id, await revived(remote.loadModel(id, request, Comlink.proxy(tell))));
      } finally {
        signal?.removeEventListener('abort', ask);
      }
    },
    readFile: (path) => revived(remote.readFile(path)),
    listDir: (path) => revived(remote.listDir(path)),
    remove: (path) => revived(remote.remove(path)),
  };
}

/** What makes answers of a worker those of this thread: errors have their class again, and one that dies fails what waits for it. */
export function reviver(worker: Worker): <T>(work: Promise<T>) => Promise<T> {
  const ended = gone(worker);
  return (work) =>
    Promise.race([work, ended]).catch((error: unknown) => {
      throw ofThisThread(error);
    });
}

/** Fails when the worker cannot be loaded, or is broken. */
function gone(worker: Worker): Promise<never> {
  const failing = new Promise<never>((_, fail) => {
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      const { message } = event as { message?: string };
      fail(new Error(`The worker failed${message ? `: ${message}` : '; its script, vernier/web/worker, could not be loaded'}.`));
    });
  });
  failing.catch(() => undefined); // who asks for something is told
  return failing;
}

/** Errors lose their class on the way between threads. */
function ofThisThread(error: unknown): unknown {
  return error instanceof Error && error.name === 'UserError' ? new UserError(error.message, { cause: error }) : error;
}
