/**
 * A conversation as token ids, and which of them carry a label: what the processors of all families share. A processor says what stands for
 * an image in the text; the template, the one <bos>, and the two label masks are the same for all.
 */
import { EndlessFile, isLongText, KnownToEnd, timeFor } from '../io/timeLimit.ts';
import { countOf, joinPath, UserError } from '../platform.ts';
import type { Platform } from '../platform.ts';
import { assistantSpans, charactersOf, ChatTemplate, tokenRanges } from './chat.ts';
import type { Span } from './chat.ts';
import type { Conversation, EncodeOptions, Message, RowMeasure } from './example.ts';
import { readJsonFile } from './jsonFile.ts';
import { Tokenizer } from './tokenizer.ts';

export interface ConversationRules {
  tokenizer: Tokenizer;
  template: ChatTemplate;
  /** Left out of the loss by the mask `reference`. */
  padId: number;
}

/**
 * The token that the template writes for an image, and what the first of them, the second, … become before the text is tokenised (Gemma's
 * row of soft tokens). One that has no text stays as it is.
 */
export interface Expansion {
  placeholder: string;
  texts: readonly string[];
}

export interface ConversationTokens {
  ids: number[];
  /** Ids of placeholders are for the caller to leave out. */
  isLabelled: (i: number, id: number) => boolean;
  /** What the label of ids[i] weighs; absent: all 1. */
  weightOf?: (i: number) => number;
  /** Of the rendered text, before placeholders grow. */
  characters: number;
  /** How often the placeholder stands in it; 0 without an expansion. */
  places: number;
}

/** @param without an id that never has a label: the image's @param grown how many tokens the images add to their placeholders */
export function measureOf(
  { ids, isLabelled, characters }: ConversationTokens,
  { without, grown }: { without?: number; grown: number },
): RowMeasure {
  const learnt = ids.filter((id, i) => i > 0 && id !== without && isLabelled(i, id)).length;
  return { tokens: ids.length + grown, learnt, characters };
}

/** `Conversation 7` for messages. */
export function conversationName({ id }: Conversation): string {
  return id === undefined ? 'Conversation' : `Conversation ${id}`;
}

/** @throws UserError when the messages' image parts and the images differ in number */
export function checkImageCount(conversation: Conversation, images: number): void {
  const parts = conversation.messages.flatMap((m) =>
    typeof m.content === 'string' ? [] : m.content.filter((part) => part.type === 'image'),
  ).length;
  if (parts === images) return;
  throw new UserError(
    `${conversationName(conversation)}: its messages have ${countOf(parts, 'image part')}, ${countOf(images, 'image')} ` +
      `${images === 1 ? 'was' : 'were'} given. Give one for each part.`,
  );
}

const known = new WeakMap<ConversationRules, KnownToEnd>();

/**
 * @throws EndlessFile that names template and tokenizer where they do not come to an end; a UserError where the conversation's length may
 * be why
 */
export function conversationTokens(
  rules: ConversationRules,
  conversation: Conversation,
  options: EncodeOptions,
  expansion?: Expansion,
): ConversationTokens {
  const { tokenizer, template } = rules;
  const characters = charactersOf(conversation.messages);
  const milliseconds = timeFor(characters);
  const ended = known.get(rules) ?? new KnownToEnd();
  known.set(rules, ended);
  return ended.withinTime(
    JSON.stringify([conversation.messages, options, expansion?.texts.map(({ length }) => length)]),
    milliseconds,
    () => tokensOf(rules, conversation, options, expansion),
    () => {
      const words = `${conversationName(conversation)}: it has not become tokens in ${Math.ceil(milliseconds / 1000)} s: `;
      const cause = `a pattern in ${tokenizer.source}, or a loop in ${template.source}, does not come to an end.`;
      if (isLongText(characters))
        return new UserError(`${words}it has ${characters} characters, which is too long, or ${cause} Shorten it.`);
      return new EndlessFile(`${words}${cause} Take these files from their source.`);
    },
  );
}

