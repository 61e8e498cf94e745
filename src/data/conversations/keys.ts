/**
 * The keys of a row: those that say something we cannot do, and those that look like a slip of one that matters. A row with such a key and
 * something under it is refused by name: to go on without it would train on other data than its author meant. All other keys are ignored
 * (sources, licences, scores).
 */
import { editDistance } from '../../io/editDistance.ts';
import { ownValue } from '../../io/ownValue.ts';
import { UserError } from '../../platform.ts';
import { looksLikeImage } from './images.ts';
import { isEmpty, isObject, shown } from './shown.ts';
import type { JsonObject } from './shown.ts';

/** Keys that cannot be honoured, and what to do about it. */
const REFUSED: Readonly<Record<string, string>> = {
  ...reasons('Only pictures can be trained on; leave the row out, or give pictures of it in "images".', [
    'videos',
    'video',
    'video_path',
    'video_paths',
    'video_url',
    'audios',
    'audio',
    'audio_path',
    'audio_paths',
    'audio_url',
    'speech',
  ]),
  ...reasons('Calls of tools are not trained; leave the row out.', ['tools', 'functions', 'function_call', 'tool_calls']),
  ...reasons('Documents for the template are not rendered; put their text into a turn.', ['documents']),
  ...reasons('Templates get no arguments of a row; leave it out.', ['chat_template_kwargs', 'chat_template']),
  ...reasons('Rows of preferences are not trained; give the wanted answer as an assistant turn, and leave the rejected one out.', [
    'chosen',
    'rejected',
    'rejected_response',
    'rejected_messages',
    'rejected_images',
    'chosen_messages',
    'kto_tag',
  ]),
  ...reasons('An answer is learnt or not: "train": false beside its "role" takes it out. A whole row is taken out by leaving it out.', [
    'loss_scale',
    'loss_weight',
    'sample_weight',
    'weights',
    'train_detail',
    'loss_mask',
    'completion_mask',
    'assistant_mask',
    'assistant_masks',
  ]),
  ...reasons("One picture's size is not set by its row; --min_pixels and --max_pixels hold for all.", [
    'min_pixels',
    'max_pixels',
    'resized_height',
    'resized_width',
  ]),
};

function reasons(why: string, keys: readonly string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, why]));
}

/** Other names of pictures and turns that data sets use; what they hold is not certain enough to be taken. */
const IMAGE_KEY = /^(?:input_?)?(?:im(?:age)?|img|picture|photo|pic|pil_?image)s?[_-]?\d*$/i;
/** Where there are pictures already, these say where those came from. */
const IMAGE_PLACE_KEY = /^(?:input_?)?(?:im(?:age)?|img|picture|photo|pic)s?[_-]?(?:path|file|url|uri|bytes|base64|b64)s?[_-]?\d*$/i;
const TURNS_KEY = /^(?:message|msg|msgs|conversation|conv|convs|dialog|dialogs|dialogue|dialogues|chat|chats|turns)$/i;

/** Says of a whole row that it is not to be learnt. */
const LEARNT_KEY = /^(?:is_?)?(?:train(?:able|ing)?|learn(?:t|ed|able)?|loss)$/i;
/** Other names of the system prompt. */
const SYSTEM_KEY = /^(?:sys|system)[\s_-]?(?:prompt|message|msg|text|instruction)s?$/i;

/** What a slip is measured against; with the keys of a dialect. */
const COMMON = ['images', 'image', 'system', 'videos', 'audios', 'tools', 'messages', 'conversations', 'history'];

const KNOWN = new Set([
  'id',
  'task',
  'measure',
  'images',
  'image',
  'system',
  'system_prompt',
  'source',
  'label',
  'labels',
  'weight',
  'train',
  'mask',
]);

/** What an unknown key could have meant, by key; rows of a file have the same ones. */
const slips = new Map<string, string | undefined>();

/**
 * @param ownKeys of the dialect, which reads them itself
 * @param hasImages whether the row has pictures that are placed
 * @throws UserError that begins with the place and names the key
 */
