/**
 * What a worker of the page does for `connectWorker` (client.ts): runs, questions and models go by numbers, because neither functions nor
 * signals pass between threads.
 */
import type { Answer, AskRequest } from '../src/api/answer.ts';
import type { FineTuneRequest, FineTuneResult, RunEvent } from '../src/api/fineTune.ts';
import type { Job } from '../src/api/job.ts';
import type { EvaluateRequest, EvaluationEvent, EvaluationResult, LoadedModel, LoadModelRequest } from '../src/api/loadModel.ts';
import type { Picture } from '../src/api/pictures.ts';
import type { ConversationInput } from '../src/api/rows.ts';
import type * as engineModule from './engine.ts';
import { mounts, platform, variables } from './here.ts';

export type Tell<Event> = (event: Event) => Promise<void>;

const jobs = new Map<number, { stop(): void }>();
const models = new Map<number, LoadedModel>();

type Engine = Pick<typeof engineModule, 'fineTune' | 'loadModel'>;

/** What trains and answers comes when it is first asked for something: a page is there before it. */
const engine = async (): Promise<Engine> => await import('./engine.ts');

/**
 * Everything that a job tells has arrived when its result is returned: events and results go through ports of their own.
 * @param open gives what starts the job, which may be stopped before it has begun
 */
async function followed<Event, Result>(id: number, open: () => Promise<() => Job<Event, Result>>, tell: Tell<Event>): Promise<Result> {
  let isStopped = false;
  jobs.set(id, { stop: () => (isStopped = true) });
  try {
    const job = (await open())();
    jobs.set(id, job);
    if (isStopped) job.stop();
    let told = Promise.resolve();
    for await (const event of job) told = tell(event);
    await told;
    return await job;
  } finally {
    jobs.delete(id);
  }
}

function model(id: number): LoadedModel {
  const found = models.get(id);
  if (found === undefined) throw new Error(`there is no model ${id} in the worker`);
  return found;
}

export const workerApi = {
  mount(files: ReadonlyMap<string, Blob | string>): void {
    for (const [path, source] of files) mounts.set(path, source);
  },
  unmount(folder: string): void {
    for (const path of mounts.keys()) if (path.startsWith(`${folder}/`)) mounts.delete(path);
  },
  setVariables(values: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(values)) variables.set(name, value);
  },
  fineTune: (id: number, request: FineTuneRequest, tell: Tell<RunEvent>): Promise<FineTuneResult> =>
    followed(
      id,
      async () => {
        const { fineTune } = await engine();
        return () => fineTune(request);
      },
      tell,
    ),
  async loadModel(id: number, request: LoadModelRequest, tell: Tell<string>): Promise<string> {
    const stop = new AbortController();
    jobs.set(id, { stop: () => stop.abort() });
    try {
      const { loadModel } = await engine();
      const loaded = await loadModel({ ...request, signal: stop.signal, onMessage: (text) => void tell(text) });
      models.set(id, loaded);
      return loaded.name;
    } finally {
      jobs.delete(id);
    }
  },
  ask: (
    id: number,
    of: number,
    pictures: Picture | readonly Picture[],
    question: string | null,
    request: AskRequest,
    tell: Tell<string>,
  ): Promise<Answer> => followed(id, () => Promise.resolve(() => model(of).ask(pictures, question, request)), tell),
  evaluate: (
    id: number,
    of: number,
    rows: string | readonly ConversationInput[] | undefined,
    request: EvaluateRequest,
    tell: Tell<EvaluationEvent>,
  ): Promise<EvaluationResult> => followed(id, () => Promise.resolve(() => model(of).evaluate(rows, request)), tell),
  async closeModel(id: number): Promise<void> {
    await models.get(id)?.close();
    models.delete(id);
  },
  stop(id: number): void {
    jobs.get(id)?.stop();
  },
  readFile: (path: string): Promise<Uint8Array> => platform.readFile(path),
  listDir: (path: string): Promise<string[]> => platform.listDir(path),
  remove: (path: string): Promise<void> => platform.remove(path),
};

export type WorkerApi = typeof workerApi;
