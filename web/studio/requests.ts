/**
 * In the worker: where requests may go. The page's Content-Security-Policy does not bind its workers (they have that of their own script's
 * answer), so the worker holds itself to the same: the server it came from, and hosts that the person has asked for.
 */
import { NetworkError } from '../../src/platform.ts';

let allowed: ReadonlySet<string> = new Set();

/** Hugging Face hands files out from hosts of its own, which the hub redirects to. */
const HUB = 'huggingface.co';
const OF_HUB = /(^|\.)(huggingface\.co|hf\.co)$/;

function isAllowed(url: URL): boolean {
  if (url.protocol === 'data:' || url.protocol === 'blob:' || url.origin === location.origin) return true;
  return allowed.has(url.hostname) || (allowed.has(HUB) && OF_HUB.test(url.hostname));
}

/** From now on every request of this thread is looked at, of libraries too. */
export function guardRequests(): void {
  const send = globalThis.fetch.bind(globalThis);
  globalThis.fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (isAllowed(url)) return send(input, init);
    const reason = `this page connects to nothing but the server it came from, and ${url.host} has not been allowed`;
    return Promise.reject(new NetworkError(reason, 'Allow it where the model is chosen.', true));
  };
}

export const requestFunctions = {
  /** @param hosts without a port; what was allowed before and is not among them no longer is */
  allowHosts(hosts: readonly string[]): void {
    allowed = new Set(hosts);
  },
};
