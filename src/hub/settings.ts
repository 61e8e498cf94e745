/**
 * Which hub, with which token, and where the cache lies: the environment variables and the token file of Python's huggingface_hub, read by
 * its rules, so that `hf auth login` and HF_HOME mean the same here and there.
 */
import { joinPath, UserError } from '../platform.ts';
import type { Network, Platform } from '../platform.ts';
import { plainHttpWarning } from '../track/plainHttp.ts';
import { keepSecret, redact } from '../track/secrets.ts';

export type RepoType = 'model' | 'dataset';

export interface Repo {
  type: RepoType;
  /** `org/name`, or `name` for the few repositories without an owner. */
  id: string;
}

/** Waiting times in ms; tests make them short. */
export interface HubTimes {
  /** A connection on which nothing comes for so long is given up and tried again. */
  stallMs: number;
  /** Before the first repeat; doubled at each, with a random part. */
  backoffMs: number;
  /** A server that asks to wait longer (Retry-After) is told to the user instead. */
  maxWaitMs: number;
  /** Attempts without any progress. */
  attempts: number;
}

export interface HubSettings {
  /** Without a slash at the end. */
  endpoint: string;
  token: string | undefined;
  /** Where the token came from, for messages. */
  tokenSource: string | undefined;
  isOffline: boolean;
  /** The folder with `models--org--name`; undefined where there is none (a browser names its own). */
  cacheDir: string | undefined;
  times: HubTimes;
  /** For the user, before anything is sent: the token would go unencrypted. */
  warning?: string;
  /** How requests leave: the platform's way, or the global fetch. */
  fetch: Network['fetch'];
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';
export const DEFAULT_TIMES: HubTimes = { stallMs: 30_000, backoffMs: 1_000, maxWaitMs: 300_000, attempts: 6 };

/**
 * What a page or a script gives in place of environment variables. @throws UserError for an endpoint or token that cannot be used; it never
 * shows either
 */
export function hubSettings(
  given: { endpoint?: string; token?: string; cacheDir?: string; isOffline?: boolean; times?: Partial<HubTimes> },
  platform: Partial<Pick<Platform, 'name' | 'network'>> = {},
): HubSettings {
  return {
    endpoint: checkedEndpoint(given.endpoint ?? DEFAULT_ENDPOINT, 'the hub endpoint'),
    token: given.token === undefined ? undefined : checkedToken(given.token, 'the hub token'),
    tokenSource: given.token === undefined ? undefined : 'the token given',
    isOffline: given.isOffline ?? false,
    cacheDir: given.cacheDir,
    times: { ...DEFAULT_TIMES, ...given.times },
    fetch: fetchOf(platform),
  };
}

/** From HF_ENDPOINT, HF_TOKEN (else the token file), HF_HUB_OFFLINE, HF_HUB_CACHE / HUGGINGFACE_HUB_CACHE / HF_HOME. */
export async function hubSettingsFromEnv(platform: Platform): Promise<HubSettings> {
  const env = (name: string): string | undefined => platform.env(name)?.trim() || undefined;
  const home = env('HOME') ?? env('USERPROFILE');
  const path = (name: string): string | undefined => expand(env(name), env, home);
  const hfHome = path('HF_HOME') ?? below(path('XDG_CACHE_HOME') ?? below(home, '.cache'), 'huggingface');
  const cacheDir = path('HF_HUB_CACHE') ?? path('HUGGINGFACE_HUB_CACHE') ?? below(hfHome, 'hub');
  const { token, source } = await findToken(platform, env, path('HF_TOKEN_PATH') ?? below(hfHome, 'token'));
  const endpoint = checkedEndpoint(env('HF_ENDPOINT') ?? DEFAULT_ENDPOINT, 'HF_ENDPOINT');
  const warning = token === undefined ? undefined : plainHttpWarning('HF_ENDPOINT', endpoint, `the token of ${source ?? 'HF_TOKEN'}`);
  return {
    ...(warning !== undefined && { warning }),
    endpoint,
    token,
    tokenSource: source,
    isOffline: isTrue(env('HF_HUB_OFFLINE')) || isTrue(env('TRANSFORMERS_OFFLINE')),
    cacheDir,
    times: {
      ...DEFAULT_TIMES,
      stallMs: seconds(env('HF_HUB_DOWNLOAD_TIMEOUT')) ?? DEFAULT_TIMES.stallMs,
    },
    fetch: fetchOf(platform),
  };
}

function fetchOf({ name, network }: Partial<Pick<Platform, 'name' | 'network'>>): Network['fetch'] {
  // Called late: a page may put its own in the place of the global one.
  const send: Network['fetch'] = network === undefined ? (url, init) => fetch(url, init) : (url, init) => network.fetch(url, init);
  // Browsers hide redirects that are not followed; they drop the Authorization header by themselves.
  const follow: Network['fetch'] = (url, init) => send(url, { ...init, redirect: 'follow' });
  if (name === 'browser') return follow;
  return async (url, init) => {
    const response = await send(url, init);
    return response.type === 'opaqueredirect' ? follow(url, init) : response;
  };
}

async function findToken(
  platform: Platform,
  env: (name: string) => string | undefined,
  file: string | undefined,
): Promise<{ token: string | undefined; source: string | undefined }> {
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = env(name);
    if (token !== undefined) return { token: checkedToken(token, name), source: name };
  }
  if (isTrue(env('HF_HUB_DISABLE_IMPLICIT_TOKEN')) || file === undefined || !(await platform.exists(file)))
    return { token: undefined, source: undefined };
  const token = new TextDecoder().decode(await platform.readFile(file)).trim();
  return token === '' ? { token: undefined, source: undefined } : { token: checkedToken(token, file), source: file };
}

