/**
 * The one place that knows which texts are secret: those that this process has read (tokens, keys, passwords of proxies), in every form a
 * server may echo them, and whatever looks like one. Every exit of a program (terminal, logs, trackers, errors) passes its text through
 * `redact`.
 */

const MASK = '***';
/** Shorter texts are words that stand everywhere. */
const LEAST = 6;
/** A variable that is secret by its name alone must look like a key too. */
const LEAST_OF_OTHERS = 16;

/** Plain spellings, and inner pieces of base64, which are masked with the base64 around them. */
const known = new Map<string, { plain: readonly string[]; base64: readonly string[] }>();

/** Masks `secret` from now on, wherever this process writes. Called where a secret is read. */
export function keepSecret(secret: string | undefined): void {
  const text = secret?.trim() ?? '';
  if (text.length < LEAST || known.has(text)) return;
  const escaped = encodeURIComponent(text);
  const form = new URLSearchParams({ '': text }).toString().slice(1);
  const json = JSON.stringify(text).slice(1, -1);
  const html = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
  const lower = [escaped, form].map((one) => one.replace(/%../g, (code) => code.toLowerCase()));
  const plain = [text, escaped, form, ...lower, json, html, html.replaceAll("'", '&#39;')];
  const cores = base64Cores(text);
  const base64 = cores.flatMap((core) => [core, core.replaceAll('+', '-').replaceAll('/', '_'), encodeURIComponent(core)]);
  // The longest first: one may hold another.
  known.set(text, { plain: [...new Set(plain)].sort((a, b) => b.length - a.length), base64: [...new Set(base64)] });
}

/** Names of variables that hold a secret, or an address with one in it. */
const SECRET_VARIABLES = ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'WANDB_API_KEY'];
const ADDRESS_VARIABLE = /^(?:https?|all|ftp)_proxy$|^(?:HF_ENDPOINT|WANDB_BASE_URL)$/i;
const OTHER_VARIABLE = /(?:^|_)(?:TOKEN|API_?KEY|SECRET|PASSWORD|SECRET_ACCESS_KEY)$/i;

/** `keepSecret` of an environment. */
export function keepSecretsOf(env: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value = ''] of Object.entries(env)) {
    if (SECRET_VARIABLES.includes(name) || (OTHER_VARIABLE.test(name) && value.length >= LEAST_OF_OTHERS)) keepSecret(value);
    if (ADDRESS_VARIABLE.test(name)) keepPasswordOf(value);
  }
}

/** User and password in an address, `http://user:password@host`; a lone user name there is a token. */
function keepPasswordOf(address: string): void {
  const [, user = '', password] = /^(?:[a-z][a-z+.-]*:\/\/)?([^\s/:]*)(?::([^\s/]*))?@/i.exec(address) ?? [];
  for (const secret of [password ?? user, password === undefined ? '' : `${user}:${password}`]) {
    keepSecret(secret);
    try {
      keepSecret(decodeURIComponent(secret));
    } catch {
      // a lone %: it is sent as it stands
    }
  }
}

/**
 * What base64 of any text that holds `secret` has in it: one of three spellings, by where the secret begins; the characters at the ends,
 * which depend on its neighbours, are left out.
 */
function base64Cores(secret: string): string[] {
  const bytes = new TextEncoder().encode(secret);
  return [0, 1, 2].map((shift) => {
    const shifted = new Uint8Array(shift + bytes.length);
    shifted.set(bytes, shift);
    return btoa(String.fromCharCode(...shifted)).slice(Math.ceil((shift * 8) / 6), Math.floor((shifted.length * 8) / 6));
  });
}

/** The text without the secrets that this process has read. Linear in the text, for pages with pictures in them. */
export function withoutKnownSecrets(text: string): string {
  let out = text;
  for (const { plain, base64 } of known.values()) {
    for (const form of plain) if (out.includes(form)) out = out.replaceAll(form, MASK);
    for (const core of base64) if (out.includes(core)) out = withoutBase64(out, core);
  }
  return out;
}

function withoutBase64(text: string, core: string): string {
  const isPart = (at: number): boolean => /[A-Za-z0-9+/_=%-]/.test(text.charAt(at));
  let out = '';
  let done = 0;
  for (let at = text.indexOf(core); at >= 0; at = text.indexOf(core, done)) {
    let [from, to] = [at, at + core.length];
    while (from > done && isPart(from - 1)) from--;
    while (to < text.length && isPart(to)) to++;
    out += text.slice(done, from) + MASK;
    done = to;
  }
  return out + text.slice(done);
}

/**
 * Hugging Face tokens; W&B keys: new ones, those of own servers (`local-…`), old ones (40 hex digits, but for those in a path: the hub's
 * snapshot folders); Authorization headers; NAME=value; signatures and tokens in the query of an address; user and password before its
 * host.
 */
const PATTERNS: readonly [RegExp, string][] = [
  [/\bhf_[A-Za-z0-9]{16,}\b/g, MASK],
  [/\bhf_(?:oauth|jwt|app)_[\w.-]{8,}/g, MASK],
  [/\bwandb_v\d_[A-Za-z0-9_]{16,}\b/g, MASK],
  [/\blocal-[A-Za-z0-9_]{32,}\b/g, MASK],
  [/(?<![\w/@-])[0-9a-f]{40}(?![\w/])/g, MASK],
  [/\b(Bearer|Basic)\s+(?=\S*[\d=+/_])[\w.~+/=-]{8,}/gi, `$1 ${MASK}`],
  [/\b([A-Z_]*(?:TOKEN|API_KEY|SECRET|PASSWORD))=\S+/g, `$1=${MASK}`],
  [/([?&](?:[\w.-]*(?:signature|token|api_?key|secret|credential|password)[\w.-]*|sig)=)[^\s&"'<>]+/gi, `$1${MASK}`],
  [/(\b[a-z][a-z+]*:\/\/)[^\s/"'<>]+@/gi, `$1${MASK}@`],
];

/** The text without secrets: those that this process has read, and what looks like one. */
export function redact(text: string): string {
  return PATTERNS.reduce((out, [pattern, replacement]) => out.replace(pattern, replacement), withoutKnownSecrets(text));
}

const SECRET_NAME = /(^|_)(token|api_?key|secret|password|credentials?|authorization)$/i;
const HASH_NAME = /(^|_)(sha|commit|revision|hash)$/i;

/** A copy of a value without secrets: by the name of the field, and by its text. */
export function redactConfig(value: unknown, name = ''): unknown {
  if (typeof value === 'string') {
    if (value !== '' && SECRET_NAME.test(name)) return MASK;
    return HASH_NAME.test(name) ? withoutKnownSecrets(value) : redact(value);
  }
  if (Array.isArray(value)) return value.map((item) => redactConfig(item, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [redact(key), redactConfig(item, key)]));
}
