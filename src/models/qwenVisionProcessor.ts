/**
 * The Processor of Qwen's vision-language models: conversation and decoded images in, token ids, labels, M-RoPE positions and patches out.
 * It follows transformers' processors of Qwen2.5-VL and Qwen3-VL with their PIL image processor; ids, positions and patches are checked
 * against them on every golden case.
 */
import { checkImageCount, conversationName, conversationTokens, measureOf } from '../data/conversationTokens.ts';
import type { ConversationFolder, ConversationRules, ConversationTokens } from '../data/conversationTokens.ts';
import { IGNORE_INDEX } from '../data/example.ts';
import type { Conversation, EncodeOptions, Example, Processor, RowMeasure } from '../data/example.ts';
import { patchify, pixelTable, smartResize } from '../data/image.ts';
import type { ImageSettings, PatchLayout, PixelBounds } from '../data/image.ts';
import { asObject } from '../data/jsonFile.ts';
import { resizeImage } from '../data/resize.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { countOf, UserError } from '../platform.ts';
import type { DecodedImage } from '../platform.ts';
import type { PixelBounds as PixelOverrides } from './model.ts';
import { imageTokens, mropePositions } from './qwenPositions.ts';

/** Bounds of Qwen2VLImageProcessor on a picture's area, where the model folder states none. */
export const DEFAULT_MIN_PIXELS = 56 * 56;
export const DEFAULT_MAX_PIXELS = 28 * 28 * 1280;

/** What a family's configuration says of its pictures. */
export interface QwenVisionFields {
  imageTokenId: number;
  videoTokenId: number;
  vision: { patchSize: number; temporalPatchSize: number; spatialMergeSize: number };
}

export class QwenVisionProcessor implements Processor {
  readonly tokenizer: Tokenizer;
  readonly endOfTurnIds: readonly number[];
  readonly padId: number;
  private readonly config: QwenVisionFields;
  private readonly rules: ConversationRules;
  private readonly settings: ImageSettings;
  private readonly layout: PatchLayout;
  private readonly bounds: PixelBounds;
  private readonly table: Float32Array;

  constructor(
    config: QwenVisionFields,
    { rules, endOfTurnIds }: Pick<ConversationFolder, 'rules' | 'endOfTurnIds'>,
    settings: ImageSettings,
    overrides: PixelOverrides = {},
  ) {
    this.config = config;
    this.rules = rules;
    this.tokenizer = rules.tokenizer;
    this.padId = rules.padId;
    this.endOfTurnIds = endOfTurnIds;
    this.settings = settings;
    this.layout = patchLayout(settings, config);
    this.bounds = pixelBounds(settings, this.layout, overrides);
    this.table = pixelTable(settings);
    if (this.tokenizer.tokenOf(config.imageTokenId) === undefined) {
      throw new UserError(
        `${this.tokenizer.source}: it has no token ${config.imageTokenId}, config.json's image_token_id. The two files are not of one ` +
          `model.`,
      );
    }
  }

  /**
   * One row. Every image part takes the next of `images`; its placeholder is repeated once for each of its merged patches.
   * @throws UserError when images and image parts do not match in number, or an image is too elongated
   */
  encode(conversation: Conversation, images: DecodedImage[], options: EncodeOptions): Example {
    const { ids, isLabelled, weightOf } = this.textTokens(conversation, images.length, options);
    const { imageTokenId } = this.config;
    const { pixelValues, imageGrids } = this.encodeImages(images);
    const copies = imageGrids.map((grid) => imageTokens(grid, this.layout.mergeSize));
    const length = ids.length - images.length + copies.reduce((sum, count) => sum + count, 0);
    const inputIds = new Int32Array(length);
    const labels = new Int32Array(length).fill(IGNORE_INDEX);
    const weights = weightOf && new Float32Array(length).fill(1);
    let at = 0;
    let image = 0;
    ids.forEach((id, i) => {
      const count = id === imageTokenId ? (copies[image++] ?? 0) : 1;
      inputIds.fill(id, at, at + count);
      if (id !== imageTokenId && isLabelled(i, id)) labels[at] = id;
      if (weights && weightOf) weights[at] = weightOf(i);
      at += count;
    });
    const { positionIds } = mropePositions(inputIds, imageTokenId, imageGrids, this.layout.mergeSize);
    return { inputIds, labels, ...(weights && { weights }), positionIds, pixelValues, imageGrids };
  }

  measure(conversation: Conversation, sizes: readonly { height: number; width: number }[], options: EncodeOptions): RowMeasure {
    const tokens = this.textTokens(conversation, sizes.length, options);
    const grown = sizes.reduce((sum, { height, width }) => sum + this.imageTokens(height, width) - 1, 0);
    return measureOf(tokens, { without: this.config.imageTokenId, grown });
  }

  imageTokens(height: number, width: number): number {
    const size = this.checkedSize(height, width);
    return (size.height * size.width) / this.bounds.factor ** 2;
  }

