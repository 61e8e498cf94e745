/**
 * Tokens and labels of rows before training. Counting them in full takes milliseconds a row (the template is rendered once more for every
 * answer), which is hours for a million; so the first row of each shape (roles and kinds of parts) is counted, and others of that shape
 * only where their length may matter: a token stands for at least one byte of its text, so that a short text cannot be a long row.
 */
import { EndlessFile } from '../../io/timeLimit.ts';
import { UserError } from '../../platform.ts';
import { textsOf } from '../example.ts';
import type { Conversation, LabelMask, Processor } from '../example.ts';
import type { Reason } from './problems.ts';
import type { ImageSize } from './pictures.ts';

export interface LengthSettings {
  mask: LabelMask;
  /** Tokens a row may have. */
  maxTokens: number;
  /** Every row must have a token that is learnt. */
  isForTraining: boolean;
}

/** UTF-8 has up to 3 bytes for a UTF-16 unit; a normaliser (NFC) may make up to three of one. */
const BYTES_PER_UNIT = 9;

export class LengthChecker {
  private readonly processor: Processor;
  private readonly settings: LengthSettings;
  /** By shape: units that the template adds at most; undefined: rows of it are always counted. */
  private readonly shapes = new Map<string, number>();

  constructor(processor: Processor, settings: LengthSettings) {
    this.processor = processor;
    this.settings = settings;
  }

  /** What is wrong with the row, if anything is. @throws EndlessFile where that is a file of the model */
  check(conversation: Conversation, sizes: readonly ImageSize[]): { reason: Reason; error: UserError } | undefined {
    const { processor, settings } = this;
    try {
      const images = sizes.reduce((sum, { height, width }) => sum + processor.imageTokens(height, width), 0);
      const shape = shapeOf(conversation);
      const added = this.shapes.get(shape);
      const texts = textsOf(conversation.messages);
      const isPlain = !texts.some((text) => processor.reserved.some((word) => text.includes(word)));
      const units = texts.reduce((sum, { length }) => sum + length, added ?? 0);
      if (added !== undefined && isPlain && images + units * BYTES_PER_UNIT <= settings.maxTokens) return undefined;
      const { mask, maxTokens, isForTraining } = settings;
      const { tokens, learnt, characters } = processor.measure(conversation, sizes, {
        mask,
        ...(!isForTraining && { addGenerationPrompt: true }),
      });
      // A wrong row says nothing of others.
      if (tokens > maxTokens) {
        const words = `${tokens} tokens, of which ${images} are its images’; the model takes ${maxTokens} (max_position_embeddings).`;
        return { reason: 'long', error: new UserError(`${words} Shorten it, or lower --max_pixels.`) };
      }
      if (isForTraining && learnt === 0) {
        return { reason: 'label', error: new UserError(`no token of it is learnt with --mask ${mask}. Does the assistant say anything?`) };
      }
      this.shapes.set(shape, Math.max(characters, added ?? 0));
      return undefined;
    } catch (error) {
      if (error instanceof UserError && !(error instanceof EndlessFile)) return { reason: 'refused', error };
      throw error;
    }
  }
}

/** Two rows of one shape differ in their texts alone. Empty texts are a kind of their own, since templates ask for them. */
function shapeOf({ messages, images }: Conversation): string {
  const kindOf = (text: string): string => (text.trim() === '' ? 'empty' : 'text');
  const turns = messages.map(({ content, ...rest }) => {
    const kinds =
      typeof content === 'string' ? kindOf(content) : content.map((part) => (part.type === 'text' ? kindOf(part.text) : part.type));
    return [rest, kinds];
  });
  return JSON.stringify([turns, images.length]);
}
