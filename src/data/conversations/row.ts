/** A row, however it is written, as the one form that all the rest knows. */
import { joinPath, UserError } from '../../platform.ts';
import type { Conversation, ImageSource } from '../example.ts';
import { dialectOf, noDialect } from './dialects.ts';
import { imageSource, isSameImage } from './images.ts';
import { checkKeys } from './keys.ts';
import { readMeasure, TASK_OF_KIND } from './measure.ts';
import { placed } from './placement.ts';
import type { Placement } from './placement.ts';
import { isEmpty, isObject, shown } from './shown.ts';
import type { JsonObject } from './shown.ts';
import type { Turn } from './turns.ts';

export interface ConversationOptions {
  /** Every row must have an answer that is learnt, since there is nothing to learn otherwise. Default true. */
  isForTraining?: boolean;
}

/** A row and where it stands, for messages about it later on. */
export interface ConversationRow {
  conversation: Conversation;
  /** file:line */
  where: string;
  /** For the user: which form the row has, and how it says where its pictures belong. */
  dialect: string;
}

/** What is said of pictures that need no word is nothing. */
const PLACEMENTS: Readonly<Record<Placement, string>> = {
  none: '',
  parts: ', pictures in parts',
  marks: ', pictures at <image>',
  'parts and marks': ', pictures in parts and at <image>',
  'before the first question': ', pictures before the first question',
};

/**
 * @param value of a line of JSON, or a row of Parquet
 * @param folder that relative image paths start from
 * @throws UserError that begins with `where`
 */
export function readRow(
  value: unknown,
  { where, folder, isForTraining = true }: ConversationOptions & { where: string; folder: string },
): ConversationRow {
  if (!isObject(value)) throw new UserError(`${where}: a JSON object with "messages" expected, ${shown(value)} found.`);
  const dialect = dialectOf(value, where);
  const listed = rowImages(value, where);
  if (dialect === undefined) {
    checkKeys(value, { ownKeys: [], hasImages: true }, where);
    throw noDialect(value, where);
  }
  const turns = withSystem(dialect.turns(value, where), systemOf(value, where), where);
  checkKeys(value, { ownKeys: dialect.keys, hasImages: listed.length > 0 || turns.some(hasNamedImage) }, where);
  const { messages, images, placement } = placed(turns, listed, where);
  if (isForTraining) checkAnswers(messages, where);
  const conversation: Conversation = {
    messages,
    images: images.map((image) => (typeof image === 'string' ? joinPath(folder, image) : image)),
  };
  const { id, task } = value;
  if (typeof id === 'string' || typeof id === 'number' || typeof id === 'bigint') conversation.id = String(id);
  if (typeof task === 'string') conversation.task = task;
  const measure = readMeasure(value['measure'], where);
  if (measure !== undefined) {
    conversation.measure = measure;
    conversation.task ??= TASK_OF_KIND[measure.kind];
  }
  return { conversation, where, dialect: `${dialect.name}${PLACEMENTS[placement]}` };
}

function hasNamedImage({ content }: Turn): boolean {
  return typeof content !== 'string' && content.some((part) => part.type === 'image' && part.image !== undefined);
}

/** The pictures of `images` or `image`, each one or a list. */
function rowImages(row: JsonObject, where: string): ImageSource[] {
  const [images, image] = [listOf(row['images'], 'images', where), listOf(row['image'], 'image', where)];
  if (images.length === 0 || image.length === 0) return images.length === 0 ? image : images;
  if (images.length !== image.length || !images.every((one, i) => isSameImage(one, image[i] ?? ''))) {
    throw new UserError(`${where}: "images" and "image" name different pictures. Keep one of them.`);
  }
  return images;
}

function listOf(value: unknown, key: string, where: string): ImageSource[] {
  if (isEmpty(value)) return [];
  if (!Array.isArray(value)) return [imageSource(value, `${where}: ${key}`, 'in the row')];
  return value.map((one: unknown, i) => imageSource(one, `${where}: ${key}[${i}]`, `${i + 1} of the row`));
}

function systemOf(row: JsonObject, where: string): string | undefined {
  const [first, second] = ['system', 'system_prompt'].filter((key) => !isEmpty(row[key])).map((key) => ({ key, value: row[key] }));
  if (first === undefined) return undefined;
  if (typeof first.value !== 'string') throw new UserError(`${where}: "${first.key}" should be a text, ${shown(first.value)} found.`);
  if (second !== undefined && second.value !== first.value)
    throw new UserError(`${where}: "system" and "system_prompt" differ. Keep one of them.`);
  return first.value;
}

/** The system turn that the row names apart. */
function withSystem(turns: Turn[], system: string | undefined, where: string): Turn[] {
  if (system === undefined) return turns;
  const [first] = turns;
  if (first?.role !== 'system') return [{ role: 'system', content: system }, ...turns];
  const text =
    typeof first.content === 'string' ? first.content : first.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
  if (text !== system) throw new UserError(`${where}: "system" says ${shown(system)}, the first turn ${shown(text)}. Keep one of them.`);
  return turns;
}

function checkAnswers(messages: Conversation['messages'], where: string): void {
  const answers = messages.filter(({ role }) => role === 'assistant');
  if (answers.length === 0)
    throw new UserError(`${where}: no message has the role "assistant", so there is nothing to learn. Add the answer.`);
  if (answers.every(({ isLearnt }) => isLearnt === false)) {
    throw new UserError(
      `${where}: every answer is marked not to be learnt, so there is nothing to learn. Leave the row out, or mark one less.`,
    );
  }
}