function tokensOf(
  rules: ConversationRules,
  conversation: Conversation,
  options: EncodeOptions,
  expansion: Expansion | undefined,
): ConversationTokens {
  const { tokenizer, template } = rules;
  // A template that prints its messages whole must not print our mark.
  const messages = conversation.messages.map(({ role, content }) => ({ role, content }));
  const rendered = template.render(messages, { addGenerationPrompt: options.addGenerationPrompt ?? false });
  const text = expansion ? expanded(rendered, expansion) : rendered;
  const places = expansion ? rendered.split(expansion.placeholder).length - 1 : 0;
  // As transformers has it: a template that writes <bos> itself gets no second one from the tokenizer (medvision_bm's prompts have two).
  const addSpecialTokens = !text.startsWith(tokenizer.roles['bos_token'] ?? '\0');
  const ids = tokenizer.encode(text, { addSpecialTokens });
  const characters = rendered.length;
  const lead = addSpecialTokens ? tokenizer.leadingSpecialTokens : 0;
  const unlearnt = new Set(conversation.messages.flatMap(({ isLearnt }, turn) => (isLearnt === false ? [messages[turn]] : [])));
  const isIn = (isWanted: (message: Message) => boolean, isAnswerOnly = false): ((i: number) => boolean) => {
    const turns = assistantSpans(template, messages, rendered, tokenizer.specialTokens, { ...options, isWanted });
    const spans = isAnswerOnly ? turns.map((turn) => fromAnswer(turn, rendered)) : turns;
    const ranges = tokenRanges(
      tokenizer,
      text,
      ids.slice(lead),
      spans.map((span) => moved(span, rendered, expansion)),
    );
    return (i) => ranges.some(({ first, end }) => i - lead >= first && i - lead < end);
  };
  const { mask } = options;
  if (mask !== 'reference') {
    const isLearnt = (message: Message): boolean => !unlearnt.has(message);
    const isLabelled = isIn(isLearnt, mask === 'answer');
    if (typeof mask === 'string') return { ids, isLabelled, characters, places };
    const isAnswer = isIn(isLearnt, true);
    return { ids, isLabelled, weightOf: (i) => (isAnswer(i) ? 1 : mask.reasoningWeight), characters, places };
  }
  // All but padding, and but the answers that the row takes out.
  const isTakenOut = unlearnt.size === 0 ? () => false : isIn((message) => unlearnt.has(message));
  return { ids, isLabelled: (i, id) => id !== rules.padId && !isTakenOut(i), characters, places };
}

/** From the first <answer> on, which is the one that is scored; all of a turn without one. */
function fromAnswer({ start, end }: Span, text: string): Span {
  const at = text.slice(start, end).indexOf('<answer>');
  return { start: at < 0 ? start : start + at, end };
}

function expanded(text: string, { placeholder, texts }: Expansion): string {
  let place = 0;
  return text.replaceAll(placeholder, () => texts[place++] ?? placeholder);
}

/** The span's place after every placeholder before it has grown. */
function moved({ start, end }: Span, rendered: string, expansion: Expansion | undefined): Span {
  if (!expansion) return { start, end };
  const place = (at: number): number => expanded(rendered.slice(0, at), expansion).length;
  return { start: place(start), end: place(end) };
}

/** The texts of a model folder that every processor reads. */
export interface ConversationFolder {
  config: Readonly<Record<string, unknown>>;
  /** Path of config.json, for messages. */
  configPath: string;
  rules: Pick<ConversationRules, 'tokenizer' | 'template' | 'padId'>;
  /** generation_config.json's `eos_token_id`, a number or a list; where it has none, the tokenizer's end of sequence. */
  endOfTurnIds: number[];
}

/** @throws UserError that names the file which is missing or wrong */
export async function loadConversationFolder(platform: Platform, dir: string): Promise<ConversationFolder> {
  const configPath = joinPath(dir, 'config.json');
  const config = await readJsonFile(platform, configPath);
  if (config === undefined) throw new UserError(`${configPath}: not found. A Hugging Face model folder was expected.`);
  const tokenizer = await Tokenizer.load(platform, dir);
  const template = await ChatTemplate.load(platform, dir, tokenizer);
  const eos = tokenizer.roleId('eos_token');
  const stated = (await readJsonFile(platform, joinPath(dir, 'generation_config.json')))?.['eos_token_id'];
  const list: unknown[] = Array.isArray(stated) ? stated : [stated];
  const ends = list.filter((id): id is number => typeof id === 'number');
  return {
    config,
    configPath,
    rules: { tokenizer, template, padId: tokenizer.roleId('pad_token') ?? eos ?? 0 },
    endOfTurnIds: ends.length > 0 || eos === undefined ? ends : [eos],
  };
}
