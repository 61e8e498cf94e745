/**
 * A body of POST /v1/chat/completions, as OpenAI's clients send it, to a conversation. Strangers write it: everything is looked at, what
 * cannot be done is refused by name, and pictures are bytes in the request itself (`data:` URLs), never a path or an address.
 */
import { imageSource } from '../../data/conversations/images.ts';
import type { ContentPart, Message } from '../../data/example.ts';
import { asObject } from '../../data/jsonFile.ts';
import { kindTask } from '../../data/medvision/askedTask.ts';
import { shownJson } from '../../io/parseJson.ts';
import { SLICE } from '../../options/ask.ts';
import { UserError } from '../../platform.ts';
import type { GivenPicture } from './pictures.ts';
import { isVolumeBytes } from './volumeBytes.ts';

/** What a client is told, in the shape of OpenAI's errors. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
  /** Seconds after which it may be tried again. */
  readonly retryAfter: number | undefined;

  constructor(
    status: number,
    message: string,
    {
      type = 'invalid_request_error',
      code = null,
      param = null,
      retryAfter,
    }: {
      type?: string;
      code?: string | null;
      param?: string | null;
      retryAfter?: number;
    } = {},
  ) {
    super(message);
    this.status = status;
    this.type = type;
    this.code = code;
    this.param = param;
    this.retryAfter = retryAfter;
  }

  get body(): { error: { message: string; type: string; param: string | null; code: string | null } } {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } };
  }
}

/** A MedVision question in place of one's own words: the request's `vernier.task`. */
export interface ChatTask {
  task: string;
  of: string;
  imageDescription: string;
  /** mm; NaN where it is not said. */
  pixelWidth: number;
  pixelHeight: number;
}

export interface ChatRequest {
  messages: Message[];
  /** Volumes among them. */
  images: GivenPicture[];
  /** Of the volumes, in their order, or one for all. */
  slices: string[];
  /** CT, MRI, …: with --intensity window, what kind of volume is sent. */
  modality: string;
  maxNewTokens: number;
  isStream: boolean;
  includesUsage: boolean;
  wantsOverlay: boolean;
  task?: ChatTask;
}

export interface ChatLimits {
  /** The model's name, as /v1/models tells it. */
  model: string;
  maxNewTokens: number;
}

const MAX_MESSAGES = 256;
const MAX_PARTS = 256;
const MAX_IMAGES = 32;

const ROLES: Readonly<Record<string, Message['role']>> = { system: 'system', developer: 'system', user: 'user', assistant: 'assistant' };

/**
 * Keys that would change the answer, with the values that leave it as it is. Greedy decoding knows no chance, so what steers that is
 * taken and does nothing.
 */
const REFUSED: readonly [string, (value: unknown) => boolean, string][] = [
  ['n', (value) => value === 1, 'one answer is given (n: 1)'],
  ['stop', (value) => Array.isArray(value) && value.length === 0, 'an answer ends where the model ends it, or at max_tokens'],
  ['tools', (value) => Array.isArray(value) && value.length === 0, 'tools are not called'],
  ['functions', (value) => Array.isArray(value) && value.length === 0, 'functions are not called'],
  ['logprobs', (value) => value === false, 'no probabilities are told'],
  ['audio', () => false, 'answers are texts'],
  ['modalities', (value) => Array.isArray(value) && value.every((one) => one === 'text'), 'answers are texts'],
  ['response_format', (value) => asObject(value)?.['type'] === 'text', 'answers are texts as the model writes them (type: "text")'],
];

