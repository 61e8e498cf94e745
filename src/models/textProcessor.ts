/** The Processor of models that read text only: the conversation's ids, labels and positions; an image is refused. */
import { conversationName, conversationTokens, loadConversationFolder, measureOf } from '../data/conversationTokens.ts';
import type { ConversationFolder, ConversationTokens } from '../data/conversationTokens.ts';
import { IGNORE_INDEX } from '../data/example.ts';
import type { Conversation, EncodeOptions, Example, Message, Processor, RowMeasure } from '../data/example.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { UserError } from '../platform.ts';
import type { DecodedImage, Platform } from '../platform.ts';

/** @throws UserError from `encode`, for a conversation with an image */
export class TextProcessor implements Processor {
  readonly tokenizer: Tokenizer;
  readonly endOfTurnIds: readonly number[];
  readonly padId: number;
  readonly reserved: readonly string[] = [];
  private readonly folder: ConversationFolder;

  constructor(folder: ConversationFolder) {
    this.folder = folder;
    this.tokenizer = folder.rules.tokenizer;
    this.padId = folder.rules.padId;
    this.endOfTurnIds = folder.endOfTurnIds;
  }

  /** @throws UserError that names the file of the folder which is missing or wrong */
  static async load(platform: Platform, dir: string): Promise<TextProcessor> {
    return new TextProcessor(await loadConversationFolder(platform, dir));
  }

  encode(conversation: Conversation, images: DecodedImage[], options: EncodeOptions): Example {
    const { ids, isLabelled, weightOf } = this.textTokens(conversation, images.length, options);
    return {
      inputIds: Int32Array.from(ids),
      labels: Int32Array.from(ids, (id, i) => (isLabelled(i, id) ? id : IGNORE_INDEX)),
      ...(weightOf && { weights: Float32Array.from(ids, (_, i) => weightOf(i)) }),
      positionIds: Int32Array.from(ids.keys()),
      pixelValues: new Float32Array(0),
      imageGrids: [],
    };
  }

  measure(conversation: Conversation, sizes: readonly unknown[], options: EncodeOptions): RowMeasure {
    return measureOf(this.textTokens(conversation, sizes.length, options), { grown: 0 });
  }

  private textTokens(conversation: Conversation, images: number, options: EncodeOptions): ConversationTokens {
    if (
      images > 0 ||
      conversation.messages.some(({ content }) => typeof content !== 'string' && content.some(({ type }) => type === 'image'))
    ) {
      throw new UserError(
        `${conversationName(conversation)}: it has an image, and ${this.folder.configPath} is of a model that reads text only. ` +
          'Leave the image out, or choose a vision-language model.',
      );
    }
    // The templates of text models add contents up; a list of parts means their texts one after the other.
    const messages = conversation.messages.map((message) => ({ ...message, content: textOf(message) }));
    return conversationTokens(this.folder.rules, { ...conversation, messages }, options);
  }

  decode(ids: ArrayLike<number>, options: { skipSpecialTokens?: boolean } = {}): string {
    return this.tokenizer.decode(ids, options);
  }

  imageTokens(): number {
    return 0;
  }

  /** No image is ever resized. */
  resizedSize(height: number, width: number): { height: number; width: number } {
    return { height, width };
  }
}

function textOf({ content }: Message): string {
  return typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