  get reserved(): readonly string[] {
    const { imageTokenId, videoTokenId } = this.config;
    return [imageTokenId, videoTokenId].flatMap((id) => this.tokenizer.tokenOf(id) ?? []);
  }

  /** Every image is one placeholder yet. */
  private textTokens(conversation: Conversation, images: number, options: EncodeOptions): ConversationTokens {
    checkImageCount(conversation, images);
    const tokens = conversationTokens(this.rules, conversation, options);
    const { imageTokenId, videoTokenId } = this.config;
    if (tokens.ids.includes(videoTokenId)) {
      throw new UserError(
        `${conversationName(conversation)}: its text has ${this.tokenizer.tokenOf(videoTokenId) ?? ''}, the place of a video, and videos ` +
          'are not read. Give single frames as images, or take the word out.',
      );
    }
    const placeholders = tokens.ids.filter((id) => id === imageTokenId).length;
    if (placeholders === images) return tokens;
    const token = this.tokenizer.tokenOf(imageTokenId) ?? '';
    throw new UserError(
      `${conversationName(conversation)}: the chat template made ${countOf(placeholders, 'place')} (${token}) for ` +
        `${countOf(images, 'image')}. ` +
        `A text may not contain ${token} itself, and images belong into the user's turns.`,
    );
  }

  decode(ids: ArrayLike<number>, options: { skipSpecialTokens?: boolean } = {}): string {
    return this.tokenizer.decode(ids, options);
  }

  resizedSize(height: number, width: number): { height: number; width: number } {
    return this.settings.resize ? smartResize(height, width, this.bounds) : { height, width };
  }

  private checkedSize(height: number, width: number): { height: number; width: number } {
    const size = this.resizedSize(height, width);
    const { factor } = this.bounds;
    if (size.height % factor === 0 && size.width % factor === 0) return size;
    throw new UserError(
      `Image of ${size.width}×${size.height} pixels: ${this.settings.source} says do_resize false, so both sides must be multiples of ` +
        `${factor}.`,
    );
  }

  /** Patches of all images, one after the other: (patches, 3 · temporal · patch · patch). */
  private encodeImages(images: readonly DecodedImage[]): Pick<Example, 'pixelValues' | 'imageGrids'> {
    const { temporalPatchSize } = this.layout;
    const sizes = images.map(({ height, width }) => this.checkedSize(height, width));
    // A patch repeats its pixels for every frame of its depth.
    const counts = sizes.map(({ height, width }) => 3 * height * width * temporalPatchSize);
    const pixelValues = new Float32Array(counts.reduce((sum, count) => sum + count, 0));
    let at = 0;
    const imageGrids = images.map((image, i) => {
      const { height, width } = sizes[i] ?? image;
      const out = pixelValues.subarray(at, (at += counts[i] ?? 0));
      return patchify(resizeImage(image, width, height, this.settings.filter), this.table, this.layout, out);
    });
    return { pixelValues, imageGrids };
  }
}

/** The image processor's sizes must be the tower's: a patch of other size would not fit its first layer. */
function patchLayout(settings: ImageSettings, config: QwenVisionFields): PatchLayout {
  const { vision } = config;
  const agreed = (key: string, ofModel: number): number => {
    const value = settings.raw[key] ?? ofModel;
    if (value !== ofModel)
      throw new UserError(
        `${settings.source}: ${key} is ${JSON.stringify(value)}, config.json's vision_config has ${ofModel}. The two must agree.`,
      );
    return ofModel;
  };
  return {
    patchSize: agreed('patch_size', vision.patchSize),
    temporalPatchSize: agreed('temporal_patch_size', vision.temporalPatchSize),
    mergeSize: agreed('merge_size', vision.spatialMergeSize),
  };
}

/**
 * `min_pixels` / `max_pixels` at the top win over `size.shortest_edge` / `size.longest_edge`, which since transformers 4.5x mean areas too.
 */
function pixelBounds(settings: ImageSettings, layout: PatchLayout, overrides: PixelOverrides): PixelBounds {
  const { raw, source } = settings;
  const size = asObject(raw['size']) ?? {};
  const stated = (override: number | undefined, key: string, edge: string, fallback: number): number => {
    const value = override ?? raw[key] ?? size[edge] ?? size[key] ?? fallback;
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 1) {
      throw new UserError(
        `${override === undefined ? source : 'Image size'}: ${key} is ${JSON.stringify(value)}; a positive number of pixels was expected.`,
      );
    }
    return value;
  };
  const minPixels = stated(overrides.minPixels, 'min_pixels', 'shortest_edge', DEFAULT_MIN_PIXELS);
  const maxPixels = stated(overrides.maxPixels, 'max_pixels', 'longest_edge', DEFAULT_MAX_PIXELS);
  if (minPixels > maxPixels)
    throw new UserError(`Image size: min_pixels (${minPixels}) is larger than max_pixels (${maxPixels}). Lower one or raise the other.`);
  return { factor: layout.patchSize * layout.mergeSize, minPixels, maxPixels };
}
