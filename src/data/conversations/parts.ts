/**
 * What a turn says, in every form that is met: a text, or a list of parts (TRL, transformers, OpenAI, Anthropic). Pictures that a part
 * names are kept beside it until the row's own are known (placement.ts).
 */
import { UserError } from '../../platform.ts';
import type { ImageSource } from '../example.ts';
import { imageSource } from './images.ts';
import { isEmpty, isObject, shown } from './shown.ts';
import type { JsonObject } from './shown.ts';

/** `image` absent: the row's `images` name it; `index` where the part says which of them. */
export type RowPart = { type: 'text'; text: string } | { type: 'image'; image?: ImageSource; index?: number; where: string };
export type RowContent = string | RowPart[];

const TEXT_TYPES: readonly unknown[] = ['text', 'input_text', 'output_text'];
const IMAGE_TYPES: readonly unknown[] = ['image', 'image_url', 'input_image'];
/** Where a part of these types has its picture. */
const IMAGE_KEYS = ['image', 'image_url', 'path', 'url', 'base64', 'bytes', 'data', 'source'] as const;
/** Qwen's sizes for one picture; sizes here are the run's. And marks that belong to a whole turn. */
const REFUSED = [
  'min_pixels',
  'max_pixels',
  'resized_height',
  'resized_width',
  'video',
  'audio',
  'input_audio',
  'video_url',
  'file',
  'train',
  'loss',
  'weight',
] as const;

/** @param where of the turn @throws UserError that begins with it */
export function contentOf(content: unknown, where: string): RowContent {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw new UserError(`${where}: "content" should be a text or a list of parts, ${shown(content)} found.`);
  return content.map((part: unknown, i) => partOf(part, `${where}.content[${i}]`));
}

/** Only what the model needs is kept of a part; the `datasets` library, for one, fills every part with nulls for the keys of the others. */
function partOf(part: unknown, where: string): RowPart {
  if (!isObject(part)) throw new UserError(`${where} should be {"type": "text", "text": …} or {"type": "image"}, ${shown(part)} found.`);
  for (const key of REFUSED) {
    if (!isEmpty(part[key]) && part['type'] !== key) {
      throw new UserError(`${where}: "${key}" cannot be honoured in a part (${shown(part[key])} found). Leave it out${adviceOf(key)}.`);
    }
  }
  const type = part['type'] ?? typeByKeys(part);
  if (TEXT_TYPES.includes(type)) {
    if (typeof part['text'] !== 'string') throw new UserError(`${where}: "text" should be a text, ${shown(part['text'])} found.`);
    const picture = IMAGE_KEYS.find((key) => !isEmpty(part[key]));
    if (picture !== undefined)
      throw new UserError(`${where}: a part of text with ${shown(picture)}. Give the picture a part of its own, {"type": "image"}.`);
    return { type: 'text', text: part['text'] };
  }
  if (!IMAGE_TYPES.includes(type)) throw new UserError(`${where}: the type ${shown(type)} is unknown; text and image are possible.`);
  if (!isEmpty(part['text']))
    throw new UserError(`${where}: a part of an image with "text". Give the text a part of its own, {"type": "text"}.`);
  const named = IMAGE_KEYS.filter((key) => !isEmpty(part[key]));
  if (named.length === 0) {
    const index = typeof part['index'] === 'bigint' ? Number(part['index']) : part['index'];
    return { type: 'image', ...(typeof index === 'number' && { index }), where };
  }
  const paths = named.map((key) => part[key]).filter((value) => typeof value === 'string');
  if (named.length === paths.length && paths.some((path) => path !== paths[0])) {
    throw new UserError(`${where}: one part names several images, ${shown(paths)}. Give each a part of its own.`);
  }
  // The keys of one picture (bytes and the path that they came from) are read together.
  const value = named.length === 1 && named[0] !== undefined ? part[named[0]] : part;
  return { type: 'image', image: imageSource(value, `${where}: the image`, 'in the row'), where };
}

/** Qwen's own examples leave the type out. */
function typeByKeys(part: JsonObject): unknown {
  if (typeof part['text'] === 'string') return 'text';
  return !isEmpty(part['image']) || !isEmpty(part['image_url']) ? 'image' : undefined;
}

function adviceOf(key: string): string {
  if (key.includes('pixels') || key.includes('resized')) return '; --min_pixels and --max_pixels hold for all pictures';
  return ['train', 'loss', 'weight'].includes(key) ? ' and put it beside the "role" of the turn' : '';
}
