/** Models that can be asked: the base, what runs of this browser have learnt, adapters that were picked. One is open at a time. */
import { UserError } from '../../src/platform.ts';
import type { WorkerModel } from '../client.ts';
import { pickedFiles } from '../mountedFiles.ts';
import { projectFolder, runFolder } from '../studio/project.ts';
import type { OpenProject, Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import type { KeptRun } from '../train/inWorker.ts';
import { askedIn, modelOptions } from '../train/runs.ts';
import type { Asked } from '../train/runs.ts';
import type { Changed } from '../train/values.ts';

export interface AskedModel {
  key: string;
  name: string;
  base: string;
  adapter?: string;
  options: Changed;
  /** Of a run of this browser. */
  run?: { project: string; kept: KeptRun; asked: Asked };
}

/** The base of the project first, then its runs, then those of others; newest first. */
export async function modelsOf(studio: Studio, open: OpenProject): Promise<AskedModel[]> {
  const own = open.project.peek();
  const others = (await studio.projects()).filter(({ id }) => id !== own.id);
  const found: AskedModel[] = [{ key: 'base', name: texts.use.baseAlone, base: own.base, options: modelOptions(own) }];
  for (const project of [own, ...others]) {
    const places = project.runs.map(({ name }) => ({ name, folder: runFolder(project.id, name) }));
    const runs = await studio.worker.value.own.keptRuns(places);
    for (const kept of runs.toReversed()) {
      if (kept.result === null) continue;
      const asked = await askedIn(studio, project.id, kept.name);
      const name = texts.use.ofRun(project.name, kept.name);
      const model = kept.isAdapter ? { base: asked.base, adapter: kept.result } : { base: kept.result };
      const run = { project: project.id, kept, asked };
      found.push({ key: `${project.id}/${kept.name}`, name, ...model, options: modelOptions(asked), run });
    }
  }
  return found;
}

/** @throws UserError for a folder that holds no adapter */
export async function pickAdapter(studio: Studio, open: OpenProject, files: readonly File[]): Promise<AskedModel> {
  const name = files[0]?.webkitRelativePath.split('/')[0] ?? '';
  const adapter = `/picked/adapters/${name}`;
  await studio.unmount(adapter);
  const mounted = pickedFiles(files, adapter);
  if (!mounted.has(`${adapter}/adapter_config.json`)) throw new UserError(texts.use.notAnAdapter(name));
  await studio.mount(mounted);
  const project = open.project.peek();
  return { key: adapter, name: texts.use.picked(name), base: project.base, adapter, options: modelOptions(project) };
}

/** The model that is open, for the next question too. */
export class OpenedModel {
  readonly #studio: Studio;
  #key = '';
  #model: Promise<WorkerModel> | undefined;

  constructor(studio: Studio) {
    this.#studio = studio;
  }

  async of({ key, base, adapter, options, run }: AskedModel, say: (text: string) => void): Promise<WorkerModel> {
    const own = `${key} ${run?.kept.step ?? ''}`;
    if (this.#model !== undefined && this.#key === own) return this.#model;
    await this.close();
    this.#key = own;
    const opening = this.#studio.worker.value.loadModel({ ...options, base, ...(adapter !== undefined && { adapter }), onMessage: say });
    this.#model = opening;
    opening.catch(() => (this.#model = undefined));
    return opening;
  }

  async close(): Promise<void> {
    const model = this.#model;
    this.#model = undefined;
    await (await model?.catch(() => undefined))?.close();
  }
}

export const archiveFile = (project: string): string => `${projectFolder(project)}/archive.zip`;
