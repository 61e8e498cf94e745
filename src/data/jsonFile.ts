/** JSON files of a model folder (tokenizer, templates, processor settings), each of which may be absent. */
import { parseJson, shownJson } from '../io/parseJson.ts';
import { readText } from '../io/textFile.ts';
import { errorText, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';

/** Reads a JSON object from a model folder; undefined when there is no such file. */
export async function readJsonFile(platform: Platform, path: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (!(await platform.exists(path))) return undefined;
  const text = await readText(platform, path);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (cause) {
    throw new UserError(`${path}: it is not valid JSON (${errorText(cause)}). Fetch the file again.`);
  }
  const object = asObject(value);
  if (object === undefined) throw new UserError(`${path}: a JSON object was expected, found ${shownJson(value, 40)}.`);
  return object;
}

export function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.fromEntries(Object.entries(value));
}
