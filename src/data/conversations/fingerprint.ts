/**
 * What a run remembers of its rows, to tell at resuming whether they are still the same: texts, answers, names of images, but neither
 * folders nor pixels.
 */
import { sha256Hex } from '../prepared/identity.ts';
import type { Conversation } from '../example.ts';

/** Rows hashed at a time. */
const BATCH_ROWS = 512;

/** SHA-256 over texts in their order, however many there are. */
export class Fingerprint {
  private hash = '';
  private batch: string[] = [];

  async add(text: string): Promise<void> {
    this.batch.push(text);
    if (this.batch.length === BATCH_ROWS) await this.flush();
  }

  async hex(): Promise<string> {
    if (this.batch.length > 0) await this.flush();
    return this.hash;
  }

  private async flush(): Promise<void> {
    const text = `${this.hash}\n${this.batch.join('\n')}`;
    this.batch = [];
    this.hash = await sha256Hex(new TextEncoder().encode(text));
  }
}

/** A conversation's part in it. Pictures that lay in the row have no file name that tells them apart, so their size is added. */
export function conversationFacts({ messages, images }: Conversation): string {
  const names = images.map((image) => {
    const name = typeof image === 'string' ? image : image.name;
    return `${name.slice(name.lastIndexOf('/') + 1)}${typeof image === 'string' ? '' : ` (${image.bytes.length} bytes)`}`;
  });
  return JSON.stringify([messages, names]);
}
