/**
 * Tokenizers and processors of transformers.js in the place of a model folder's files. They keep what those files hold, so that ours are
 * made of it, which encode without waiting, make labels, and go on where transformers.js would differ from Python.
 */
import type { Processor } from '../data/example.ts';
import { Tokenizer } from '../data/tokenizer.ts';
import { loadProcessor } from '../models/processor.ts';
import { fileInMemory, joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';

/** As `PreTrainedTokenizer` of `@huggingface/transformers` 4. */
export interface TransformersTokenizer {
  readonly _tokenizerJSON?: unknown;
  readonly _tokenizerConfig?: unknown;
  /** A text, or several by name. */
  readonly chat_template?: unknown;
}

/** As `Processor` of `@huggingface/transformers` 4. */
export interface TransformersProcessor {
  readonly config?: unknown;
  readonly tokenizer?: TransformersTokenizer | undefined;
  readonly image_processor?: { readonly config?: unknown } | undefined;
  readonly chat_template?: unknown;
}

type Given = TransformersTokenizer | TransformersProcessor;

/** Our tokenizer of one of transformers.js. @throws UserError where it holds no tokenizer.json */
export function tokenizerOf(tokenizer: TransformersTokenizer): Tokenizer {
  const { json, config } = filesOfTokenizer(tokenizer);
  return new Tokenizer(json, config, SOURCE);
}

/**
 * Our processor of one of transformers.js.
 * @param base folder of the base model: its config.json is read
 * @throws UserError where something is missing, or of another model
 */
export function processorOf(platform: Platform, base: string, processor: TransformersProcessor): Promise<Processor> {
  return loadProcessor(withTransformers(platform, base, processor), base);
}

/**
 * A platform for `fineTune` and `loadModel` on which the base's folder has the tokenizer or processor that is given instead of its own.
 * @param base as it is given to them: a folder
 */
export function withTransformers(platform: Platform, base: string, given: Given): Platform {
  const texts = filesOf(given);
  const files = new Map([...texts].map(([name, text]) => [joinPath(platform.absolutePath(base), name), new TextEncoder().encode(text)]));
  // What a folder says of its own is not mixed with what is given.
  const own = [...TOKENIZER_FILES, ...(texts.has(TEMPLATE) ? TEMPLATE_FILES : []), ...(texts.has(IMAGES) ? IMAGE_FILES : [])];
  const hidden = new Set(own.map((name) => joinPath(platform.absolutePath(base), name)));
  const found = (path: string): Uint8Array | undefined => files.get(platform.absolutePath(path));
  const missing = (path: string): boolean => found(path) === undefined && hidden.has(platform.absolutePath(path));
  return {
    ...platform,
    exists: async (path) => found(path) !== undefined || (!missing(path) && (await platform.exists(path))),
    isDirectory: async (path) => found(path) === undefined && !missing(path) && (await platform.isDirectory(path)),
    readFile: async (path) => found(path) ?? platform.readFile(path),
    async openFile(path) {
      const bytes = found(path);
      return bytes === undefined ? platform.openFile(path) : fileInMemory(path, bytes);
    },
    async listDir(path) {
      const names = await platform.listDir(path);
      if (platform.absolutePath(path) !== platform.absolutePath(base)) return names;
      return [...new Set([...names.filter((name) => !missing(joinPath(path, name))), ...texts.keys()])].sort();
    },
  };
}

const SOURCE = "transformers.js' tokenizer.json";
const TEMPLATE = 'chat_template.jinja';
const IMAGES = 'preprocessor_config.json';
const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json', 'added_tokens.json'];
const TEMPLATE_FILES = [TEMPLATE, 'chat_template.json'];
const IMAGE_FILES = [IMAGES, 'processor_config.json'];

function isProcessor(given: Given): given is TransformersProcessor {
  return 'tokenizer' in given || 'image_processor' in given;
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function filesOfTokenizer({ _tokenizerJSON: json, _tokenizerConfig: config }: TransformersTokenizer): { json: Json; config: Json } {
  if (isObject(json) && isObject(config)) return { json, config };
  throw new UserError(
    'The tokenizer of transformers.js does not hold its tokenizer.json (_tokenizerJSON, _tokenizerConfig), as those of version 4 do. ' +
      'Use @huggingface/transformers 4, or the folder of the model.',
  );
}

function filesOf(given: Given): Map<string, string> {
  const tokenizer = isProcessor(given) ? given.tokenizer : given;
  if (tokenizer === undefined) throw new UserError('The processor of transformers.js has no tokenizer; load it with AutoProcessor.');
  const { json, config } = filesOfTokenizer(tokenizer);
  const template = given.chat_template ?? tokenizer.chat_template;
  const { chat_template: _, ...plain } = config;
  const files = new Map([
    ['tokenizer.json', JSON.stringify(json)],
    ['tokenizer_config.json', JSON.stringify(typeof template === 'string' ? plain : config)],
  ]);
  if (typeof template === 'string') files.set(TEMPLATE, template);
  if (!isProcessor(given) || !given.image_processor) return files;
  const { config: images } = given.image_processor;
  if (!isObject(images)) throw new UserError('The image processor of transformers.js does not hold its preprocessor_config.json (config).');
  files.set(IMAGES, JSON.stringify(images));
  if (isObject(given.config) && Object.keys(given.config).length > 0) files.set('processor_config.json', JSON.stringify(given.config));
  return files;
}
