/** What every view of the Studio stands on: the open project, the worker, files, and how to speak to the person. */
import { batch, effect, signal } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { UserError } from '../../src/platform.ts';
import type { Platform } from '../../src/platform.ts';
import { ownFiles } from '../own/ownFiles.ts';
import { OWN_BASE } from '../own/places.ts';
import { browserPlatform } from '../platform.ts';
import { texts } from '../texts.ts';
import { connectStudio } from './client.ts';
import type { StudioWorker } from './client.ts';
import { pageWords } from './pageWords.ts';
import { newProject, openProject, projectFolder, projectIds, removeUnnamed, saveProject } from './project.ts';
import type { Project } from './project.ts';

export type Step = 'data' | 'model' | 'train' | 'judge' | 'use';
export const STEPS: readonly Step[] = ['data', 'model', 'train', 'judge', 'use'];

export interface Notice {
  id: number;
  level: 'info' | 'warning' | 'error';
  text: string;
  /** The project that it is about: the one that was open when it was told, unless another was named; null: none. */
  project: string | null;
}

/** As long as a note is shown. */
const INFO_MS = 15_000;

/** An open project: what it holds is saved soon after it changes. */
export class OpenProject {
  readonly project: Signal<Project>;
  readonly #platform: Platform;
  readonly #stopWatching: () => void;
  readonly #free: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> = Promise.resolve();

