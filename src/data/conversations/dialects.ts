/**
 * The forms that a row's turns have. One entry a form: which keys are its own, when a row is of it, and what its turns are.
 * src/data/README.md shows each with an example.
 */
import { firstOf, UserError } from '../../platform.ts';
import { isEmpty, isObject, shown } from './shown.ts';
import type { JsonObject } from './shown.ts';
import { turnsOf } from './turns.ts';
import type { Turn } from './turns.ts';

export interface Dialect {
  /** For the user. */
  name: string;
  /** Keys that it reads beside those of all rows (`images`, `image`, `system`, `id`, `task`). */
  keys: readonly string[];
  isOf(row: JsonObject): boolean;
  /** @param where of the row @throws UserError that begins with it */
  turns(row: JsonObject, where: string): Turn[];
}

const has = (row: JsonObject, key: string): boolean => row[key] !== undefined && row[key] !== null;

const listOfTurns = (key: 'messages' | 'conversations', name: string): Dialect => ({
  name,
  keys: [key],
  isOf: (row) => has(row, key),
  turns: (row, where) => turnsOf(row[key], key, where),
});

/**
 * TRL's. A text for either is a turn: without a template, as TRL has texts, a model for conversations would learn what it never reads
 * again.
 */
const promptAndCompletion: Dialect = {
  name: 'prompt and completion',
  keys: ['prompt', 'completion'],
  isOf: (row) => has(row, 'prompt') && has(row, 'completion'),
  turns(row, where) {
    const prompt = typeof row['prompt'] === 'string' ? [userTurn(row['prompt'])] : turnsOf(row['prompt'], 'prompt', where);
    const completion =
      typeof row['completion'] === 'string' ? [answerTurn(row['completion'])] : turnsOf(row['completion'], 'completion', where);
    if (prompt.at(-1)?.role === 'assistant' || completion[0]?.role !== 'assistant') {
      throw new UserError(
        `${where}: "prompt" should end before an answer and "completion" begin with one; an answer cannot be split between them.`,
      );
    }
    // The prompt is given, its answers too.
    return [...prompt.map((turn): Turn => (turn.role === 'assistant' ? { ...turn, isLearnt: false } : turn)), ...completion];
  },
};

const alpaca: Dialect = {
  name: 'instruction and output (Alpaca)',
  keys: ['instruction', 'input', 'output', 'history'],
  isOf: (row) => has(row, 'output') && (!isEmpty(row['instruction']) || !isEmpty(row['input'])),
  // As LLaMA-Factory joins the two.
  turns: (row, where) => {
    const asked = [textOf(row, 'instruction', where), textOf(row, 'input', where)].filter((text) => text !== '').join('\n');
    return [...historyOf(row['history'], where), userTurn(asked), answerTurn(textOf(row, 'output', where))];
  },
};

const queryAndResponse: Dialect = {
  name: 'query and response (ms-swift)',
  keys: ['query', 'response', 'history'],
  isOf: (row) => has(row, 'query') && has(row, 'response'),
  turns: (row, where) => [
    ...historyOf(row['history'], where),
    userTurn(textOf(row, 'query', where)),
    answerTurn(textOf(row, 'response', where)),
  ],
};

const LISTS = [listOfTurns('messages', 'messages'), listOfTurns('conversations', 'conversations (ShareGPT, LLaVA)'), promptAndCompletion];
/** Only where none of the lists is there: whoever makes messages of such a set often leaves the texts beside them. */
const TEXTS = [alpaca, queryAndResponse];

/** @throws UserError where a row is of two forms that say different things; undefined where it is of none */
export function dialectOf(row: JsonObject, where: string): Dialect | undefined {
  for (const group of [LISTS, TEXTS]) {
    const found = group.filter((dialect) => dialect.isOf(row));
    // An empty list says nothing where another is filled.
    const filled = found.filter(({ keys }) => keys.some((key) => !isEmpty(row[key])));
    const [first, second] = filled.length > 0 ? filled : found;
    if (second !== undefined && filled.length > 1) {
      const keys = [first, second].map((dialect) => JSON.stringify(dialect?.keys[0]));
      throw new UserError(`${where}: it has ${keys.join(' and ')}. Keep the one to learn from.`);
    }
    if (first !== undefined) return first;
  }
  return undefined;
}

/** For a row of no form. */
export function noDialect(row: JsonObject, where: string): UserError {
  const keys = Object.keys(row).map((key) => JSON.stringify(key));
  const found = keys.length === 0 ? 'no keys' : firstOf(keys, 10);
  if ('role' in row && 'content' in row)
    return new UserError(`${where}: a single turn. A row is a whole conversation: {"messages": [{"role": …, "content": …}, …]}.`);
  const hint = has(row, 'text') ? ' A bare "text" has no turns to tell what is learnt.' : '';
  return new UserError(
    `${where}: "messages" should be a list of at least one message, nothing found; "conversations", "prompt" with "completion", ` +
      `"instruction" with "output", or "query" with ` +
      `"response" are read too. The row has ${found}.${hint}`,
  );
}

function userTurn(content: string): Turn {
  return { role: 'user', content };
}

function answerTurn(content: string): Turn {
  return { role: 'assistant', content };
}

function textOf(row: JsonObject, key: string, where: string): string {
  const value = row[key];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new UserError(`${where}: "${key}" should be a text, ${shown(value)} found.`);
  return value;
}

/** Pairs of question and answer that came before; the answers are learnt as well. */
function historyOf(history: unknown, where: string): Turn[] {
  if (isEmpty(history)) return [];
  const wrong = (value: unknown): UserError =>
    new UserError(`${where}: "history" should be a list of [question, answer] pairs, ${shown(value)} found.`);
  if (!Array.isArray(history)) throw wrong(history);
  return history.flatMap((pair: unknown) => {
    const list: unknown[] = Array.isArray(pair) ? pair : isObject(pair) ? [] : [pair];
    const [question, answer] = list;
    if (list.length !== 2 || typeof question !== 'string' || typeof answer !== 'string') throw wrong(pair);
    return [userTurn(question), answerTurn(answer)];
  });
}
