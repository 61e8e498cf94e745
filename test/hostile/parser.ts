/** A reader of what strangers give, and what the lists of them (parsers.ts and its parts) have in common. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type fc from 'fast-check';
import type { Platform } from '../../src/platform.ts';
import { memoryPlatform } from '../io/memoryPlatform.ts';

export interface Parser<Input = unknown> {
  name: string;
  input: fc.Arbitrary<Input>;
  /** Ends, or throws a UserError. */
  read(input: Input): Promise<void>;
  /** Of 1000; of several readers that are one, each gets its part. */
  share?: number;
}

export function parser<Input>(name: string, input: fc.Arbitrary<Input>, read: (input: Input) => Promise<void>, share = 1): Parser {
  return { name, input, read: read as Parser['read'], share };
}

const root = fileURLToPath(new URL('../..', import.meta.url));
export const file = (path: string): Uint8Array => new Uint8Array(readFileSync(join(root, path)));
export const json = (path: string): unknown => JSON.parse(readFileSync(join(root, path), 'utf8'));

/** Files in memory; what is appended is there afterwards. */
export function platformOf(files: Readonly<Record<string, Uint8Array>>, env: Readonly<Record<string, string>> = {}): Platform {
  const memory = memoryPlatform();
  for (const [path, bytes] of Object.entries(files)) {
    memory.files.set(path, bytes);
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) memory.folders.add(path.slice(0, at));
  }
  memory.env = (name) => env[name];
  memory.appendFile = async (path, text) => {
    const there = memory.files.get(path) ?? new Uint8Array(0);
    memory.files.set(path, new Uint8Array(Buffer.concat([there, Buffer.from(text)])));
    return Promise.resolve();
  };
  return memory;
}
