/** Whether the picture files that rows name are there. */
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { ConversationRow } from './row.ts';

export class ImageFiles {
  private readonly platform: Platform;
  /** Those that exist: data sets name the same one in many rows. */
  private readonly known = new Set<string>();

  constructor(platform: Platform) {
    this.platform = platform;
  }

  /** @throws UserError that begins with the row's place */
  async check({ conversation, where }: ConversationRow): Promise<void> {
    for (const image of conversation.images) {
      if (typeof image !== 'string' || this.known.has(image)) continue;
      if (!(await this.platform.exists(image)))
        throw new UserError(`${where}: the image ${image} does not exist. Paths are absolute or relative to the file of rows.`);
      if (await this.platform.isDirectory(image)) throw new UserError(`${where}: the image ${image} is a folder. Name an image file.`);
      this.known.add(image);
    }
  }
}
