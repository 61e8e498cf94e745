/**
 * Certificates of a network's own authority, from the variables that Python's clients, curl and Node go by. They are trusted BESIDE the
 * runtime's own, in all runtimes alike: Deno can do no other, and a bundle with nothing but the hospital's certificate then works for hosts
 * outside too.
 */
import { X509Certificate } from 'node:crypto';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { CERTIFICATE_VARIABLES } from '../../src/io/network/certificateVariables.ts';
import type { OwnCertificates } from '../../src/io/network/certificateVariables.ts';
import { errorText, UserError } from '../../src/platform.ts';
import type { Env } from '../../src/io/network/proxies.ts';

/** @throws UserError that names the variable, for a file that cannot be read or has no certificates in it */
export async function ownCertificates(env: Env): Promise<OwnCertificates> {
  const pem = new Set<string>();
  const variables: string[] = [];
  for (const variable of CERTIFICATE_VARIABLES) {
    const value = env(variable)?.trim();
    // Empty is what `requests` takes for unset.
    if (value === undefined || value === '') continue;
    variables.push(variable);
    const places = variable === 'SSL_CERT_DIR' ? value.split(path.delimiter).filter((part) => part !== '') : [value];
    for (const place of places) for (const certificate of await certificatesAt(variable, place)) pem.add(certificate);
  }
  return { pem: [...pem], variables };
}

async function certificatesAt(variable: string, place: string): Promise<string[]> {
  let isFolder: boolean;
  try {
    isFolder = (await fs.stat(place)).isDirectory();
  } catch (cause) {
    throw unreadable(variable, place, cause);
  }
  if (!isFolder) {
    const found = await certificatesIn(variable, place, true);
    if (found.length > 0) return found;
    throw new UserError(
      `${variable}=${place}: a file of certificates (PEM, "-----BEGIN CERTIFICATE-----") was expected, and none is in it. ${fix(variable)}`,
    );
  }
  // A folder as `c_rehash` makes it: whatever else lies in it is not ours to judge.
  const names = await fs.readdir(place).catch((cause: unknown) => {
    throw unreadable(variable, place, cause);
  });
  const found: string[] = [];
  for (const name of names.sort()) found.push(...(await certificatesIn(variable, path.join(place, name), false)));
  return found;
}

async function certificatesIn(variable: string, file: string, isNamed: boolean): Promise<string[]> {
  let text: string;
  try {
    text = await fs.readFile(file, 'latin1');
  } catch (cause) {
    if (!isNamed) return [];
    throw unreadable(variable, file, cause);
  }
  const blocks = text.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[\s\S]*?-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block, index) => {
    try {
      return [new X509Certificate(block).toString()];
    } catch (cause) {
      if (!isNamed) return [];
      const words = errorText(cause);
      throw new UserError(`${variable}=${file}: certificate ${index + 1} in it cannot be read (${words}). ${fix(variable)}`);
    }
  });
}

function unreadable(variable: string, place: string, cause: unknown): UserError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  const words = { ENOENT: 'there is no such file', EACCES: 'permission denied', EPERM: 'permission denied' }[code] ?? code;
  return new UserError(`${variable}=${place}: the certificates cannot be read: ${words}. ${fix(variable)}`);
}

function fix(variable: string): string {
  return `Put the path of the network's certificate bundle there, or unset ${variable}.`;
}
