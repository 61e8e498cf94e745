/** Rows that a script holds in memory, read as those of a file are. */
import { RowFile } from '../data/conversations/rowFile.ts';
import type { ConversationOptions } from '../data/conversations/row.ts';
import { UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import type { Picture } from './pictures.ts';
import { withFiles } from './pictures.ts';

/**
 * One conversation. Pictures stand in its parts, or in `images` in the order of the parts without one. Rows of the other forms that files
 * may have (ShareGPT, Alpaca, prompt and completion) are read too; TypeScript has to be told so.
 */
export interface ConversationInput {
  messages: readonly {
    role: 'system' | 'user' | 'assistant';
    content: string | readonly ({ type: 'text'; text: string } | { type: 'image'; image?: Picture })[];
  }[];
  images?: readonly Picture[];
  /** AD, Detection, TL or the name of a MedVision task: its answer is then scored as that task's. */
  task?: string;
  id?: string | number;
}

/**
 * @param name that messages call them by: `rows[3]`. Paths of pictures are relative to the working folder.
 * @throws UserError where there is none
 */
export function memoryRows(
  platform: Platform,
  rows: readonly ConversationInput[],
  name: string,
  options: ConversationOptions = {},
): RowFile {
  if (!Array.isArray(rows)) throw new UserError(`${name} should be an array of conversations; the path of a file goes under another name.`);
  if (rows.length === 0) throw new UserError(`${name}: there are none. Each should be {messages: […], images: […]}.`);
  const where = (index: number): string => `${name}[${index}]`;
  return new RowFile(name, { length: rows.length, where, value: (index) => withFiles(platform, rows[index], where(index)) }, options);
}