/** A header with a line break in it would be refused by fetch with a message that shows it. */
function checkedToken(token: string, source: string): string {
  const trimmed = token.trim();
  keepSecret(trimmed);
  if (/^[\x21-\x7e]+$/.test(trimmed)) return trimmed;
  throw new UserError(
    `${source}: a hub token is one word of plain characters (hf_…); what stands there has spaces, line breaks or other signs in it. Copy ` +
      `the token again.`,
  );
}

function checkedEndpoint(text: string, source: string): string {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    // told below
  }
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UserError(`${source}: an address such as ${DEFAULT_ENDPOINT} was expected, ${JSON.stringify(redact(text))} found.`);
  }
  if (url.username !== '' || url.password !== '')
    throw new UserError(`${source} holds a user name or password; leave them out and put a token in HF_TOKEN.`);
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 'ON', 'YES', 'TRUE'].includes(value.toUpperCase());
}

function seconds(value: string | undefined): number | undefined {
  const number = Number(value);
  return value !== undefined && Number.isFinite(number) && number > 0 ? number * 1000 : undefined;
}

function below(folder: string | undefined, name: string): string | undefined {
  return folder === undefined ? undefined : joinPath(folder, name);
}

/** `~`, `$NAME` and `${NAME}`, as os.path.expanduser and expandvars. */
function expand(text: string | undefined, env: (name: string) => string | undefined, home: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const tilde = home !== undefined && (text === '~' || text.startsWith('~/')) ? home + text.slice(1) : text;
  return tilde.replace(
    /\$(?:\{(\w+)\}|(\w+))/g,
    (whole, braced: string | undefined, plain: string | undefined) => env(braced ?? plain ?? '') ?? whole,
  );
}

const ID = /^[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9_][\w.-]*)?$/;

/** `org/name` or `org/name@revision` to its parts; undefined for what cannot be a hub id (a path, say). */
export function parseHubId(text: string): { id: string; revision: string | undefined } | undefined {
  const at = text.indexOf('@');
  const id = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? undefined : text.slice(at + 1);
  if (!id.includes('/') || !ID.test(id) || id.includes('--') || id.includes('..') || /\.git$/.test(id)) return undefined;
  if (revision !== undefined && (!/^[\w][\w./-]*$/.test(revision) || revision.includes('..'))) return undefined;
  return { id, revision };
}