export function checkKeys(
  row: JsonObject,
  { ownKeys, hasImages }: { ownKeys: readonly string[]; hasImages: boolean },
  where: string,
): void {
  for (const [key, value] of Object.entries(row)) {
    if (ownKeys.includes(key) || key === 'images' || key === 'image') continue;
    if (isEmpty(value)) continue;
    const refused = ownValue(REFUSED, key) ?? ownValue(REFUSED, key.toLowerCase());
    if (refused !== undefined) throw new UserError(`${where}: "${key}" cannot be honoured (${shown(value)} found). ${refused}`);
    if (key === 'history')
      throw new UserError(`${where}: "history" goes with "instruction" or "query" only. Put its turns before the others.`);
    if (LEARNT_KEY.test(key) && [false, 0, 0n].some((no) => no === value)) {
      throw new UserError(`${where}: "${key}" is ${shown(value)} for the whole row. Leave the row out.`);
    }
    if (key === 'objects') checkObjects(value, where);
    if (KNOWN.has(key)) checkMark(key, value, where);
    else checkSlip(key, value, { ownKeys, hasImages }, where);
  }
  const lost = hasImages
    ? undefined
    : Object.keys(row).find((key) => !ownKeys.includes(key) && key !== 'images' && key !== 'image' && looksLikeImage(row[key]));
  if (lost !== undefined)
    throw new UserError(`${where}: "${lost}" holds a picture and is not read; pictures are named in "images" or "image". Rename it.`);
}

/** Keys that mean something to us in some rows and nothing in others. */
function checkMark(key: string, value: unknown, where: string): void {
  const number = typeof value === 'bigint' ? Number(value) : value;
  const isOne = number === true || number === 1;
  if (key === 'label' && typeof value === 'boolean') {
    throw new UserError(
      `${where}: "label" is ${value}, as in rows of preferences, which are not trained. Leave bad answers out, and the key.`,
    );
  }
  if (key === 'weight' && !isOne) {
    throw new UserError(
      `${where}: "weight" is ${shown(value)}; rows have no weights. Leave a row out, or name the key otherwise where it means something ` +
        `else.`,
    );
  }
  if (key === 'mask' && typeof value === 'string' && !/^(?:user|human)$/i.test(value)) {
    throw new UserError(
      `${where}: "mask" is ${shown(value)}; what the user says is never learnt, and all answers are. "train": false takes one out.`,
    );
  }
}

/** ms-swift's `objects`, whose boxes it writes into the texts in place of marks. */
function checkObjects(value: unknown, where: string): void {
  if (!isObject(value) || (isEmpty(value['bbox']) && isEmpty(value['ref']))) return;
  throw new UserError(
    `${where}: "objects" (${shown(value)}) is not put into the texts. Write names and numbers where <ref-object> and <bbox> stand.`,
  );
}

function checkSlip(
  key: string,
  value: unknown,
  { ownKeys, hasImages }: { ownKeys: readonly string[]; hasImages: boolean },
  where: string,
): void {
  if (typeof value !== 'string' && typeof value !== 'object') return;
  if (IMAGE_KEY.test(key) || (!hasImages && IMAGE_PLACE_KEY.test(key))) {
    throw new UserError(`${where}: "${key}" is not read (${shown(value)} found); pictures are named in "images" or "image". Rename it.`);
  }
  if (SYSTEM_KEY.test(key) && typeof value === 'string')
    throw new UserError(`${where}: "${key}" is not read (${shown(value)} found). Is "system" meant? Rename it.`);
  if (TURNS_KEY.test(key) && typeof value === 'object')
    throw new UserError(`${where}: "${key}" is not read; turns are in "messages" or "conversations". Rename it.`);
  const cacheKey = `${key}\n${ownKeys.join()}`;
  if (!slips.has(cacheKey)) slips.set(cacheKey, slipOf(key, [...ownKeys, ...COMMON]));
  const meant = slips.get(cacheKey);
  if (meant !== undefined) throw new UserError(`${where}: "${key}" is not read (${shown(value)} found). Is "${meant}" meant? Rename it.`);
}

/** A key that differs in case, in `-`, `_` or blanks, or by one letter. */
function slipOf(key: string, names: readonly string[]): string | undefined {
  const plain = (name: string): string => name.toLowerCase().replaceAll(/[\s_-]/g, '');
  const others = names.filter((name) => name !== key);
  return (
    others.find((name) => plain(name) === plain(key)) ??
    others.find((name) => name.length >= 5 && editDistance(plain(name), plain(key)) <= 1)
  );
}
