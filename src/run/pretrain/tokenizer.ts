/**
 * A small byte-level BPE tokenizer, trained from texts, in the layout of a Hugging Face folder with Qwen's special tokens. Any text can be
 * encoded (256 bytes are in the vocabulary), digits stay apart so that numbers are easy to learn, and the sentences that every MedVision
 * prompt repeats become a few tokens: with a 1 MB model on a CPU, the length of the prompt is what a training step costs.
 *
 * Two rounds of merges: within words first, then across them ("SuperBPE"). The words of a label therefore stay words, however often they
 * occur.
 */

/** Qwen2.5-VL's, in its order; the first is padding, the third ends a turn. */
export const SPECIAL_TOKENS = [
  '<|endoftext|>',
  '<|im_start|>',
  '<|im_end|>',
  '<|object_ref_start|>',
  '<|object_ref_end|>',
  '<|box_start|>',
  '<|box_end|>',
  '<|quad_start|>',
  '<|quad_end|>',
  '<|vision_start|>',
  '<|vision_end|>',
  '<|vision_pad|>',
  '<|image_pad|>',
  '<|video_pad|>',
];

/** A run of text without digits or line ends, one digit, or line ends: merges never cross these. */
const RUNS = String.raw`\p{N}|[\r\n]+|[^\p{N}\r\n]+`;
const WORDS = / ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+/gu;

export interface TokenizerFiles {
  /** tokenizer.json */
  model: Record<string, unknown>;
  /** tokenizer_config.json */
  config: Record<string, unknown>;
  /** Tokens with the special ones. */
  size: number;
  idOf: (token: string) => number;
}

/** GPT-2's letters for the 256 bytes: printable ones stand for themselves, the rest for letters from U+0100 on. */
function byteLetters(): string[] {
  const isPrintable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++));
}

type Pair = [string, string];

class Merger {
  readonly merges: Pair[] = [];
  private readonly letters = byteLetters();
  private readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  split(text: string): string[] {
    return [...new TextEncoder().encode(text)].map((byte) => this.letters[byte] ?? '');
  }

  /** Merges the most frequent pair again and again; of equally frequent ones the first in the order of their letters. */
  learn(units: readonly string[], leastCount: number): void {
    const pieces = units.map((unit) => this.merges.reduce(merged, this.split(unit)));
    while (this.merges.length < this.limit) {
      const counts = new Map<string, number>();
      for (const piece of pieces)
        for (let i = 0; i + 1 < piece.length; i++) {
          const key = `${piece[i] ?? ''}\n${piece[i + 1] ?? ''}`;
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
      let best = '';
      let most = leastCount - 1;
      for (const [key, count] of counts) if (count > most || (count === most && best !== '' && key < best)) [best, most] = [key, count];
      if (best === '') return;
      const pair = best.split('\n') as Pair;
      this.merges.push(pair);
      pieces.forEach((piece, i) => (pieces[i] = merged(piece, pair)));
    }
  }
}

function merged(piece: string[], [left, right]: Pair): string[] {
  if (!piece.includes(left)) return piece;
  const out: string[] = [];
  for (let i = 0; i < piece.length; i++) {
    if (piece[i] === left && piece[i + 1] === right) {
      out.push(left + right);
      i++;
    } else out.push(piece[i] ?? '');
  }
  return out;
}

/**
 * @param texts distinct prompts; their words become tokens
 * @param mergeLimit most merges; the vocabulary is 256 bytes, one token a merge, and the special tokens
 * @param leastCount pieces of sentences merge across words only where they occur this often
 * @param own special tokens in place of Qwen's, and the pattern of what merges never cross
 */
export function trainTokenizer(
  texts: readonly string[],
  mergeLimit: number,
  leastCount: number,
  own: { special: readonly string[]; runs: string } = { special: SPECIAL_TOKENS, runs: RUNS },
): TokenizerFiles {
  const { special, runs: pattern } = own;
  const merger = new Merger(mergeLimit);
  const words = new Set(texts.flatMap((text) => text.match(WORDS) ?? []));
  // Every distinct word twice, so that all of them become whole.
  merger.learn(
    [...words].sort().flatMap((word) => [word, word]),
    2,
  );
  const runs = texts.flatMap((text) => [...text.matchAll(new RegExp(pattern, 'gu'))].map(([run]) => run));
  merger.learn(runs, leastCount);

  const vocabulary = new Map<string, number>();
  for (const letter of [...byteLetters()].sort()) vocabulary.set(letter, vocabulary.size);
  for (const [left, right] of merger.merges) if (!vocabulary.has(left + right)) vocabulary.set(left + right, vocabulary.size);
  const base = vocabulary.size;
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const ids = new Map([...vocabulary, ...special.map((token, i) => [token, base + i] as const)]);
  return {
    size: ids.size,
    idOf: (token) => ids.get(token) ?? -1,
    model: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: special.map((content, i) => ({ id: base + i, content, ...flags })),
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
        ],
      },
      post_processor: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
      model: {
        type: 'BPE',
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: null,
        end_of_word_suffix: null,
        fuse_unk: false,
        byte_fallback: false,
        ignore_merges: false,
        vocab: Object.fromEntries(vocabulary),
        merges: merger.merges,
      },
    },
    config: {
      add_bos_token: false,
      add_prefix_space: false,
      added_tokens_decoder: Object.fromEntries(special.map((content, i) => [String(base + i), { content, ...flags }])),
      additional_special_tokens: special.slice(1),
      bos_token: null,
      clean_up_tokenization_spaces: false,
      eos_token: '<|im_end|>',
      errors: 'replace',
      model_max_length: 4096,
      pad_token: '<|endoftext|>',
      split_special_tokens: false,
      // Qwen2Tokenizer would put its own way of splitting words in place of the file's.
      tokenizer_class: 'PreTrainedTokenizerFast',
      unk_token: null,
      processor_class: 'Qwen2_5_VLProcessor',
    },
  };
}
