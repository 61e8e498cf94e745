/**
 * Who may ask: this machine, by a page of this server, with the token of the printed address. The token comes once in the query of that
 * address and is kept as a cookie that no script and no other site can use.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import { Refusal } from './refusal.ts';

export interface GuardSettings {
  /** What the Host header may be; filled in when the port is known. */
  hosts: readonly string[];
  /** Takes as long whatever is compared. */
  isToken: (text: string) => boolean;
}

/** Of all answers. A report and the pages have policies of their own. */
const HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** The headers, and what refuses a request before anything is looked up for it. */
export function guard(settings: GuardSettings): MiddlewareHandler {
  return async (c, next) => {
    for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
    checkOrigin(c, settings.hosts);
    const { token } = c.req.query();
    if (token !== undefined && c.req.path === '/') {
      if (!settings.isToken(token)) throw WRONG_TOKEN;
      const cookie = `${cookieName(c)}=${token}; Path=/; HttpOnly; SameSite=Strict`;
      return c.body(null, 303, { Location: '/', 'Set-Cookie': cookie });
    }
    const given = getCookie(c, cookieName(c));
    if (given === undefined) throw NO_TOKEN;
    if (!settings.isToken(given)) throw WRONG_TOKEN;
    return next();
  };
}

const NO_TOKEN = new Refusal(401, 'Open the address that `vernier ui` has printed: it holds the token.');
const WRONG_TOKEN = new Refusal(401, 'The token is not the one of this server. Open the address that `vernier ui` has printed last.');

function checkOrigin(c: Context, hosts: readonly string[]): void {
  const host = (c.req.header('host') ?? '').toLowerCase();
  // A page that has its own name resolve to 127.0.0.1 is sent away.
  if (!hosts.includes(host))
    throw new Refusal(403, `The Host header is none of ${hosts.join(', ')}; the server is for this machine alone.`);
  const origin = c.req.header('origin');
  if (origin !== undefined && origin.toLowerCase() !== `http://${host}`) throw new Refusal(403, 'Pages of other origins are not answered.');
  // Opening the address by hand, or by a link of the page itself. An older browser does not say.
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw new Refusal(403, 'Pages of other origins are not answered.');
}

/** Cookies know no ports: two servers at a time have one each. */
function cookieName(c: Context): string {
  return `vernier_ui_${/:(\d+)$/.exec(c.req.header('host') ?? '')?.[1] ?? '80'}`;
}
