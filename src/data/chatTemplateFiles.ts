/** Which of a folder's files holds the chat template: the one that transformers 5 takes. */
import { textOrNothing } from '../io/parseJson.ts';
import { readText } from '../io/textFile.ts';
import { joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { asObject, readJsonFile } from './jsonFile.ts';

export interface TemplateText {
  text: string;
  /** The file it comes from. */
  source: string;
}

/**
 * Of a folder with a processor (`AutoProcessor`): the one in `processor_config.json`, else `chat_template.json`, else
 * `chat_template.jinja`. Of any folder (`AutoTokenizer`): `chat_template.jinja`, else the one in `tokenizer_config.json`.
 * @throws UserError where there is none, or transformers would not know which
 */
export async function readChatTemplate(platform: Platform, dir: string): Promise<TemplateText> {
  const isProcessor = await anyExists(platform, dir, ['processor_config.json', 'preprocessor_config.json', 'chat_template.json']);
  const found =
    (isProcessor ? await inConfiguration(platform, joinPath(dir, 'processor_config.json')) : undefined) ??
    (isProcessor ? await inLegacyFile(platform, dir) : undefined) ??
    (await inTemplateFile(platform, joinPath(dir, 'chat_template.jinja'))) ??
    (await inTemplateFile(platform, joinPath(dir, 'additional_chat_templates/default.jinja'))) ??
    (await inConfiguration(platform, joinPath(dir, 'tokenizer_config.json')));
  if (found !== undefined) return found;
  throw new UserError(
    `${dir}: it has no chat template (chat_template.jinja, chat_template.json, or chat_template in tokenizer_config.json). ` +
      'Fetch the folder whole.',
  );
}

async function anyExists(platform: Platform, dir: string, names: readonly string[]): Promise<boolean> {
  const found = await Promise.all(names.map((name) => platform.exists(joinPath(dir, name))));
  return found.includes(true);
}

async function inTemplateFile(platform: Platform, path: string): Promise<TemplateText | undefined> {
  if (!(await platform.exists(path))) return undefined;
  // Python keeps a byte order mark as text, so the model was trained with it.
  return { text: await readText(platform, path, { ignoreBOM: true }), source: path };
}

async function inLegacyFile(platform: Platform, dir: string): Promise<TemplateText | undefined> {
  const path = joinPath(dir, 'chat_template.json');
  const found = await inConfiguration(platform, path);
  if (found !== undefined && (await platform.exists(joinPath(dir, 'additional_chat_templates')))) {
    throw new UserError(
      `${path}: it lies beside a folder additional_chat_templates, and transformers takes only one of the two. ` +
        'Save its template as chat_template.jinja and remove it.',
    );
  }
  return found;
}

/** A configuration holds one template, a list of named ones (`[{name: 'default', template}, …]`) or an object of them. */
async function inConfiguration(platform: Platform, path: string): Promise<TemplateText | undefined> {
  const value = (await readJsonFile(platform, path))?.['chat_template'];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return { text: value, source: path };
  const list = Array.isArray(value) ? (value as unknown[]).map(asObject) : [];
  const named = Array.isArray(value)
    ? Object.fromEntries(list.map((entry) => [textOrNothing(entry?.['name']), entry?.['template']]))
    : (asObject(value) ?? {});
  const text = named['default'];
  if (typeof text === 'string') return { text, source: path };
  const names = Object.keys(named).join(', ');
  throw new UserError(
    `${path}: chat_template has no template named "default" (found: ${names === '' ? 'none' : names}). ` +
      'Name the one for conversations "default".',
  );
}
