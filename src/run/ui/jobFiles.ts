/**
 * What is kept of programs that were started here, in the folder `.vernier-ui` of the shown one: recipe, what the program says, and which
 * process it is, so that a later server finds it again. For this user alone.
 */
import { parsedYaml } from '../../io/yamlText.ts';
import { recipeText } from '../../options/recipeYaml.ts';
import { parseOwner } from '../../io/locks/owner.ts';
import type { Identity } from '../../io/locks/owner.ts';
import { parseJson } from '../../io/parseJson.ts';
import { asObject } from '../../data/jsonFile.ts';
import { joinPath } from '../../platform.ts';
import type { OutputsFolder } from './folder.ts';
import { runId } from './findRuns.ts';
import type { ProgramName, Programs } from './programs.ts';

export type JobKind = 'train' | 'evaluate' | 'merge';
const JOB_KINDS = ['train', 'evaluate', 'merge'] as const;

export interface Job {
  kind: JobKind;
  /** The run's folder below. */
  run: string;
  /** ISO 8601. */
  startedAt: string;
  process: Partial<Identity>;
}

const FOLDER = '.vernier-ui';
/** Of what a program has said, the end. */
const MOST_SAID = 2 ** 18;

export class JobFiles {
  private readonly folder: OutputsFolder;
  private readonly programs: Programs;

  constructor(folder: OutputsFolder, programs: Programs) {
    [this.folder, this.programs] = [folder, programs];
  }

  /** Starts the program on a recipe of these options. @param more of its command line */
  async start(kind: JobKind, run: string, options: Readonly<Record<string, unknown>>, more: readonly string[] = []): Promise<void> {
    const { platform, path } = this.folder;
    await platform.makeDir(joinPath(path, FOLDER), { isPrivate: true });
    const recipe = joinPath(path, await fileOf(run, kind, 'yaml'));
    await platform.writeFile(recipe, recipeText(options), { isPrivate: true });
    const program: ProgramName = kind === 'evaluate' ? 'evaluate' : 'train';
    const log = joinPath(path, await fileOf(run, kind, 'log'));
    const process = await this.programs.start(program, ['--config', recipe, ...more], log);
    const job: Job = { kind, run, startedAt: new Date().toISOString(), process };
    await platform.writeFile(joinPath(path, await fileOf(run, kind, 'json')), `${JSON.stringify(job)}\n`, { isPrivate: true });
  }

  /** All, whether their programs still live or not. */
  async list(): Promise<Job[]> {
    const path = await this.folder.inside(FOLDER);
    if (path === undefined) return [];
    const names = await this.folder.platform.listDir(path).catch((): string[] => []);
    const jobs: Job[] = [];
    for (const name of names.filter((one) => /^[0-9a-f]{16}\.(train|evaluate|merge)\.json$/.test(one))) {
      const job = readJob((await this.folder.text(4096, FOLDER, name)) ?? '');
      if (job) jobs.push(job);
    }
    return jobs;
  }

  /** The options that the run was started with here; undefined where it was not. */
  async recipe(run: string, kind: JobKind): Promise<Record<string, unknown> | undefined> {
    const text = await this.folder.text(2 ** 16, await fileOf(run, kind, 'yaml'));
    if (text === undefined) return undefined;
    const options = asObject(parsedYaml(text, 'the recipe').value);
    return options && { ...options };
  }

  /** What the run's programs have said. */
  async said(run: string): Promise<{ kind: JobKind; text: string }[]> {
    const all: { kind: JobKind; text: string }[] = [];
    for (const kind of JOB_KINDS) {
      const text = await this.folder.text(MOST_SAID, await fileOf(run, kind, 'log'));
      if (text !== undefined) all.push({ kind, text });
    }
    return all;
  }

  async isLiving(job: Job): Promise<boolean> {
    return (await this.programs.isLiving(job.process)) === true;
  }
}

async function fileOf(run: string, kind: JobKind, ending: 'yaml' | 'log' | 'json'): Promise<string> {
  return `${FOLDER}/${await runId(run)}.${kind}.${ending}`;
}

/** Names of folders, one in the other, and nothing that leads elsewhere. */
function isBelow(run: string): boolean {
  return run.split('/').every((part) => part !== '.' && part !== '..' && /^[^\\\0]*$/.test(part)) && !run.startsWith('/');
}

function readJob(text: string): Job | undefined {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch {
    return undefined; // half-written, or somebody else's
  }
  const { kind, run, startedAt, process } = asObject(json) ?? {};
  const known = JOB_KINDS.find((one) => one === kind);
  if (known === undefined || typeof run !== 'string' || !isBelow(run)) return undefined;
  return { kind: known, run, startedAt: typeof startedAt === 'string' ? startedAt : '', process: parseOwner(JSON.stringify(process)) };
}
