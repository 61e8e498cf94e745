/** The Processor of models that read text only: the conversation's ids, labels and positions; an image is refused. */
import { conversationName, conversationTokens, loadConversationFolder } from '../data/conversationTokens.ts';
import type { ConversationFolder } from '../data/conversationTokens.ts';
import { IGNORE_INDEX } from '../data/example.ts';
import type { Conversation, EncodeOptions, Example, Message, Processor } from '../data/example.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { UserError } from '../platform.ts';
import type { DecodedImage, Platform } from '../platform.ts';

export class TextProcessor implements Processor {
  readonly tokenizer: Tokenizer;
  readonly endOfTurnIds: readonly number[];
  readonly padId: number;
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
    if (images.length > 0 || conversation.messages.some(({ content }) => typeof content !== 'string' && content.some(({ type }) => type === 'image'))) {
      throw new UserError(
        `${conversationName(conversation)}: it has an image, and ${this.folder.configPath} is of a model that reads text only. ` +
          'Leave the image out, or choose a vision-language model.',
      );
    }
    // The templates of text models add contents up; a list of parts means their texts one after the other.
    const messages = conversation.messages.map((message) => ({ ...message, content: textOf(message) }));
    const { ids, isLabelled } = conversationTokens(this.folder.rules, { ...conversation, messages }, options);
    return {
      inputIds: Int32Array.from(ids),
      labels: Int32Array.from(ids, (id, i) => (isLabelled(i, id) ? id : IGNORE_INDEX)),
      positionIds: Int32Array.from(ids.keys()),
      pixelValues: new Float32Array(0),
      imageGrids: [],
    };
  }

  decode(ids: ArrayLike<number>, options: { skipSpecialTokens?: boolean } = {}): string {
    return this.tokenizer.decode(ids, options);
  }

  /** No image is ever resized. */
  resizedSize(height: number, width: number): { height: number; width: number } {
    return { height, width };
  }
}

function textOf({ content }: Message): string {
  return typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
