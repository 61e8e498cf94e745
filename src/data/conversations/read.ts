/** All rows of a file, one after the other, for whoever goes through them once. */
import type { Platform } from '../../platform.ts';
import type { Conversation } from '../example.ts';
import { ImageFiles } from './imageFiles.ts';
import type { ConversationOptions } from './row.ts';
import { openRowFile } from './rowFile.ts';

/**
 * Image paths come back absolute or relative to the working directory: those in the file are relative to the file.
 * @throws UserError that begins with file:line, for images that do not exist as well
 */
export async function* readConversations(
  platform: Platform,
  path: string,
  options: ConversationOptions = {},
): AsyncGenerator<Conversation, void, undefined> {
  const file = await openRowFile(platform, path, options);
  const images = new ImageFiles(platform);
  try {
    for (let index = 0; index < file.length; index++) {
      const row = await file.row(index);
      await images.check(row);
      yield row.conversation;
    }
  } finally {
    await file.close();
  }
}
