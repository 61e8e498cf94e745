/** JSON files of a model folder (tokenizer, templates, processor settings), each of which may be absent. */
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';

/** Reads a JSON object from a model folder; undefined when there is no such file. */
export async function readJsonFile(platform: Platform, path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (!(await platform.exists(path))) return undefined;
  const text = new TextDecoder().decode(await platform.readFile(path));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`${path}: it is not valid JSON (${cause instanceof Error ? cause.message : String(cause)}). Fetch the file again.`);
  }
  const object = asObject(value);
  if (object === undefined) throw new UserError(`${path}: a JSON object was expected, found ${JSON.stringify(value)?.slice(0, 40)}.`);
  return object;
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.fromEntries(Object.entries(value));
}
