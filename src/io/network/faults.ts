/**
 * Why a request got no answer, and what to do about it, in words: the runtimes' own say "fetch failed", and none names the variable to set.
 */
import { NetworkError } from '../../platform.ts';
import { CERTIFICATE_VARIABLES } from './certificateVariables.ts';
import type { OwnCertificates } from './certificateVariables.ts';
import { shown } from './proxies.ts';
import type { Proxy } from './proxies.ts';

/** Node's, Bun's and Deno's words and codes for one kind of fault. */
const KINDS = {
  /** Signed by nobody who is trusted. */
  issuer: new RegExp(
    'SELF_SIGNED|UNABLE_TO_(?:GET_ISSUER|VERIFY_LEAF)|CERT_UNTRUSTED|' +
      'UnknownIssuer|unknown issuer|self.signed|unable to (?:get|verify)|CaUsedAsEndEntity',
    'i',
  ),
  name: /ALTNAME|NotValidForName|not valid for (?:name|any)|HOSTNAME_MISMATCH/i,
  date: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|certificate (?:has )?expired|invalid peer certificate: (?:Expired|NotValidYet)/i,
  certificate: /certificate|CERT_/i,
  proxyStatus: /(?:Proxy response \(|tunnel[^0-9]*|proxy[^0-9]*)(\d{3})\b/i,
  /** Deno's word where the proxy answered with an error that it does not tell. */
  tunnel: /unsuccessful tunnel/i,
  proxySignIn: /proxy auth|ProxyAuth/i,
  tls: /wrong version number|InvalidContentType|corrupt message|ERR_SSL|EPROTO/i,
  lookup: /ENOTFOUND|EAI_AGAIN|dns error|lookup|getaddrinfo|FailedToOpenSocket|DNS/i,
  refused: /ECONNREFUSED|ConnectionRefused|connection refused|Unable to connect/i,
  unreachable: /EHOSTUNREACH|ENETUNREACH|unreachable/i,
  time: /TIMEOUT|ETIMEDOUT|timed? ?out/i,
  permission: /NotCapable|Requires net access/i,
};

/** Messages, codes and names of an error and of what caused it. */
function wordsOf(cause: unknown): string {
  const words: string[] = [];
  const add = (error: unknown, depth: number): void => {
    if (!(error instanceof Error) || depth > 5) return;
    words.push(error.name, 'code' in error ? String(error.code) : '', error.message);
    if (error instanceof AggregateError) for (const inner of error.errors) add(inner, depth + 1);
    add(error.cause, depth + 1);
  };
  add(cause, 0);
  return words.length === 0 ? String(cause) : words.filter((word) => word !== '').join(' ');
}

/** What the deepest cause says, for faults that no kind fits. */
function lastWords(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.cause instanceof Error) return lastWords(cause.cause);
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  const message = cause.message === '' ? cause.name : cause.message.replace(/https?:\/\/[^\s)]+/g, 'address');
  return code === '' || message.includes(code) ? message : `${message}, ${code}`;
}

