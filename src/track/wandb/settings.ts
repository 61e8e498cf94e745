/** What the W&B tracker is told: options first, then the variables and the netrc file that the official client reads. */
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { plainHttpWarning } from '../plainHttp.ts';
import { keepSecret } from '../secrets.ts';

export interface WandbOptions {
  wandb_project: string | null;
  wandb_entity: string | null;
  wandb_run_name: string | null;
  wandb_run_id: string | null;
  wandb_dir: string | null;
  wandb_resume: 'allow' | 'must' | 'never' | 'auto' | null;
  wandb_mode: 'online' | 'offline' | 'disabled' | null;
  wandb_tags: readonly string[];
}

export interface WandbSettings {
  mode: 'online' | 'offline' | 'disabled';
  /** Of the API, without a slash at the end. */
  baseUrl: string;
  /** Absent offline. */
  apiKey?: string;
  /** For the user, before anything is sent: the key would go unencrypted. */
  warning?: string;
  entity?: string;
  project: string;
  name: string;
  /** Given by the user; absent: a checkpoint's, or a new one. */
  id?: string;
  resume: 'allow' | 'must' | 'never' | 'auto';
  /** Folder that gets the folder `wandb`. */
  dir: string;
  tags: readonly string[];
}

const RESUMES = ['allow', 'must', 'never', 'auto'] as const;
const MODES = ['online', 'offline', 'disabled'] as const;
/** Names of WANDB_MODE's early days, which the official client still takes. */
const OLD_MODES: Readonly<Record<string, string>> = { run: 'online', dryrun: 'offline' };

/**
 * @param runName the run's name where none is given for W&B
 * @param outputDir where local files go without a folder of their own
 * @throws UserError without a key, or where a variable has a value that W&B does not know
 */
export async function wandbSettings(platform: Platform, options: WandbOptions, runName: string, outputDir: string): Promise<WandbSettings> {
  const env = (name: string): string | undefined => platform.env(name) || undefined;
  const baseUrl = checkedAddress(env('WANDB_BASE_URL') ?? 'https://api.wandb.ai');
  const mode = options.wandb_mode ?? modeOf(env);
  const apiKey = mode === 'online' ? (env('WANDB_API_KEY') ?? (await netrcKey(platform, baseUrl))) : undefined;
  keepSecret(apiKey);
  if (mode === 'online' && apiKey === undefined) {
    throw new UserError(
      `W&B has no API key: set the environment variable WANDB_API_KEY (${appUrl(baseUrl)}/authorize shows it), run \`wandb login\` once, ` +
        `give --wandb_mode offline, ` +
        'or leave wandb out of --report_to.',
    );
  }
  const warning = apiKey === undefined ? undefined : plainHttpWarning('WANDB_BASE_URL', baseUrl, 'the API key of W&B');
  const id = options.wandb_run_id ?? env('WANDB_RUN_ID');
  if (id !== undefined && !isRunId(id))
    throw new UserError(`--wandb_run_id ${id}: an id has none of / \\ # ? % : in it, and at most 128 characters; choose another.`);
  const entity = options.wandb_entity ?? env('WANDB_ENTITY');
  return {
    mode,
    baseUrl,
    ...(apiKey !== undefined && { apiKey }),
    ...(warning !== undefined && { warning }),
    ...(entity !== undefined && { entity }),
    project: options.wandb_project ?? env('WANDB_PROJECT') ?? 'vernier',
    name: options.wandb_run_name ?? env('WANDB_NAME') ?? runName,
    ...(id !== undefined && { id }),
    resume: options.wandb_resume ?? oneOf('WANDB_RESUME', env('WANDB_RESUME') ?? 'allow', RESUMES),
    dir: options.wandb_dir ?? env('WANDB_DIR') ?? outputDir,
    tags:
      options.wandb_tags.length > 0
        ? options.wandb_tags
        : (env('WANDB_TAGS')
            ?.split(',')
            .map((tag) => tag.trim())
            .filter(Boolean) ?? []),
  };
}

function checkedAddress(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // An address is not repeated here: one with a password in it is the likeliest mistake.
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UserError('WANDB_BASE_URL: an address such as https://api.wandb.ai was expected.');
  }
  if (url.username !== '' || url.password !== '') {
    throw new UserError('WANDB_BASE_URL holds a user name or password; leave them out and put the key in WANDB_API_KEY.');
  }
  return text.replace(/\/+$/, '');
}

function modeOf(env: (name: string) => string | undefined): WandbSettings['mode'] {
  // As transformers has it.
  if (/^(1|on|true|yes|y|t)$/i.test(env('WANDB_DISABLED') ?? '')) return 'disabled';
  const value = (env('WANDB_MODE') ?? 'online').trim().toLowerCase();
  if (value === 'shared') {
    throw new UserError(
      'WANDB_MODE=shared: that is for several processes that write into one run together; Vernier is one, and counts its lines by ' +
        'itself. Set WANDB_MODE=online, or unset it.',
    );
  }
  return oneOf('WANDB_MODE', OLD_MODES[value] ?? value, MODES, Object.keys(OLD_MODES));
}

/** Where people look at what the API at `baseUrl` stores. */
export function appUrl(baseUrl: string): string {
  return baseUrl.replace(/^(https?:\/\/)api\./, '$1');
}

function oneOf<Choice extends string>(name: string, value: string, choices: readonly Choice[], older: readonly string[] = []): Choice {
  const found = choices.find((choice) => choice === value.toLowerCase());
  if (found === undefined) throw new UserError(`${name}=${value}: expected one of ${[...choices, ...older].join(', ')}.`);
  return found;
}

/** The password of this machine in ~/.netrc, where `wandb login` puts the key. */
async function netrcKey(platform: Platform, baseUrl: string): Promise<string | undefined> {
  const home = platform.env('HOME') ?? platform.env('USERPROFILE');
  const path = platform.env('NETRC') ?? (home === undefined ? undefined : joinPath(home, '.netrc'));
  if (path === undefined || !(await platform.exists(path))) return undefined;
  const words = new TextDecoder().decode(await platform.readFile(path)).split(/\s+/);
  const host = new URL(baseUrl).hostname;
  for (let at = 0; at < words.length; at++) {
    if (words[at] !== 'machine' || words[at + 1] !== host) continue;
    for (let i = at + 2; i < words.length && words[i] !== 'machine'; i += 2) if (words[i] === 'password') return words[i + 1];
  }
  return undefined;
}

/** W&B's own rule; an id is also a part of names of files, wherever it was read. */
export function isRunId(id: string): boolean {
  return /^[^/\\#?%:\0-\x1f]{1,128}$/.test(id) && !/^\.+$/.test(id);
}