  constructor(platform: Platform, project: Project, free: () => void, failed: (error: unknown) => void) {
    this.project = signal(project);
    this.#platform = platform;
    this.#free = free;
    let isFirst = true;
    this.#stopWatching = effect(() => {
      void this.project.value;
      if (isFirst) isFirst = false;
      else this.#saveSoon(failed);
    });
  }

  get id(): string {
    return this.project.peek().id;
  }

  change(some: Partial<Project>): void {
    this.project.value = { ...this.project.peek(), ...some };
  }

  #saveSoon(failed: (error: unknown) => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.save().catch(failed), 200);
  }

  /** At once; after what is being written. */
  save(): Promise<void> {
    clearTimeout(this.#timer);
    const now = this.project.peek();
    this.#saving = this.#saving.catch(() => undefined).then(() => saveProject(this.#platform, now));
    return this.#saving;
  }

  /**
   * Changes it so that it names these files no longer, and removes them: after that is saved, or before, where the storage is so full that
   * it can only be saved then.
   */
  async letGo(some: Partial<Project>, paths: readonly string[]): Promise<void> {
    this.change(some);
    const isSaved = await this.save().then(
      () => true,
      () => false,
    );
    for (const path of paths) if (await this.#platform.exists(path)) await this.#platform.remove(path);
    if (!isSaved) await this.save();
  }

  /** @throws UserError where it cannot be saved: it stays open, and what is changed is still saved soon */
  async close(): Promise<void> {
    let saved: Project;
    do {
      saved = this.project.peek();
      await this.save();
    } while (saved !== this.project.peek());
    clearTimeout(this.#timer);
    this.#stopWatching();
    this.#free();
  }
}

export class Studio {
  readonly worker: Signal<StudioWorker>;
  /** This thread's view of the same files: for what is small, as logs and reports. */
  readonly files: Platform;
  readonly open: Signal<OpenProject | null> = signal(null);
  readonly step: Signal<Step> = signal('data');
  /** In the place of the projects: the quick start on the embedded sample. */
  readonly isOnSample: Signal<boolean> = signal(false);
  /** On the way to where the address says. */
  readonly isArriving: Signal<boolean> = signal(false);
  readonly notices: Signal<readonly Notice[]> = signal([]);
  readonly #mounts = new Map<string, Blob | string>(ownFiles);
  readonly #variables: Record<string, string> = {};
  #hosts: readonly string[] = [];
  #lastNotice = 0;

  constructor() {
    this.files = browserPlatform(this.#mounts);
    this.worker = signal(this.#startWorker());
  }

  #startWorker(): StudioWorker {
    const worker = connectStudio(new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }));
    void Promise.all([worker.mount(this.#mounts), worker.setVariables(this.#variables), worker.own.allowHosts(this.#hosts)]).catch(
      (error: unknown) => this.failed(error),
    );
    return worker;
  }

  /** Ends whatever the worker is at, and starts a new one with the same files. */
  restartWorker(): void {
    this.worker.peek().terminate();
    this.worker.value = this.#startWorker();
  }

  /** Files that both threads read as if they lay at these paths. */
  async mount(files: ReadonlyMap<string, Blob | string>): Promise<void> {
    for (const [path, file] of files) this.#mounts.set(path, file);
    await this.worker.peek().mount(files);
  }

  async unmount(folder: string): Promise<void> {
    for (const path of this.#mounts.keys()) if (path.startsWith(`${folder}/`)) this.#mounts.delete(path);
    await this.worker.peek().unmount(folder);
  }

  /** HF_TOKEN and the like: in memory alone, until the page is left. */
  async setVariables(values: Readonly<Record<string, string>>): Promise<void> {
    Object.assign(this.#variables, values);
    await this.worker.peek().setVariables(values);
  }

  /** Hosts that the worker may connect to beside the page's own, until the page is left: the hub, where the person asks for it. */
  async allowHosts(hosts: readonly string[]): Promise<void> {
    this.#hosts = hosts;
    await this.worker.peek().own.allowHosts(hosts);
  }

  tell(level: Notice['level'], text: string, project = this.open.peek()?.id ?? null): void {
    const id = ++this.#lastNotice;
    // What went well is said and goes; what did not stays until it is put away.
    if (level === 'info') setTimeout(() => this.dismiss(id), INFO_MS);
    this.notices.value = [...this.notices.peek().filter((notice) => notice.text !== text), { id, level, text, project }].slice(-8);
  }

  dismiss(id: number): void {
    this.notices.value = this.notices.peek().filter((notice) => notice.id !== id);
  }

  /** What the person can act on, in words; a defect of ours with its stack, which helps to report it. */
  failed(error: unknown, project?: string): void {
    const defect = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const text = error instanceof UserError ? pageWords(error.message) : defect;
    this.tell('error', text, project);
  }

  /** Oldest first; what cannot be read is told of. */
  async projects(): Promise<Project[]> {
    const found: Project[] = [];
    for (const id of await projectIds(this.files)) {
      await openProject(this.files, id).then(
        (project) => found.push(project),
        (error: unknown) => this.failed(error),
      );
    }
    return found.sort((a, b) => a.createdAt - b.createdAt);
  }

  async create(name: string): Promise<void> {
    const id = crypto.randomUUID().slice(0, 8);
    const project = newProject(id, name, Date.now(), OWN_BASE);
    await saveProject(this.files, project);
    await this.openById(id, name);
  }

  /** One tab has a project at a time. @param name of the project, for messages */
  async openById(id: string, name: string, step: Step = 'data'): Promise<void> {
    await this.close();
    const free = await tabLock(id);
    if (free === undefined) throw new UserError(texts.studio.inOtherTab(name));
    try {
      if (!(await this.files.exists(projectFolder(id)))) throw new UserError(texts.studio.gone(name));
      const project = await openProject(this.files, id);
      await removeUnnamed(this.files, project);
      batch(() => {
        this.open.value = new OpenProject(this.files, project, free, (error) => this.failed(error));
        this.step.value = step;
        // What is wrong with another project, or was with opening one, is of no use in this one. The browser's storage is.
        this.notices.value = this.notices
          .peek()
          .filter((notice) => notice.project === id || (notice.project === null && notice.level !== 'error'));
      });
    } catch (error) {
      free();
      throw error;
    }
  }

  async close(): Promise<void> {
    // Saved before anybody lists it: a file that is replaced while it is read cannot be read.
    await this.open.peek()?.close();
    this.open.value = null;
  }

  async remove({ id, name }: Pick<Project, 'id' | 'name'>): Promise<void> {
    const free = await tabLock(id);
    if (free === undefined) throw new UserError(texts.studio.inOtherTab(name));
    try {
      const folder = projectFolder(id);
      if (await this.files.exists(folder)) await this.files.remove(folder);
    } finally {
      free();
    }
  }
}

/** The browser frees a project when its tab is gone, or was loaded anew, a moment later. */
const PATIENCE_MS = 2000;

/** What frees the project for other tabs; undefined where one has it. */
function tabLock(id: string): Promise<(() => void) | undefined> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(`vernier studio ${id}`, { signal: patience }, () => new Promise<void>((free) => resolve(free)))
      .catch((error: unknown) => (patience.aborted ? resolve(undefined) : reject(error as Error)));
  });
}

/** What a view of an open project is given. */
export interface ViewProps {
  studio: Studio;
  open: OpenProject;
}