/** @param value the body as JSON @throws RequestError */
export function readChatRequest(value: unknown, limits: ChatLimits): ChatRequest {
  const body = asObject(value);
  if (body === undefined) throw new RequestError(400, `The body should be a JSON object; ${shownJson(value, 60)} found.`);
  const { model } = body;
  if (typeof model !== 'string') throw wrong('model', 'the name of the model', model);
  if (model !== limits.model) {
    const message = `The model ${shownJson(model, 100)} is not served here; ${JSON.stringify(limits.model)} is (GET /v1/models).`;
    throw new RequestError(404, message, { code: 'model_not_found', param: 'model' });
  }
  for (const [key, isHarmless, why] of REFUSED) {
    const given = body[key];
    if (given !== undefined && given !== null && !isHarmless(given))
      throw new RequestError(400, `${key}: ${why}. Leave it out.`, { code: 'unsupported_parameter', param: key });
  }
  const stream = flag(body['stream'], 'stream');
  const streamOptions = body['stream_options'] ?? undefined;
  if (streamOptions !== undefined && asObject(streamOptions) === undefined) throw wrong('stream_options', 'an object', streamOptions);
  const extras = body['vernier'] ?? undefined;
  const own = asObject(extras);
  if (extras !== undefined && own === undefined) throw wrong('vernier', 'an object', extras);
  const task = own && readTask(own);
  const { messages, images } = readMessages(body['messages'], task !== undefined);
  return {
    messages,
    images,
    slices: own === undefined ? [] : readSlices(own['slices'] ?? own['slice'] ?? []),
    modality: own === undefined ? '' : text(own, 'modality'),
    maxNewTokens: Math.min(
      limits.maxNewTokens,
      count(body['max_completion_tokens'], 'max_completion_tokens') ?? count(body['max_tokens'], 'max_tokens') ?? Infinity,
    ),
    isStream: stream,
    includesUsage: flag(asObject(streamOptions)?.['include_usage'], 'stream_options.include_usage'),
    wantsOverlay: flag(own?.['overlay'], 'vernier.overlay'),
    ...(task && { task }),
  };
}

function readMessages(value: unknown, isTask: boolean): Pick<ChatRequest, 'messages' | 'images'> {
  if (!Array.isArray(value) || value.length === 0) throw wrong('messages', 'a list of at least one message', value);
  if (value.length > MAX_MESSAGES)
    throw new RequestError(400, `messages: ${value.length}; at most ${MAX_MESSAGES} are read.`, { param: 'messages' });
  const images: GivenPicture[] = [];
  const messages = value.map((one: unknown, i): Message => {
    const where = `messages[${i}]`;
    const message = asObject(one);
    if (message === undefined) throw wrong(where, 'an object with role and content', one);
    const role = typeof message['role'] === 'string' && Object.hasOwn(ROLES, message['role']) ? ROLES[message['role']] : undefined;
    if (role === undefined) throw wrong(`${where}.role`, 'system, developer, user or assistant', message['role']);
    if (Array.isArray(message['tool_calls']) && message['tool_calls'].length > 0)
      throw new RequestError(400, `${where}.tool_calls: tools are not called.`, { param: `${where}.tool_calls` });
    return { role, content: readContent(message['content'], role, `${where}.content`, images) };
  });
  if (messages.at(-1)?.role !== 'user')
    throw new RequestError(400, "messages: the last one should be the user's, to be answered.", { param: 'messages' });
  if (isTask && (messages.length !== 1 || images.length !== 1))
    throw new RequestError(
      400,
      `With vernier.task, messages are one message of the user with one picture; ${messages.length} and ${images.length} found.`,
      { param: 'messages' },
    );
  return { messages, images };
}

function readContent(value: unknown, role: Message['role'], where: string, images: GivenPicture[]): Message['content'] {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value) || value.length === 0) throw wrong(where, 'a text or a list of parts', value);
  if (value.length > MAX_PARTS)
    throw new RequestError(400, `${where}: ${value.length} parts; at most ${MAX_PARTS} are read.`, { param: where });
  const parts = value.map((one: unknown, i): ContentPart => {
    const at = `${where}[${i}]`;
    const part = asObject(one);
    const type = part?.['type'];
    if (part !== undefined && type === 'text') {
      if (typeof part['text'] !== 'string') throw wrong(`${at}.text`, 'a text', part['text']);
      return { type, text: part['text'] };
    }
    if (part === undefined || type !== 'image_url') throw wrong(`${at}.type`, 'text or image_url', type);
    if (role !== 'user')
      throw new RequestError(400, `${at}: pictures are the user's; none is read in a message of the ${role}.`, { param: at });
    if (images.length === MAX_IMAGES)
      throw new RequestError(400, `${at}: at most ${MAX_IMAGES} pictures are read in a request.`, { param: at });
    images.push(pictureOf(part['image_url'], `${at}.image_url`, `picture ${images.length + 1}`));
    return { type: 'image' };
  });
  // Templates that know no parts get a text.
  return parts.every((part) => part.type === 'text') ? parts.map((part) => part.text).join('\n') : parts;
}

