/**
 * The Processor of Gemma 3: conversation and decoded images in, token ids, labels, positions and patches out. It follows transformers'
 * Gemma3Processor with its PIL image processor. Pan-and-scan, which cuts elongated images into more images, stays off whatever the folder
 * says, as it does there.
 */
import { checkImageCount, conversationName, conversationTokens, loadConversationFolder, measureOf } from '../../data/conversationTokens.ts';
import type { ConversationFolder, ConversationRules, ConversationTokens } from '../../data/conversationTokens.ts';
import { IGNORE_INDEX } from '../../data/example.ts';
import type { Conversation, EncodeOptions, Example, Processor, RowMeasure } from '../../data/example.ts';
import { loadImageSettings, patchify, pixelTable } from '../../data/image.ts';
import type { ImageSettings } from '../../data/image.ts';
import { asObject, readJsonFile } from '../../data/jsonFile.ts';
import { resizeImage } from '../../data/resize.ts';
import type { Tokenizer } from '../../data/tokenizer.ts';
import { countOf, joinPath, UserError } from '../../platform.ts';
import type { DecodedImage, Platform } from '../../platform.ts';
import type { PixelBounds } from '../model.ts';
import { parseGemma3Config } from './config.ts';
import type { Gemma3Config } from './config.ts';

