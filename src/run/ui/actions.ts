/** What can be done with a run, and why not; starting, stopping, and the programs that go on from a run. */
import { definitions as evaluateDefinitions, evaluateProgram } from '../../options/evaluate.ts';
import { optionOf, parseFor } from '../../options/program.ts';
import type { Definitions, Program } from '../../options/program.ts';
import { definitions, trainProgram } from '../../options.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { Identity } from '../../io/locks/owner.ts';
import type { RunActions, Started, StartRequest } from './api.ts';
import { runId } from './findRuns.ts';
import type { Programs } from './programs.ts';
import { Refusal } from './refusal.ts';
import type { Condition, KnownRun, Runs } from './runs.ts';
import { SETTLED } from './settled.ts';

type Recipe = Readonly<Record<string, unknown>>;

const ELSEWHERE =
  'It was not started here, so only the names of its files are known. Give its command again, with --resume_from_checkpoint true.';

/** @param recipe with which it was started here; undefined: elsewhere */
export function actionsOf(
  { kind }: Pick<KnownRun, 'kind'>,
  { state, holder, living }: Condition,
  recipe: Recipe | undefined,
  files: readonly { name: string }[],
): RunActions {
  const isBusy = state === 'running' || state === 'unclear' ? 'It is running.' : living.length > 0 ? 'It is being merged.' : null;
  const isNear = living.length > 0 || (holder?.isAlive === true && holder.isNear);
  const hasAdapter = files.some(({ name }) => name === 'adapter_config.json');
  const only = (what: string): string | null => (kind === 'training' ? null : `Only a training is ${what}.`);
  return {
    stop: isNear ? null : isBusy ? `It runs on another machine: ${holder?.words ?? ''}.` : 'It is not running.',
    resume: isBusy ?? (state === 'finished' ? 'It is finished.' : recipe === undefined ? ELSEWHERE : null),
    evaluate: only('evaluated') ?? isBusy ?? (hasAdapter ? null : 'It has no adapter yet.'),
    merge: only('merged') ?? isBusy ?? (hasAdapter ? null : 'It has no adapter yet.'),
  };
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;
/** Programs that run at a time, of those that were started here. */
const MOST_LIVING = 8;

export class Actions {
  private readonly runs: Runs;
  private readonly programs: Programs;
  /** Asked to end already: a second time would end them without saving. */
  private readonly interrupted = new Set<string>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(runs: Runs, programs: Programs) {
    [this.runs, this.programs] = [runs, programs];
  }

  /** @throws Refusal for a name that is taken or none, UserError for options that contradict each other */
  start({ name, options }: StartRequest): Promise<Started> {
    return this.oneByOne(async () => {
      checkName(name);
      const { folder } = this.runs;
      const taken = await folder.platform.look(joinPath(folder.path, name));
      if (taken && options['overwrite'] !== true)
        throw new Refusal(409, `${name} is there already. Give the run another name, or set overwrite to replace the run in it.`);
      if (taken && (await folder.inside(name)) === undefined) throw new Refusal(409, `${name} leads out of the folder. Give another name.`);
      const given = checked(definitions, options);
      const { options: parsed, notes } = parseFor(trainProgram, given, {}, this.variables(definitions));
      const reportTo = parsed.report_to.filter((one) => one !== 'none' && one !== 'jsonl');
      const recipe = { ...given, run_name: name, output_dir: joinPath(folder.path, name), report_to: ['jsonl', ...reportTo] };
      return this.started('train', name, trainProgram, recipe, notes);
    });
  }

  /** As Ctrl-C: the run saves what is done and ends. */
  async stop(run: KnownRun): Promise<void> {
    const condition = await this.runs.condition(run);
    refuseUnless(actionsOf(run, condition, undefined, []).stop);
    const { holder, living } = condition;
    const owners: Partial<Identity>[] = holder?.isAlive === true && holder.isNear ? [holder.owner] : living.map(({ process }) => process);
    for (const owner of owners) {
      const key = `${owner.pid ?? ''} ${owner.born ?? ''}`;
      if (this.interrupted.has(key) || !isWhole(owner)) continue;
      this.programs.interrupt(owner);
      this.interrupted.add(key);
    }
  }

  /** The same command goes on from the last checkpoint. */
  resume(run: KnownRun): Promise<Started> {
    return this.oneByOne(async () => {
      const { actions, recipe } = await this.looked(run);
      refuseUnless(actions.resume);
      const { overwrite: _, ...kept } = recipe ?? {};
      return this.started(run.kind === 'evaluation' ? 'evaluate' : 'train', run.name, undefined, kept, [], RESUME[run.kind]);
    });
  }

  /** Into a folder beside the run's. @param options in the place of those of the run's recipe */
  evaluate(run: KnownRun, options: Recipe): Promise<Started> {
    return this.oneByOne(async () => {
      const { actions, recipe = {} } = await this.looked(run);
      refuseUnless(actions.evaluate);
      const given = checked(evaluateDefinitions, options);
      const name = `${run.name === '' ? 'run' : run.name}-evaluation`;
      const sources = ['eval_file', 'prepared_ds_dir', 'samples'].some((one) => one in given) ? { ...recipe, ...NO_ROWS } : recipe;
      const shared = Object.entries(sources).filter(([one, value]) => one in evaluateDefinitions && value !== null && value !== undefined);
      const full = {
        ...Object.fromEntries(shared),
        ...(typeof sources['val_file'] === 'string' && { eval_file: sources['val_file'] }),
        ...('data_dir' in sources && !('eval_split' in given) && { eval_split: 'validation' }),
        ...given,
        lora_checkpoint_dir: joinPath(this.runs.folder.path, run.name),
        output_dir: joinPath(this.runs.folder.path, name),
      };
      delete (full as Record<string, unknown>)['config'];
      return this.started('evaluate', name, evaluateProgram, full, []);
    });
  }

  /** Into the folder that is called as the run's, with _merged behind it. */
  merge(run: KnownRun, options: Recipe): Promise<Started> {
    return this.oneByOne(async () => {
      const { actions, recipe = {} } = await this.looked(run);
      refuseUnless(actions.merge);
      const full = {
        ...recipe,
        ...checked(definitions, options),
        output_dir: joinPath(this.runs.folder.path, run.name),
        merge_only: true,
      };
      return this.started('merge', run.name, trainProgram, full, []);
    });
  }

  private async looked(run: KnownRun): Promise<{ actions: RunActions; recipe: Recipe | undefined }> {
    const recipe = await this.runs.jobs.recipe(run.name, run.kind === 'training' ? 'train' : 'evaluate');
    const has = (await this.runs.folder.inside(run.name, 'adapter_config.json')) !== undefined;
    const files = has ? [{ name: 'adapter_config.json' }] : [];
    return { actions: actionsOf(run, await this.runs.condition(run), recipe, files), recipe };
  }

  /** @param program checks the recipe; undefined: it was checked when it was first started */
  private async started<Options>(
    kind: 'train' | 'evaluate' | 'merge',
    run: string,
    program: Program<Options> | undefined,
    recipe: Recipe,
    notes: string[],
    words: readonly string[] = [],
  ): Promise<Started> {
    if (program) parseFor(program, {}, recipe, this.variables(program.definitions));
    let count = 0;
    for (const job of await this.runs.jobs.list()) {
      if (!(await this.runs.jobs.isLiving(job))) continue;
      if (job.run === run) throw new Refusal(409, `${run} is being worked on already; wait for it, or stop it.`);
      count++;
    }
    if (count >= MOST_LIVING) throw new Refusal(503, `${count} programs run already; wait for one, or stop one.`);
    await this.runs.jobs.start(kind, run, recipe, words);
    return { id: await runId(run), notes };
  }

  /** Variables that stand in for options; the programs that are started have them too. */
  private variables(table: Definitions): Record<string, string | undefined> {
    const names = Object.values(table).flatMap(({ env }) => env ?? []);
    return Object.fromEntries(names.map((name) => [name, this.runs.folder.platform.env(name)]));
  }

  /** Two requests at a time must not start two programs of one name. */
  private oneByOne<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined);
    return done;
  }
}

