/**
 * A Hugging Face tokenizer folder (`tokenizer.json` with `tokenizer_config.json`) as transformers' AutoTokenizer reads it. The algorithm is
 * that of `@huggingface/tokenizers`; here the two files are merged as Python does (added tokens and special roles that only the
 * configuration names, `add_bos_token`), and ids outside the vocabulary, which an untrained model generates, decode to nothing instead of
 * failing.
 */
import { ByteFallbackDecoder, SequenceDecoder, Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { shownJson } from '../io/parseJson.ts';
import { canInterrupt, EndlessFile, mayExplode, timeFor, withinTime } from '../io/timeLimit.ts';
import { errorText, joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { AddedTokens } from './addedTokens.ts';
import type { AddedToken } from './addedTokens.ts';
import { asObject, readJsonFile } from './jsonFile.ts';

type Json = Readonly<Record<string, unknown>>;

/** Roles under which a configuration names special tokens; the chat template sees them by these names. */
const ROLES = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'] as const;

/** For what is not as long as a text. */
const SHORT_MS = timeFor(0);

/** Opened by `Tokenizer.load`. Ids are those of transformers' AutoTokenizer. */
export class Tokenizer {
  /** Role → token: `bos_token`, `eos_token`, … as far as the configuration names them. */
  readonly roles: Readonly<Record<string, string>>;
  /** What a chat template is given of the tokenizer: the roles, and the tokens of a model's own roles (`image_token`, …). */
  readonly templateVariables: Readonly<Record<string, string>>;
  /** Tokens that `skipSpecialTokens` leaves out and that never come from ordinary text. */
  readonly specialTokens: ReadonlySet<string>;
  readonly source: string;
  /** Knows no added tokens when it encodes, so that none comes out of ordinary text; when it decodes it does. */
  private readonly inner: HuggingFaceTokenizer;
  private readonly model: NonNullable<HuggingFaceTokenizer['model']>;
  private readonly addedTokens: AddedTokens;
  private readonly addedIds: ReadonlyMap<string, number>;
  private readonly before: readonly number[];
  private readonly after: readonly number[];
  private readonly cleanUp: boolean;

  /**
   * @param model what `tokenizer.json` holds
   * @param config what `tokenizer_config.json` holds
   * @param source path of `tokenizer.json`, for messages
   */
  constructor(model: Json, config: Json, source: string) {
    this.source = source;
    this.roles = namedRoles(config);
    this.templateVariables = { ...this.roles, ...ownRoles(config) };
    const special = new Set([...Object.values(this.roles), ...extraSpecialTokens(config)]);
    const added = mergeAddedTokens(model, config, special, source);
    this.specialTokens = new Set(added.filter((token) => token.special).map((token) => token.content));
    if (!canInterrupt()) refuseExplosive(model, source);
    const within = <T>(work: () => T): T => withinTime(SHORT_MS, work, () => endless(source, SHORT_MS));
    try {
      const withDefaults = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, ...model, added_tokens: [] };
      const inner = new HuggingFaceTokenizer(withDefaults, { ...config, additional_special_tokens: [] });
      if (inner.model === null) throw new Error('it has no model');
      this.inner = inner;
      this.model = inner.model;
      keepByteOrderMark(inner);
      for (const { id, content } of added) inner.model.vocab[id] = content;
      if (inner.decoder !== null) inner.decoder.added_tokens = [...added];
      this.addedIds = new Map(added.map(({ content, id }) => [content, id]));
      this.addedTokens = within(() => new AddedTokens(added, (text) => inner.normalizer?.(text) ?? text));
      const probe = this.encodeText('a');
      const around = within(() => inner.tokenize('a', { add_special_tokens: true })).map(
        (token) => this.idOf(token) ?? this.model.unk_token_id ?? -1,
      );
      const start = around.findIndex((_, i) => probe.every((id, k) => around[i + k] === id));
      const stated = statedSpecials(config, (role) => this.idOf(this.roles[role] ?? ''));
      this.before = stated?.before ?? around.slice(0, Math.max(0, start));
      this.after = stated?.after ?? around.slice(Math.max(0, start) + probe.length);
    } catch (cause) {
      if (cause instanceof UserError) throw cause;
      throw new UserError(`${source}: it cannot be used as a tokenizer (${errorText(cause)}). Fetch the file again.`);
    }
    this.cleanUp = config['clean_up_tokenization_spaces'] === true;
  }

  /** @throws UserError when `tokenizer.json` is missing or is not a tokenizer */
  static async load(platform: Platform, dir: string): Promise<Tokenizer> {
    const path = joinPath(dir, 'tokenizer.json');
    const model = await readJsonFile(platform, path);
    if (model === undefined) {
      throw new UserError(
        `${path}: not found. The model folder must hold tokenizer.json; save it with AutoTokenizer.from_pretrained(…).save_pretrained(…).`,
      );
    }
    return new Tokenizer(model, (await readJsonFile(platform, joinPath(dir, 'tokenizer_config.json'))) ?? {}, path);
  }

  /** Token ids of a text. With `addSpecialTokens` also those that the tokenizer sets around every text (Gemma's `<bos>`). */
  encode(text: string, options: { addSpecialTokens?: boolean } = {}): number[] {
    const ids = this.encodeText(text);
    return options.addSpecialTokens === true ? [...this.before, ...ids, ...this.after] : ids;
  }

  /** @throws EndlessFile where a pattern of the file does not come to an end */
  private encodeText(text: string): number[] {
    const milliseconds = timeFor(text.length);
    return withinTime(
      milliseconds,
      () => this.idsOf(text),
      () => endless(this.source, milliseconds),
    );
  }

  private idsOf(text: string): number[] {
    const { model } = this;
    const preTokenize = this.inner.pre_tokenizer;
    return this.addedTokens.split(text).flatMap((piece) => {
      if ('id' in piece) return [piece.id];
      const words = preTokenize === null ? [piece.text] : preTokenize(piece.text, { section_index: piece.isStart ? 0 : 1 });
      return model(words).map((token) => model.tokens_to_ids.get(token) ?? model.unk_token_id ?? -1);
    });
  }

  /** How many ids `addSpecialTokens` sets before a text. */
  get leadingSpecialTokens(): number {
    return this.before.length;
  }

  decode(ids: ArrayLike<number>, options: { skipSpecialTokens?: boolean } = {}): string {
    const known = Array.from(ids).filter((id) => {
      const token = this.tokenOf(id);
      return token !== undefined && !(options.skipSpecialTokens === true && this.specialTokens.has(token));
    });
    if (known.length === 0) return '';
    const howTo = { skip_special_tokens: false, clean_up_tokenization_spaces: this.cleanUp };
    return withinTime(
      SHORT_MS,
      () => this.inner.decode(known, howTo),
      () => endless(this.source, SHORT_MS),
    );
  }

  idOf(token: string): number | undefined {
    return token === '' ? undefined : (this.addedIds.get(token) ?? this.inner.token_to_id(token));
  }

  tokenOf(id: number): string | undefined {
    return Number.isInteger(id) && id >= 0 ? this.inner.id_to_token(id) : undefined;
  }

  /** Id of the token with a role (`eos_token`, `pad_token`, …); undefined where the configuration names none. */
  roleId(role: (typeof ROLES)[number]): number | undefined {
    return this.idOf(this.roles[role] ?? '');
  }
}

function endless(source: string, milliseconds: number): EndlessFile {
  return new EndlessFile(
    `${source}: a pattern in it has not come to an end in ${Math.ceil(milliseconds / 1000)} s: it repeats a repetition, as (a+)+. ` +
      'Take the file from its source.',
  );
}

/** Where a match cannot be interrupted. @throws UserError for patterns that may take for ever */
function refuseExplosive(model: Json, source: string): void {
  const look = (value: unknown): void => {
    const object = asObject(value);
    const pattern = object?.['Regex'];
    if (typeof pattern === 'string' && mayExplode(pattern)) {
      throw new UserError(`${source}: its pattern ${shownJson(pattern)} can take for ever and cannot be stopped in a browser; use Node.`);
    }
    for (const one of Array.isArray(value) ? (value as unknown[]) : Object.values(object ?? {})) if (typeof one === 'object') look(one);
  };
  for (const part of ['normalizer', 'pre_tokenizer', 'decoder']) look(model[part]);
}

/** Configurations write a token as a string or as an object with flags. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = asObject(value)?.['content'];
  return typeof content === 'string' ? content : undefined;
}

function namedRoles(config: Json): Record<string, string> {
  const named = ROLES.map((role) => [role, tokenText(config[role])] as const);
  return Object.fromEntries(named.filter((entry): entry is [(typeof ROLES)[number], string] => entry[1] !== undefined && entry[1] !== ''));
}

/**
 * Keys of the configuration that end in `_token`, and `extra_special_tokens` where it is an object: transformers 5 takes both for roles.
 */
function ownRoles(config: Json): Record<string, string> {
  const keys = Object.keys(config).filter((key) => key.endsWith('_token') && !ROLES.some((role) => role === key));
  const entries = [...keys.map((key) => [key, config[key]] as const), ...Object.entries(asObject(config['extra_special_tokens']) ?? {})];
  const named = entries.map(([key, value]) => [key, tokenText(value)] as const);
  return Object.fromEntries(named.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** `additional_special_tokens` up to transformers 4, `extra_special_tokens` (a list, or an object of named ones) since. */
function extraSpecialTokens(config: Json): string[] {
  const listed = [config['additional_special_tokens'], config['extra_special_tokens']].flatMap((value): unknown[] =>
    Array.isArray(value) ? value : Object.values(asObject(value) ?? {}),
  );
  return listed.map(tokenText).filter((token): token is string => token !== undefined);
}

function mergeAddedTokens(model: Json, config: Json, special: ReadonlySet<string>, source: string): AddedToken[] {
  const listed: unknown = model['added_tokens'] ?? [];
  if (!Array.isArray(listed)) throw new UserError(`${source}: added_tokens must be a list.`);
  const fromConfig = Object.entries(asObject(config['added_tokens_decoder']) ?? {}).map(([id, token]): Json => ({
    ...asObject(token),
    id: Number(id),
  }));
  // A role's token may be an ordinary entry of the vocabulary; Python makes it an added token, so that it is never cut up.
  const vocabulary = asObject(asObject(model['model'])?.['vocab']) ?? {};
  const fromRoles = [...special]
    .filter((content) => typeof vocabulary[content] === 'number')
    .map((content): Json => ({ content, id: vocabulary[content] }));
  const byContent = new Map<string, AddedToken>();
  for (const entry of [...listed.map(asObject), ...fromConfig, ...fromRoles]) {
    const content = entry?.['content'];
    const id = entry?.['id'];
    if (entry === undefined || typeof content !== 'string' || typeof id !== 'number' || !Number.isInteger(id)) {
      throw new UserError(`${source}: an added token is ${shownJson(entry)}; an object with "content" and "id" was expected.`);
    }
    if (byContent.has(content)) continue;
    const flag = (key: string): boolean => entry[key] === true;
    const isSpecial = flag('special') || special.has(content);
    // Tokens that nothing says otherwise about are matched after normalisation, special ones before it.
    const normalized = typeof entry['normalized'] === 'boolean' ? entry['normalized'] : !isSpecial;
    byContent.set(content, {
      id,
      content,
      special: isSpecial,
      lstrip: flag('lstrip'),
      rstrip: flag('rstrip'),
      single_word: flag('single_word'),
      normalized,
    });
  }
  return [...byContent.values()];
}

/** `add_bos_token` / `add_eos_token`, where stated, replace what `tokenizer.json` would set around a text. */
function statedSpecials(config: Json, idOfRole: (role: string) => number | undefined): { before: number[]; after: number[] } | undefined {
  if (config['add_bos_token'] === undefined && config['add_eos_token'] === undefined) return undefined;
  const ids = (wanted: unknown, role: string): number[] => {
    const id = wanted === true ? idOfRole(role) : undefined;
    return id === undefined ? [] : [id];
  };
  return { before: ids(config['add_bos_token'], 'bos_token'), after: ids(config['add_eos_token'], 'eos_token') };
}

/** The library's byte-fallback decoder swallows a U+FEFF at the start of a text, where Python keeps it. */
function keepByteOrderMark(tokenizer: HuggingFaceTokenizer): void {
  const decoders = tokenizer.decoder instanceof SequenceDecoder ? tokenizer.decoder.decoders : [tokenizer.decoder];
  for (const decoder of decoders) {
    if (decoder instanceof ByteFallbackDecoder) decoder.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  }
}
