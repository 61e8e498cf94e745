/** What servers on this machine have in common, whatever they serve. */
import { UserError } from '../platform.ts';
import { RequestError } from './ask/chatRequest.ts';

/** What the Host header may be of a server that listens at this port. @param names of this machine */
export function hostsOf(port: number, names: readonly string[]): string[] {
  return names.flatMap((name) => (port === 80 ? [name, `${name}:80`] : [`${name}:${port}`]));
}

/** What listens at `--port`. @throws UserError where the port cannot be had */
export async function atPort<T>(port: number, listening: Promise<T>): Promise<T> {
  try {
    return await listening;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'EADDRINUSE')
      throw new UserError(`--port ${port}: another program listens there. Give another one, or 0 for any that is free.`, {
        cause: error,
      });
    if (code === 'EACCES')
      throw new UserError(`--port ${port}: the system keeps it for its administrator. Give one above 1023.`, { cause: error });
    throw error;
  }
}

/** HTTP for a connection whose request cannot be read. @param code Node's, of why */
export function brokenAnswer(code: string | undefined): string {
  const [status, words] =
    code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'The request has not come in time.']
      : code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'The headers are too long.']
        : ['400 Bad Request', 'The request is not valid HTTP.'];
  const body = JSON.stringify(new RequestError(400, words).body);
  const head = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close`;
  return `HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`;
}

/** The program that opens an address in the system's browser, and its words. @param system as Node names it */
export function browserCommand(system: string, address: string): [program: string, ...words: string[]] {
  if (system === 'darwin') return ['open', address];
  return system === 'win32' ? ['rundll32', 'url.dll,FileProtocolHandler', address] : ['xdg-open', address];
}

/** Resolves when the signal is aborted. */
export function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