/** An evaluation goes on by itself. */
const RESUME: Readonly<Record<KnownRun['kind'], readonly string[]>> = { training: ['--resume_from_checkpoint', 'true'], evaluation: [] };

/** Of a recipe, in the place of which others were given. */
const NO_ROWS = {
  val_file: undefined,
  data_dir: undefined,
  prepared_ds_dir: undefined,
  tasks_list_json_path_AD: undefined,
  tasks_list_json_path_detect: undefined,
  tasks_list_json_path_TL: undefined,
};

function checkName(name: string): void {
  if (!NAME.test(name) || /\.$|\.\.|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(name))
    throw new Refusal(422, 'A run is named by 1 to 80 letters, digits, dots, dashes and underscores, beginning with a letter or digit.');
}

/** The options by their own names, but for those that are not the form's. */
function checked(table: Definitions, options: Recipe): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [word, value] of Object.entries(options)) {
    const name = optionOf(table, word)?.name ?? word;
    if ((SETTLED as readonly string[]).includes(name)) {
      if (value !== null)
        throw new Refusal(422, `${word} is not given here: where and how a run is written is settled by its name and the button.`);
    } else given[word] = value;
  }
  return given;
}

function refuseUnless(reason: string | null): void {
  if (reason !== null) throw new Refusal(409, reason);
}

function isWhole(owner: Partial<Identity>): owner is Identity {
  return owner.pid !== undefined && owner.host !== undefined;
}

/** For the one who reads a body. @throws Refusal */
export function startRequest(json: unknown): StartRequest {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) {
    const { name, options = {} } = json as { name?: unknown; options?: unknown };
    if ((name === undefined || typeof name === 'string') && typeof options === 'object' && options !== null && !Array.isArray(options))
      return { name: name ?? '', options: options as Record<string, unknown> };
  }
  throw new Refusal(400, 'A JSON object with "name" and "options" is expected.');
}

/** What is told of an error: the client's own mistake in words. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  return error instanceof UserError ? new Refusal(422, error.message) : undefined;
}
