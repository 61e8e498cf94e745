/**
 * Conversation data sets: JSON lines of `{"messages": [...], "images": [...]}` (and `id`, `task`), the format of TRL; rows with `conversations` are read too
 * (shareGpt.ts). The file is streamed and rows are checked one at a time; whatever is wrong with one is said with the file and the line, before any training starts.
 */
import { joinArrays } from '../io/joinArrays.ts';
import type { Platform } from '../platform.ts';
import { UserError, joinPath, parentPath } from '../platform.ts';
import type { ContentPart, Conversation, Message } from './example.ts';
import { fileChunks } from './gzip.ts';
import { imagesOfRow, messagesOfTurns } from './shareGpt.ts';

export interface ConversationOptions {
  /** Every row must have an assistant turn, since there is nothing to learn otherwise. Default true. */
  isForTraining?: boolean;
}

const ROLES = ['system', 'user', 'assistant'] as const;
const MAX_LINE_BYTES = 64 * 2 ** 20;

/** A row and where it stands, for messages about it later on. */
export interface ConversationRow {
  conversation: Conversation;
  /** file:line */
  where: string;
}

/** Image paths come back absolute or relative to the working directory: those in the file are relative to the file. */
export async function* readConversations(
  platform: Platform,
  path: string,
  options: ConversationOptions = {},
): AsyncGenerator<Conversation, void, undefined> {
  for await (const { conversation } of readConversationRows(platform, path, options)) yield conversation;
}

/** The same, each row with its place. */
export async function* readConversationRows(
  platform: Platform,
  path: string,
  options: ConversationOptions = {},
): AsyncGenerator<ConversationRow, void, undefined> {
  const known = new Set<string>(); // image files that exist: data sets name the same one in many rows
  for await (const { row, where, problem } of scanConversationRows(platform, path, options)) {
    if (problem || !row) throw problem ?? new UserError(`${where}: no row`);
    for (const image of row.conversation.images) {
      if (known.has(image)) continue;
      if (!(await platform.exists(image)))
        throw new UserError(`${where}: the image ${image} does not exist. Paths are absolute or relative to the JSONL file.`);
      if (await platform.isDirectory(image)) throw new UserError(`${where}: the image ${image} is a folder. Name an image file.`);
      known.add(image);
    }
    yield row;
  }
}

/** Every row once, what is wrong with one handed on in its place; images are not looked for. */
export async function* scanConversationRows(
  platform: Platform,
  path: string,
  options: ConversationOptions = {},
): AsyncGenerator<{ index: number; where: string; row?: ConversationRow; problem?: UserError }, void, undefined> {
  if (await platform.isDirectory(path)) throw new UserError(`${path}: a folder; a JSONL file of conversations is expected.`);
  if (!(await platform.exists(path))) throw new UserError(`${path}: there is no such file. Check --train_file or --val_file.`);
  let rows = 0;
  for await (const { line, number } of lines(platform, path)) {
    if (line.trim() === '') continue;
    const index = rows++;
    const where = `${path}:${number}`;
    try {
      const conversation = parseRow(line, where, options.isForTraining ?? true);
      conversation.images = conversation.images.map((image) => joinPath(parentPath(path), image));
      yield { index, where, row: { conversation, where } };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      yield { index, where, problem: error };
    }
  }
  if (rows === 0) throw new UserError(`${path}: the file has no rows. Each line should be {"messages": [...], "images": [...]}.`);
}

async function* lines(platform: Platform, path: string): AsyncGenerator<{ line: string; number: number }, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true }); // drops a byte order mark
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  let number = 1;
  const push = (piece: Uint8Array): void => {
    bytes += piece.length;
    if (bytes > MAX_LINE_BYTES)
      throw new UserError(`${path}:${number}: the line is longer than ${MAX_LINE_BYTES} bytes. Is the file JSON lines, one row a line?`);
    if (piece.length > 0) pieces.push(piece);
  };
  const take = (): string => {
    const joined = joinArrays(Uint8Array, pieces);
    pieces = [];
    bytes = 0;
    try {
      return decoder.decode(joined);
    } catch {
      throw new UserError(`${path}:${number}: not UTF-8 text. Save the file as UTF-8.`);
    }
  };
  for await (const chunk of fileChunks(platform, path)) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      push(chunk.subarray(from, at));
      yield { line: take(), number };
      number++;
      from = at + 1;
    }
    push(chunk.slice(from));
  }
  if (bytes > 0) yield { line: take(), number };
}