/** A picture's, or a volume's, for whose kind nobody agreed on a name: what it is, its first bytes say. */
const DATA_TYPE = String.raw`image\/[a-z0-9.+-]{1,64}|application\/(?:(?:x-)?nifti|(?:x-)?gzip|octet-stream)`;
const DATA_URL = new RegExp(String.raw`^data:(?:${DATA_TYPE})(?:;[a-z0-9-]+=[a-z0-9.-]+){0,4};base64,`, 'i');

function pictureOf(value: unknown, where: string, name: string): GivenPicture {
  const url = typeof value === 'string' ? value : asObject(value)?.['url'];
  if (typeof url !== 'string') throw wrong(`${where}.url`, 'a data: URL', url);
  const [start] = DATA_URL.exec(url.slice(0, 512)) ?? [];
  if (start === undefined)
    throw new RequestError(
      400,
      `${where}.url: a picture comes in the request itself, as data:image/png;base64,…; nothing is fetched and no file is read. ` +
        `${shownJson(url, 60)} found.`,
      { code: 'invalid_image_url', param: `${where}.url` },
    );
  try {
    const source = imageSource({ type: 'base64', data: url.slice(start.length) }, where, name);
    return typeof source !== 'string' && isVolumeBytes(source.bytes) ? { volume: source.bytes, name } : source;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new RequestError(400, error.message, { code: 'invalid_base64', param: `${where}.url` });
  }
}

function readTask(own: Readonly<Record<string, unknown>>): ChatTask | undefined {
  const task = own['task'] ?? undefined;
  if (task === undefined) return undefined;
  if (typeof task !== 'string') throw wrong('vernier.task', 'Detection, TL, Distance or Angle', task);
  const of = text(own, 'of');
  const size = own['pixel_size'] ?? undefined;
  const sizes: unknown[] = size === undefined ? [] : Array.isArray(size) ? size : [size];
  const isNumber = (one: unknown): one is number => typeof one === 'number' && one > 0 && one < 1e6;
  if (sizes.length > 2 || !sizes.every(isNumber)) throw wrong('vernier.pixel_size', 'mm above 0, one number or width and height,', size);
  const [pixelWidth = NaN, pixelHeight = pixelWidth] = sizes;
  try {
    kindTask(task, 'vernier.task').check(of, 'vernier.of');
  } catch (error) {
    throw error instanceof UserError ? new RequestError(400, error.message, { param: 'vernier.task' }) : error;
  }
  return { task, of, imageDescription: text(own, 'image_description'), pixelWidth, pixelHeight };
}

function readSlices(value: unknown): string[] {
  const slices: unknown[] = Array.isArray(value) ? value : [value];
  const isSlice = (one: unknown): one is string => typeof one === 'string' && SLICE.test(one);
  if (slices.length > MAX_IMAGES || !slices.every(isSlice))
    throw wrong('vernier.slices', 'sagittal:N, coronal:N or axial:N, N from 0,', value);
  return slices;
}

function text(own: Readonly<Record<string, unknown>>, key: string): string {
  const found = own[key] ?? '';
  if (typeof found !== 'string' || found.length > 1000) throw wrong(`vernier.${key}`, 'a text of at most 1000 characters', found);
  return found;
}

function flag(value: unknown, key: string): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== 'boolean') throw wrong(key, 'true or false', value);
  return value;
}

function count(value: unknown, key: string): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1) throw wrong(key, 'a whole number from 1', value);
  return value;
}

function wrong(param: string, expected: string, found: unknown): RequestError {
  return new RequestError(400, `${param} should be ${expected}; ${shownJson(found, 60)} found.`, { code: 'invalid_value', param });
}