export function inWords(cause: unknown, url: URL, proxy: Proxy | undefined, certificates: OwnCertificates): NetworkError {
  const text = wordsOf(cause);
  const is = (kind: keyof typeof KINDS): boolean => KINDS[kind].test(text);
  const told = (reason: string, fix: string, isLasting = false): NetworkError => new NetworkError(reason, fix, isLasting, { cause });
  const through = proxy === undefined ? '' : ` through the proxy ${shown(proxy)}`;
  if (is('permission')) return told(`this program may not reach ${url.host}`, 'In Deno, add --allow-net to the command.', true);
  if (proxy !== undefined) {
    const status = Number(KINDS.proxyStatus.exec(text)?.[1] ?? (is('proxySignIn') ? 407 : 0));
    if (status >= 300 || is('tunnel')) return proxyRefusal(status, proxy, url, cause);
  }
  const { hostname, host } = url;
  if (is('issuer')) {
    const others = listed(
      CERTIFICATE_VARIABLES.filter((name) => name !== 'SSL_CERT_FILE'),
      'and',
    );
    const { variables } = certificates;
    const verb = variables.length === 1 ? 'names' : 'name';
    const used = variables.length === 0 ? '' : ` The certificates that ${listed(variables, 'and')} ${verb} are not of its authority.`;
    return told(
      `the certificate of ${hostname}${through} is signed by an authority that is not known here (${codeIn(text)})`,
      'Networks that look into their traffic, as many hospitals do, have an authority of their own: put the path of its certificates ' +
        `(a PEM file, from your IT department) in SSL_CERT_FILE; ${others} work too.${used}`,
      true,
    );
  }
  if (is('name')) {
    const orProxy = proxy === undefined ? '; where the network has a proxy, put it in HTTPS_PROXY' : '';
    return told(`the certificate that answers is not that of ${hostname}${through}`, `Check the address${orProxy}.`, true);
  }
  if (is('date')) {
    const fix = "Check this machine's clock; if it is right, tell whoever keeps the server or the proxy.";
    return told(`the certificate of ${hostname}${through} is out of date`, fix, true);
  }
  if (proxy !== undefined) {
    const fix = `Check ${proxy.variable}, and whether the proxy runs; a host that is reached without it goes in NO_PROXY.`;
    if (is('lookup')) return told(`the name of the proxy ${shown(proxy)}, or one that it looks up, is not known`, fix);
    if (is('refused')) return told(`the proxy ${shown(proxy)} refuses the connection`, fix);
    if (is('tls')) {
      const plainly = `Most proxies are reached by http://, even for https addresses: check ${proxy.variable}.`;
      return told(`the proxy ${shown(proxy)} does not speak as its address says`, plainly, true);
    }
    return told(`no answer${through}: ${lastWords(cause)}`, fix);
  }
  const variable = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const fix = `Check the network; where it has a proxy, put its address in ${variable} (http://proxy.example.org:3128).`;
  if (is('lookup')) return told(`the name ${hostname} is not known`, fix);
  if (is('refused')) return told(`${host} refuses the connection`, fix);
  if (is('unreachable')) return told(`no way leads to ${host}`, fix);
  if (is('tls')) return told(`${host} does not speak https`, 'Check the address: it may be one of http.', true);
  if (is('certificate')) {
    const own = 'If the network has an authority of its own, put the path of its certificates in SSL_CERT_FILE.';
    return told(`the certificate of ${hostname} is not taken (${lastWords(cause)})`, own, true);
  }
  if (is('time')) return told(`${host} does not answer`, fix);
  return told(lastWords(cause), fix);
}

/** A proxy that answers with an error of its own; `status` 0 where it is not known. */
export function proxyRefusal(status: number, proxy: Proxy, url: URL, cause?: unknown): NetworkError {
  const options = { cause };
  if (status === 407) {
    const isGiven = proxy.address.username !== '';
    const signs = 'signs such as @ : / # in them are written %40 %3A %2F %23.';
    const fix = isGiven
      ? `Check both in ${proxy.variable}; ${signs}`
      : `Put them in ${proxy.variable}: http://USER:PASSWORD@${proxy.address.host}; ${signs}`;
    const words = isGiven ? 'does not take this user and password' : 'wants a user and a password';
    return new NetworkError(`the proxy ${shown(proxy)} ${words} (407)`, fix, true, options);
  }
  const fix = `Ask whoever keeps the proxy to let ${url.hostname} pass; a host that is reached without it goes in NO_PROXY.`;
  const code = status === 0 ? '' : ` (${status})`;
  return new NetworkError(`the proxy ${shown(proxy)} does not let the request to ${url.hostname} pass${code}`, fix, status < 500, options);
}

function codeIn(text: string): string {
  return /[A-Z]+(?:_[A-Z]+)+/.exec(text)?.[0] ?? 'unknown issuer';
}

function listed(names: readonly string[], word: string): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} ${word} ${names.at(-1) ?? ''}`;
}
