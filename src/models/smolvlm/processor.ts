/**
 * The Processor of SmolVLM and Idefics3: conversation and decoded images in, token ids, labels, positions and patches out. It follows
 * transformers' Idefics3Processor with its PIL image processor, whose filter is Lanczos (torchvision's, the default where it is installed,
 * takes bicubic instead before 0.27 or on a GPU). A picture becomes tiles, row by row, and a global view after them; every tile is an image
 * of its own to the tower. transformers pads the pictures of a batch to a common number of tiles with tiles of zeros and drops these again
 * before the tower; here there are none.
 */
import { checkImageCount, conversationName, conversationTokens, loadConversationFolder, measureOf } from '../../data/conversationTokens.ts';
import type { ConversationFolder, ConversationRules, ConversationTokens } from '../../data/conversationTokens.ts';
import { IGNORE_INDEX } from '../../data/example.ts';
import type { Conversation, EncodeOptions, Example, Message, Processor, RowMeasure } from '../../data/example.ts';
import { loadImageSettings, patchify, pixelTable } from '../../data/image.ts';
import type { ImageSettings } from '../../data/image.ts';
import { asObject, readJsonFile } from '../../data/jsonFile.ts';
import type { Tokenizer } from '../../data/tokenizer.ts';
import { countOf, joinPath, UserError } from '../../platform.ts';
import type { DecodedImage, Platform } from '../../platform.ts';
import type { PixelBounds } from '../model.ts';
import { parseSmolVLMConfig } from './config.ts';
import type { SmolVLMConfig } from './config.ts';
import { cropped, tilesOf, tiling } from './tiling.ts';
import type { Size, TileRules, Tiling } from './tiling.ts';