/** Gemma3ImageProcessor's own, where the folder states nothing. */
const DEFAULTS = { resample: 2, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

/** Every image is 256 tokens; its patches are (4096, 3 · 14²) f32 at the released models' sizes. */
export class Gemma3Processor implements Processor {
  readonly tokenizer: Tokenizer;
  readonly endOfTurnIds: readonly number[];
  readonly padId: number;
  private readonly config: Gemma3Config;
  private readonly rules: ConversationRules;
  private readonly settings: ImageSettings;
  private readonly table: Float32Array;
  /** Stands for an image in the rendered text. */
  private readonly placeholder: string;
  private readonly softToken: string;
  /** What it becomes. */
  private readonly imageText: string;

  constructor({ config: json, configPath, rules, endOfTurnIds }: ConversationFolder, settings: ImageSettings) {
    const config = parseGemma3Config(json, configPath);
    this.config = config;
    this.rules = rules;
    this.tokenizer = rules.tokenizer;
    this.padId = rules.padId;
    this.endOfTurnIds = endOfTurnIds;
    this.settings = settings;
    this.table = pixelTable(settings);
    checkSize(settings, config.vision.imageSize);
    const token = (id: number, key: string): string => {
      const found = rules.tokenizer.tokenOf(id);
      if (found === undefined)
        throw new UserError(`${rules.tokenizer.source}: it has no token ${id}, config.json's ${key}. The two files are not of one model.`);
      return found;
    };
    this.placeholder = token(config.beginImageTokenId, 'boi_token_index');
    this.softToken = token(config.imageTokenId, 'image_token_index');
    const end = token(config.endImageTokenId, 'eoi_token_index');
    // In the text, before it is tokenised: the newlines join those around the image into one token.
    this.imageText = `\n\n${this.placeholder}${this.softToken.repeat(config.tokensPerSide ** 2)}${end}\n\n`;
  }

  /**
   * Reads config.json, the tokenizer, the chat template and the image settings of a model folder.
   * @throws UserError that names the file which is missing or wrong; also for bounds on the image's area, which is fixed
   */
  static async load(platform: Platform, dir: string, { minPixels, maxPixels }: PixelBounds = {}): Promise<Gemma3Processor> {
    const folder = await loadConversationFolder(platform, dir);
    const { vision, tokensPerSide } = parseGemma3Config(folder.config, folder.configPath);
    if (minPixels !== undefined || maxPixels !== undefined) {
      const side = vision.imageSize;
      throw new UserError(
        `min_pixels and max_pixels: a Gemma 3 model sees every image at ${side}×${side} pixels, whatever its shape; leave the two out.`,
      );
    }
    const path = joinPath(dir, 'processor_config.json');
    const length = (await readJsonFile(platform, path))?.['image_seq_length'] ?? tokensPerSide ** 2;
    if (length !== tokensPerSide ** 2) {
      throw new UserError(
        `${path}: image_seq_length is ${JSON.stringify(length)}, config.json's mm_tokens_per_image ${tokensPerSide ** 2}. The two must ` +
          `agree.`,
      );
    }
    return new Gemma3Processor(folder, await loadImageSettings(platform, dir, DEFAULTS));
  }

  /**
   * One row. Every image part takes the next of `images` and becomes `\n\n`, the begin token, a soft token for each feature, the end token,
   * `\n\n`.
   * @throws UserError when images and image parts do not match in number
   */
  encode(conversation: Conversation, images: DecodedImage[], options: EncodeOptions): Example {
    const { vision } = this.config;
    const { ids, isLabelled, weightOf } = this.textTokens(conversation, images.length, options);
    const perImage = vision.imageSize ** 2 * vision.channels;
    const pixelValues = new Float32Array(images.length * perImage);
    return {
      inputIds: Int32Array.from(ids),
      labels: Int32Array.from(ids, (id, i) => (isLabelled(i, id) ? id : IGNORE_INDEX)),
      ...(weightOf && { weights: Float32Array.from(ids, (_, i) => weightOf(i)) }),
      positionIds: Int32Array.from(ids.keys()),
      pixelValues,
      imageGrids: images.map((image, i) => this.encodeImage(image, pixelValues.subarray(i * perImage, (i + 1) * perImage))),
    };
  }

  measure(conversation: Conversation, sizes: readonly { height: number; width: number }[], options: EncodeOptions): RowMeasure {
    for (const { height, width } of sizes) this.checkedSize(height, width);
    return measureOf(this.textTokens(conversation, sizes.length, options), { grown: 0 });
  }

  /** The two newlines on either side are at most four tokens. */
  imageTokens(height: number, width: number): number {
    this.checkedSize(height, width);
    return this.config.tokensPerSide ** 2 + 6;
  }

  get reserved(): readonly string[] {
    return [this.placeholder, this.softToken];
  }

  private textTokens(conversation: Conversation, images: number, options: EncodeOptions): ConversationTokens {
    checkImageCount(conversation, images);
    const texts = Array.from({ length: images }, () => this.imageText);
    const tokens = conversationTokens(this.rules, conversation, options, { placeholder: this.placeholder, texts });
    const { beginImageTokenId, imageTokenId, tokensPerSide } = this.config;
    const count = (token: number): number => tokens.ids.filter((id) => id === token).length;
    if (count(beginImageTokenId) !== images || count(imageTokenId) !== images * tokensPerSide ** 2) {
      throw new UserError(
        `${conversationName(conversation)}: the chat template made ${countOf(count(beginImageTokenId), 'place')} (${this.placeholder}) ` +
          `for ${countOf(images, 'image')}. ` +
          `A text may not contain ${this.placeholder} or ${this.softToken} itself, and images belong into the user's turns.`,
      );
    }
    return tokens;
  }

  decode(ids: ArrayLike<number>, options: { skipSpecialTokens?: boolean } = {}): string {
    return this.tokenizer.decode(ids, options);
  }

  resizedSize(height: number, width: number): { height: number; width: number } {
    const { imageSize } = this.config.vision;
    return this.settings.resize ? { height: imageSize, width: imageSize } : { height, width };
  }

  private checkedSize(imageHeight: number, imageWidth: number): { height: number; width: number } {
    const { imageSize } = this.config.vision;
    const { height, width } = this.resizedSize(imageHeight, imageWidth);
    if (height === imageSize && width === imageSize) return { height, width };
    throw new UserError(
      `Image of ${width}×${height} pixels: ${this.settings.source} says do_resize false, so it must be ${imageSize}×${imageSize}.`,
    );
  }

  /** Patches row by row, (patches, 3 · patch · patch), into `out`. */
  private encodeImage(image: DecodedImage, out: Float32Array): [number, number, number] {
    const { patchSize } = this.config.vision;
    const { height, width } = this.checkedSize(image.height, image.width);
    const resized = resizeImage(image, width, height, this.settings.filter);
    return patchify(resized, this.table, { patchSize, temporalPatchSize: 1, mergeSize: 1 }, out);
  }
}

/** The size that images are brought to must be the tower's, which has a learnt position for each patch. */
function checkSize({ raw, source }: ImageSettings, side: number): void {
  const size = raw['size'] ?? { height: side, width: side };
  const stated = asObject(size);
  if (stated?.['height'] === side && stated['width'] === side) return;
  throw new UserError(
    `${source}: size is ${JSON.stringify(size)}, config.json's vision_config has image_size ${side}. The two must agree.`,
  );
}
