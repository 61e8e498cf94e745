/**
 * Which proxy a request goes through, from the variables that Python's clients, curl and the rest go by: HTTPS_PROXY and HTTP_PROXY by the
 * address's scheme, else ALL_PROXY; lower case before upper case, and set but empty means none. NO_PROXY is read by us, and not by each
 * runtime: theirs differ (undici knows no networks and takes `example.com` for that one host), and hospitals write what `requests` takes.
 */
import { UserError } from '../../platform.ts';

export type Env = (name: string) => string | undefined;

export interface Proxy {
  address: URL;
  /** Where it was found, as HTTPS_PROXY. */
  variable: string;
}

/** Undefined: the request goes straight to its host. @throws UserError for an address that is none; it never shows a password */
export function proxyFor(url: URL, env: Env): Proxy | undefined {
  const found = setting(env, url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? setting(env, 'ALL_PROXY');
  if (found === undefined || found.value === '') return undefined;
  if (isExempt(url, setting(env, 'NO_PROXY')?.value ?? '')) return undefined;
  return { address: proxyAddress(found.value, found.variable), variable: found.variable };
}

/** Lower case wins, as everywhere else. */
function setting(env: Env, name: string): { value: string; variable: string } | undefined {
  for (const variable of [name.toLowerCase(), name]) {
    const value = env(variable);
    if (value !== undefined) return { value: value.trim(), variable };
  }
  return undefined;
}

function proxyAddress(text: string, variable: string): URL {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme?.startsWith('socks') === true) {
    throw new UserError(
      `${variable}: a SOCKS proxy (${scheme}://) cannot be used here; an HTTP proxy as http://proxy.example.org:3128 was expected. ` +
        `Give one, or unset ${variable}.`,
    );
  }
  const url = scheme === undefined ? parsed(`http://${text}`) : parsed(text);
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    throw new UserError(
      `${variable}: an address as http://proxy.example.org:3128 was expected; what stands there is none (it may hold a password and is ` +
        `not ` +
        'shown). Signs such as @ : / # in a password are written %40 %3A %2F %23.',
    );
  }
  return url;
}

function parsed(text: string): URL | undefined {
  try {
    const url = new URL(text);
    // A stray % makes the runtimes fail far from here.
    decodeURIComponent(url.username + url.password);
    return url;
  } catch {
    return undefined;
  }
}

/** For messages: without user and password. */
export function shown({ address, variable }: Proxy): string {
  return `${address.protocol}//${address.host} (${variable})`;
}

/** User and password as the Proxy-Authorization header has them; undefined without. */
export function credentials({ address }: Proxy): { username: string; password: string } | undefined {
  if (address.username === '' && address.password === '') return undefined;
  return { username: decodeURIComponent(address.username), password: decodeURIComponent(address.password) };
}

/**
 * Whether NO_PROXY takes a host out. Items are parted by commas or spaces: `*` (all), a name that also means what lies below it
 * (`example.org`, `.example.org`, `*.example.org`), an address, a network of addresses (`10.0.0.0/8`, `fd00::/8`); names and addresses may
 * have a port.
 */
export function isExempt(url: URL, noProxy: string): boolean {
  const host = plainHost(url.hostname);
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return noProxy
    .split(/[\s,]+/)
    .filter((item) => item !== '')
    .some((item) => matches(item.toLowerCase(), host, port));
}

function matches(item: string, host: string, port: string): boolean {
  if (item === '*') return true;
  const bare = item.replace(/^[a-z]+:\/\//, '');
  const slash = bare.indexOf('/');
  if (slash > 0) {
    const bits = bare.slice(slash + 1);
    const [network, address] = [addressBits(plainHost(bare.slice(0, slash))), addressBits(host)];
    if (!/^\d+$/.test(bits) || network === undefined || address === undefined || network.length !== address.length) return false;
    return Number(bits) <= network.length && network.startsWith(address.slice(0, Number(bits)));
  }
  const withPort = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(bare);
  if (withPort !== null && withPort[2] !== port) return false;
  const name = plainHost(withPort?.[1] ?? bare).replace(/^\*?\.+/, '');
  if (name === '') return false;
  const address = addressBits(host);
  // What lies below a name are names.
  return host === name || (address === undefined ? host.endsWith(`.${name}`) : address === addressBits(name));
}

/** Without the brackets of IPv6 and the dot at the end of a full name. */
function plainHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

/** 32 or 128 signs 0 and 1; undefined for a name. */
function addressBits(host: string): string | undefined {
  const bits = (parts: readonly number[], width: number): string => parts.map((part) => part.toString(2).padStart(width, '0')).join('');
  if (/^\d+(\.\d+){3}$/.test(host)) {
    const parts = host.split('.').map(Number);
    return parts.every((part) => part < 256) ? bits(parts, 8) : undefined;
  }
  if (!host.includes(':')) return undefined;
  const url = parsed(`http://[${host}]/`);
  if (url === undefined) return undefined;
  const [head = '', tail] = plainHost(url.hostname).split('::');
  const groups = (text: string): number[] =>
    text
      .split(':')
      .filter((part) => part !== '')
      .map((part) => parseInt(part, 16));
  const [before, after] = [groups(head), groups(tail ?? '')];
  return bits([...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after], 16);
}