function parseRow(line: string, where: string, isForTraining: boolean): Conversation {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch (cause) {
    throw new UserError(`${where}: not valid JSON (${cause instanceof Error ? cause.message : String(cause)}). Each line is one JSON object.`);
  }
  if (!isObject(row)) throw new UserError(`${where}: a JSON object with "messages" expected, ${shown(row)} found.`);
  const key = row['messages'] === undefined && row['conversations'] !== undefined ? 'conversations' : 'messages';
  const listed: unknown = row[key];
  if (!Array.isArray(listed) || listed.length === 0) {
    throw new UserError(`${where}: "${key}" should be a list of at least one message, ${shown(listed)} found.`);
  }
  const partImages: (string | undefined)[] = [];
  const turns: unknown[] = key === 'messages' ? listed : messagesOfTurns(listed);
  const messages = turns.map((value, i) => parseMessage(value, `${where}: ${key}[${i}]`, partImages));
  if (isForTraining && !messages.some((message) => message.role === 'assistant')) {
    throw new UserError(`${where}: no message has the role "assistant", so there is nothing to learn. Add the answer.`);
  }
  const conversation: Conversation = { messages, images: imagesOf(key === 'messages' ? row['images'] : imagesOfRow(row), partImages, where) };
  const id = row['id'];
  if (typeof id === 'string' || typeof id === 'number') conversation.id = String(id);
  if (typeof row['task'] === 'string') conversation.task = row['task'];
  return conversation;
}

function parseMessage(value: unknown, where: string, partImages: (string | undefined)[]): Message {
  if (!isObject(value)) throw new UserError(`${where} should be {"role": …, "content": …}, ${shown(value)} found.`);
  const role = ROLES.find((known) => known === value['role']);
  if (role === undefined) throw new UserError(`${where}: the role ${shown(value['role'])} is unknown; ${ROLES.join(', ')} are possible.`);
  const content = value['content'];
  if (typeof content === 'string') return { role, content };
  if (!Array.isArray(content)) throw new UserError(`${where}: "content" should be a text or a list of parts, ${shown(content)} found.`);
  return { role, content: content.map((part: unknown, i) => parsePart(part, `${where}.content[${i}]`, partImages)) };
}

/** Only what the model needs is kept of a part; the `datasets` library, for one, fills every part with nulls for the keys of the others. */
function parsePart(part: unknown, where: string, partImages: (string | undefined)[]): ContentPart {
  if (!isObject(part)) throw new UserError(`${where} should be {"type": "text", "text": …} or {"type": "image"}, ${shown(part)} found.`);
  if (part['type'] === 'text') {
    if (typeof part['text'] !== 'string') throw new UserError(`${where}: "text" should be a text, ${shown(part['text'])} found.`);
    return { type: 'text', text: part['text'] };
  }
  if (part['type'] !== 'image') throw new UserError(`${where}: the type ${shown(part['type'])} is unknown; text and image are possible.`);
  const path = ['image', 'path', 'url'].map((key) => part[key]).find((value) => value !== undefined && value !== null);
  if (path !== undefined && (typeof path !== 'string' || path === ''))
    throw new UserError(`${where}: the image should be a file path, ${shown(path)} found.`);
  partImages.push(path === undefined ? undefined : localPath(path, where));
  return { type: 'image' };
}

/** The files of the image parts in order, named in the parts or in the row's `images`. */
function imagesOf(listed: unknown, partImages: readonly (string | undefined)[], where: string): string[] {
  const named = partImages.filter((path) => path !== undefined);
  if (listed !== undefined && listed !== null && !Array.isArray(listed))
    throw new UserError(`${where}: "images" should be a list of file paths, ${shown(listed)} found.`);
  const list = ((listed ?? []) as unknown[]).map((value, i) => {
    const path = isObject(value) ? value['path'] : value;
    if (typeof path !== 'string' || path === '') throw new UserError(`${where}: images[${i}] should be a file path, ${shown(value)} found.`);
    return localPath(path, `${where}: images[${i}]`);
  });
  if (list.length === 0 && named.length === partImages.length) return named;
  if (list.length !== partImages.length) {
    throw new UserError(
      `${where}: ${partImages.length} image part${partImages.length === 1 ? '' : 's'} in the messages, ${list.length} in "images". ` +
        'Each image needs a {"type": "image"} part where it belongs in the conversation.',
    );
  }
  const conflict = partImages.findIndex((path, i) => path !== undefined && path !== list[i]);
  if (conflict >= 0) {
    throw new UserError(
      `${where}: image ${conflict + 1} is ${shown(partImages[conflict])} in its part and ${shown(list[conflict])} in "images". Name it once.`,
    );
  }
  return list;
}

function localPath(path: string, where: string): string {
  if (path.startsWith('file://')) return decodeURIComponent(new URL(path).pathname);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path) || path.startsWith('data:')) {
    throw new UserError(`${where}: ${shown(path)} is not a file. Download the image and name the file.`);
  }
  return path;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