/** Idefics3ImageProcessor's own, where the folder states nothing. */
const DEFAULTS = { resample: 1, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
const DEFAULT_SIDE = 364;
const DEFAULT_EDGE = 4 * DEFAULT_SIDE;
/** Idefics3Processor's. */
const DEFAULT_LENGTH = 169;

export class SmolVLMProcessor implements Processor {
  readonly tokenizer: Tokenizer;
  readonly endOfTurnIds: readonly number[];
  readonly padId: number;
  private readonly config: SmolVLMConfig;
  private readonly rules: ConversationRules;
  private readonly settings: ImageSettings;
  private readonly tiles: TileRules;
  private readonly table: Float32Array;
  /** Patches to a side of a tile. */
  private readonly patches: number;
  /** Tokens of a tile. */
  private readonly length: number;
  /** Stands for an image in the rendered text, and for each of its tokens in the text that is tokenised. */
  private readonly imageToken: string;
  private readonly fakeToken: string;
  private readonly globalToken: string;

  /** @param length image_seq_len of processor_config.json at `lengthSource` */
  constructor(
    { config: json, configPath, rules, endOfTurnIds }: ConversationFolder,
    settings: ImageSettings,
    length: { value: unknown; source: string },
    overrides: PixelBounds = {},
  ) {
    const config = parseSmolVLMConfig(json, configPath);
    this.config = config;
    this.rules = rules;
    this.tokenizer = rules.tokenizer;
    this.padId = rules.padId;
    this.endOfTurnIds = endOfTurnIds;
    this.settings = settings;
    this.table = pixelTable(settings);
    this.tiles = tileRules(settings, overrides);
    this.patches = Math.floor(this.tiles.side / config.vision.patchSize);
    this.length = (this.patches / config.scaleFactor) ** 2;
    if (this.patches < 1 || this.patches % config.scaleFactor !== 0) {
      throw new UserError(
        `${settings.source}: max_image_size.longest_edge is ${this.tiles.side}, which is ${this.patches} patches of ` +
          `${config.vision.patchSize} pixels; ${configPath}'s scale_factor ${config.scaleFactor} must divide them.`,
      );
    }
    if (length.value !== this.length) {
      throw new UserError(
        `${length.source}: image_seq_len is ${JSON.stringify(length.value)}, a tile of ${this.tiles.side} pixels becomes ${this.length} ` +
          `tokens. The two must agree.`,
      );
    }
    const roles = rules.tokenizer.templateVariables;
    this.imageToken = rules.tokenizer.tokenOf(config.imageTokenId) ?? '';
    this.fakeToken = roles['fake_image_token'] ?? '<fake_token_around_image>';
    this.globalToken = roles['global_image_token'] ?? '<global-img>';
    if (this.imageToken === '') {
      throw new UserError(
        `${rules.tokenizer.source}: it has no token ${config.imageTokenId}, config.json's image_token_id. The two files are not of one ` +
          `model.`,
      );
    }
  }

  /**
   * Reads config.json, the tokenizer, the chat template and the image settings of a model folder.
   * @throws UserError that names the file which is missing or wrong; also for bounds on the image's area
   */
  static async load(platform: Platform, dir: string, overrides: PixelBounds = {}): Promise<SmolVLMProcessor> {
    const folder = await loadConversationFolder(platform, dir);
    if (overrides.minPixels !== undefined || overrides.maxPixels !== undefined) {
      throw new UserError(
        'min_pixels and max_pixels: a SmolVLM or Idefics3 model brings every image to one longer side, whatever its area; give ' +
          'longest_edge instead, or do_image_splitting false.',
      );
    }
    const source = joinPath(dir, 'processor_config.json');
    const value = (await readJsonFile(platform, source))?.['image_seq_len'] ?? DEFAULT_LENGTH;
    return new SmolVLMProcessor(folder, await loadImageSettings(platform, dir, DEFAULTS), { value, source }, overrides);
  }

  /**
   * One row. Every image part takes the next of `images` and becomes the tokens of its tiles: pixelValues are (tiles · patches²,
   * 3 · patch · patch), a tile after the other, the patches of a token side by side, with a grid [1, patches, patches] a tile.
   * @throws UserError when images and image parts do not match in number
   */
  encode(conversation: Conversation, images: DecodedImage[], options: EncodeOptions): Example {
    const { imageTokenId, vision, scaleFactor } = this.config;
    const { ids, isLabelled, weightOf } = this.textTokens(conversation, images, options);
    const tiles = images.flatMap((image) => tilesOf(image, this.tiles, this.settings.filter));
    const side = this.patches * vision.patchSize;
    const perTile = 3 * side ** 2;
    const pixelValues = new Float32Array(tiles.length * perTile);
    const layout = { patchSize: vision.patchSize, temporalPatchSize: 1, mergeSize: scaleFactor };
    return {
      inputIds: Int32Array.from(ids),
      labels: Int32Array.from(ids, (id, i) => (id !== imageTokenId && isLabelled(i, id) ? id : IGNORE_INDEX)),
      ...(weightOf && { weights: Float32Array.from(ids, (_, i) => weightOf(i)) }),
      positionIds: Int32Array.from(ids.keys()),
      pixelValues,
      imageGrids: tiles.map((tile, i) => {
        // What is less than a patch falls away, as a convolution without padding leaves it out.
        const whole = tile.width === side ? tile : cropped(tile, 0, 0, side);
        return patchify(whole, this.table, layout, pixelValues.subarray(i * perTile, (i + 1) * perTile));
      }),
    };
  }

  measure(conversation: Conversation, sizes: readonly Size[], options: EncodeOptions): RowMeasure {
    const { imageTokenId } = this.config;
    return measureOf(this.textTokens(conversation, sizes, options), { without: imageTokenId, grown: 0 });
  }

  /** Two newlines before the global view are at most two tokens. */
  imageTokens(height: number, width: number): number {
    const { rows, columns } = tiling({ height, width }, this.tiles);
    return rows * (columns * (this.length + 2) + 1) + (rows > 0 ? 1 : 0) + this.length + 3;
  }

  get reserved(): readonly string[] {
    return [this.imageToken];
  }

  private textTokens(conversation: Conversation, images: readonly Size[], options: EncodeOptions): ConversationTokens {
    checkImageCount(conversation, images.length);
    const expansion = { placeholder: this.imageToken, texts: images.map((image) => this.imageText(tiling(image, this.tiles))) };
    // The template goes through the parts of a content, and prints nothing of a string.
    const messages = conversation.messages.map((message) => ({ ...message, content: partsOf(message) }));
    const tokens = conversationTokens(this.rules, { ...conversation, messages }, options, expansion);
    if (tokens.places !== images.length) {
      throw new UserError(
        `${conversationName(conversation)}: the chat template made ${countOf(tokens.places, 'place')} (${this.imageToken}) for ` +
          `${countOf(images.length, 'image')}. ` +
          `A text may not contain ${this.imageToken} itself, and images belong into the user's turns.`,
      );
    }
    return tokens;
  }

  /** What an image becomes before the text is tokenised. */
  private imageText({ rows, columns }: Tiling): string {
    const soft = this.imageToken.repeat(this.length);
    const tile = (row: number, column: number): string => `${this.fakeToken}<row_${row + 1}_col_${column + 1}>${soft}`;
    const row = (_: unknown, at: number): string => `${Array.from({ length: columns }, (__, column) => tile(at, column)).join('')}\n`;
    const split = rows > 0 ? `${Array.from({ length: rows }, row).join('')}\n` : '';
    return `${split}${this.fakeToken}${this.globalToken}${soft}${this.fakeToken}`;
  }

  decode(ids: ArrayLike<number>, options: { skipSpecialTokens?: boolean } = {}): string {
    return this.tokenizer.decode(ids, options);
  }

  /**
   * The size of all tiles together. They are stretched to whole squares, so a pixel's width and height in mm change by different factors;
   * the global view shows the same in one tile and is not meant.
   */
  resizedSize(height: number, width: number): Size {
    return tiling({ height, width }, this.tiles).stretched;
  }
}

function partsOf({ content }: Message): Exclude<Message['content'], string> {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

/** @throws UserError for sizes that the image processor does not take either */
function tileRules({ raw, source, resize }: ImageSettings, { isSplit, longestEdge }: PixelBounds): TileRules {
  const edge = (value: unknown, key: string): number => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1) return value;
    throw new UserError(`${source}: ${key} is ${JSON.stringify(value)}; a number of pixels was expected.`);
  };
  const splitting = isSplit ?? raw['do_image_splitting'] ?? true;
  if (typeof splitting !== 'boolean')
    throw new UserError(`${source}: do_image_splitting is ${JSON.stringify(splitting)}; true or false was expected.`);
  const most = asObject(raw['max_image_size'] ?? { longest_edge: DEFAULT_SIDE });
  const side = edge(most?.['longest_edge'], 'max_image_size.longest_edge');
  if (longestEdge !== undefined && !resize)
    throw new UserError(`longest_edge ${longestEdge}: ${source} says do_resize false, images keep their size. Leave it out.`);
  const size = asObject(longestEdge === undefined ? (raw['size'] ?? { longest_edge: DEFAULT_EDGE }) : { longest_edge: longestEdge });
  const stated = size?.['longest_edge'] ?? undefined;
  const first =
    stated !== undefined
      ? { longestEdge: edge(stated, 'size.longest_edge') }
      : { height: edge(size?.['height'], 'size.height'), width: edge(size?.['width'], 'size.width') };
  return { first: resize ? first : undefined, isSplit: splitting, side };
}
