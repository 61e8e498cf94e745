/** The turns of a row, whichever names its author gave to roles and keys, and which answers take no part in the loss. */
import { ownValue } from '../../io/ownValue.ts';
import { countOf, UserError } from '../../platform.ts';
import type { Message } from '../example.ts';
import { contentOf } from './parts.ts';
import type { RowContent } from './parts.ts';
import { isEmpty, isObject, shown } from './shown.ts';
import type { JsonObject } from './shown.ts';

export interface Turn {
  role: Message['role'];
  content: RowContent;
  isLearnt?: false;
}

const ROLES: Readonly<Record<string, Message['role']>> = {
  system: 'system',
  developer: 'system',
  user: 'user',
  human: 'user',
  prompter: 'user',
  assistant: 'assistant',
  gpt: 'assistant',
  model: 'assistant',
  chatgpt: 'assistant',
  bing: 'assistant',
  bard: 'assistant',
  bot: 'assistant',
};
/** Turns of tools: a model that is to learn them needs a template that writes them, and none is asked for here. */
const TOOL_ROLES: readonly string[] = [
  'tool',
  'tool_call',
  'tool_response',
  'function',
  'function_call',
  'function_response',
  'observation',
  'ipython',
];

/** What a turn may hold beside role and content that would be lost, and say so to nobody. */
const REFUSED = [
  'tool_calls',
  'tool_call',
  'function_call',
  'tools',
  'functions',
  'reasoning_content',
  'reasoning',
  'thinking',
  'refusal',
  'images',
  'image',
  'image_url',
  'videos',
  'video',
  'audios',
  'audio',
  'loss_scale',
  'train_detail',
  'mask',
  'masked',
  'chosen',
  'rejected',
] as const;
/** Marks that take an answer out of the loss: axolotl's, ms-swift's, OpenAI's. */
const MARKS = ['train', 'trainable', 'loss', 'weight', 'loss_weight'] as const;
/** What else could be meant so, in other words or another case: with false or 0, and with true or 1. */
const NEAR_MARK = /(?:^|_)(?:train|trainable|training|learn|learnt|learned|loss|weight)(?:$|_)/i;
const NEAR_MASK = /(?:^|_)(?:mask|masked|ignore|ignored|no_?loss|no_?train)(?:$|_)/i;

/** @param key of the row, for messages @throws UserError that begins with the place */
export function turnsOf(listed: unknown, key: string, where: string): Turn[] {
  const list = isObject(listed) ? transposed(listed) : listed;
  if (!Array.isArray(list) || list.length === 0) {
    const hint = typeof list === 'string' && /^\s*\[/.test(list) ? ' It is a text that holds JSON; write the list itself.' : '';
    throw new UserError(`${where}: "${key}" should be a list of at least one message, ${shown(listed)} found.${hint}`);
  }
  return list.map((turn: unknown, i) => turnOf(turn, `${where}: ${key}[${i}]`));
}

/** `datasets`' Sequence of a dict, a dict of lists, as the list that it was. */
function transposed(columns: JsonObject): unknown {
  const lists = Object.entries(columns).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  const length = lists[0]?.[1].length;
  if (length === undefined || lists.some(([, list]) => list.length !== length)) return columns;
  return Array.from({ length }, (_, i) => Object.fromEntries(lists.map(([key, list]) => [key, list[i]])));
}

function turnOf(turn: unknown, where: string): Turn {
  if (!isObject(turn)) throw new UserError(`${where} should be {"role": …, "content": …}, ${shown(turn)} found.`);
  const named = turn['role'] ?? turn['from'];
  const role = typeof named === 'string' ? ownValue(ROLES, named.toLowerCase()) : undefined;
  if (role === undefined) {
    const why =
      typeof named === 'string' && TOOL_ROLES.includes(named.toLowerCase()) ? ' Turns of tools are not trained; leave the row out.' : '';
    const keys = named === undefined || named === null ? ` The turn has ${listOf(turn)}.` : '';
    throw new UserError(`${where}: the role ${shown(named ?? undefined)} is unknown; system, user, assistant are possible.${why}${keys}`);
  }
  for (const key of REFUSED) {
    if (!isEmpty(turn[key]))
      throw new UserError(`${where}: "${key}" cannot be honoured in a turn (${shown(turn[key])} found). ${ADVICE[key] ?? 'Leave it out.'}`);
  }
  if (role === 'assistant') checkNearMarks(turn, where);
  const from = typeof turn['from'] === 'string' ? ROLES[turn['from'].toLowerCase()] : undefined;
  if (from !== undefined && from !== role)
    throw new UserError(`${where}: its "role" is ${shown(named)}, its "from" ${shown(turn['from'])}. Give one of them.`);
  const [first, second] = [turn['content'], turn['value']].filter((value) => value !== undefined && value !== null);
  if (second !== undefined) throw new UserError(`${where}: it has "content" and "value". Give one of them.`);
  const content = contentOf(first, where);
  return isLearnt(turn, role, where) ? { role, content } : { role, content, isLearnt: false };
}

const ADVICE: Readonly<Record<string, string>> = {
  images: 'Name the pictures in the row\'s "images", or in {"type": "image", "image": …} parts.',
  image: 'Name the pictures in the row\'s "images", or in {"type": "image", "image": …} parts.',
  mask: 'Say "train": false of an answer that is not to be learnt.',
  masked: 'Say "train": false of an answer that is not to be learnt.',
  loss_scale: 'An answer is learnt or not: "train": false takes it out.',
};

/** False where the turn says so. @throws UserError for weights between, and for other turns that are to be learnt */
function isLearnt(turn: JsonObject, role: Message['role'], where: string): boolean {
  let said: { key: string; isLearnt: boolean } | undefined;
  for (const key of MARKS) {
    const value = turn[key];
    if (value === undefined || value === null) continue;
    const number = typeof value === 'bigint' ? Number(value) : value;
    if (number !== true && number !== false && number !== 0 && number !== 1) {
      throw new UserError(`${where}: "${key}" is ${shown(value)}; an answer is learnt (true or 1) or not (false or 0), nothing between.`);
    }
    const one = { key, isLearnt: Boolean(number) };
    if (said !== undefined && said.isLearnt !== one.isLearnt)
      throw new UserError(`${where}: "${said.key}" and "${key}" say the opposite. Give one of them.`);
    said = one;
  }
  if (role !== 'assistant') {
    if (said?.isLearnt)
      throw new UserError(`${where}: "${said.key}" asks for a turn of the ${role} to be learnt; only the assistant's are. Leave it out.`);
    return true; // it carries no label anyway
  }
  return said?.isLearnt ?? true;
}

/** @throws UserError for a key that seems to take an answer out and is none of those that do */
function checkNearMarks(turn: JsonObject, where: string): void {
  for (const [key, value] of Object.entries(turn)) {
    if (MARKS.some((mark) => mark === key)) continue;
    const number = typeof value === 'boolean' || typeof value === 'bigint' ? Number(value) : value;
    if ((number === 0 && NEAR_MARK.test(key)) || (number === 1 && NEAR_MASK.test(key))) {
      throw new UserError(
        `${where}: "${key}" is not read (${shown(value)} found). "train": false takes an answer out of what is learnt; say that, or ` +
          `leave it out.`,
      );
    }
  }
}

/** `2 keys, "a" and "b"`. */
function listOf(turn: JsonObject): string {
  const keys = Object.keys(turn).map((key) => JSON.stringify(key));
  return keys.length === 0 ? 'no keys' : `${countOf(keys.length, 'key')}: ${keys.slice(0, 8).join(', ')}`;
}
