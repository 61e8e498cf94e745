/** A row as the model learns it, token by token: what carries a label, what is only read, and where images stand. */
import { IGNORE_INDEX } from '../../data/example.ts';
import type { Example, Processor } from '../../data/example.ts';

export interface TokenPiece {
  text: string;
  /** Tokens it stands for: more than one for the places of an image, and where single tokens are no whole characters. */
  tokens: number;
  isLearnt: boolean;
  isImage: boolean;
}

export interface TokenCounts {
  total: number;
  /** Places that image features take. */
  image: number;
  learnt: number;
}

export interface TokenView {
  pieces: TokenPiece[];
  counts: TokenCounts;
}

/** Tokens that a character can be spread over, in the tokenizers of the models that are known. */
const MOST_TOGETHER = 8;

export function tokenView(example: Example, processor: Pick<Processor, 'decode'>): TokenView {
  const ids = [...example.inputIds];
  const image = imagePlaceholder(ids, example.imageGrids.length);
  const isLearnt = (at: number): boolean => example.labels[at] !== IGNORE_INDEX;
  const pieces: TokenPiece[] = [];
  for (let at = 0; at < ids.length;) {
    const isImage = ids[at] === image;
    let end = at + 1;
    let text = '';
    if (isImage) {
      while (ids[end] === image) end++;
      text = `image × ${end - at}`;
    } else {
      text = processor.decode([ids[at] ?? 0]);
      // Bytes of one character in several tokens decode to a replacement sign until all are there.
      while (text.includes('\ufffd') && end < ids.length && end - at < MOST_TOGETHER && isLearnt(end) === isLearnt(at))
        text = processor.decode(ids.slice(at, ++end));
    }
    pieces.push({ text, tokens: end - at, isLearnt: isLearnt(at), isImage });
    at = end;
  }
  return { pieces, counts: tokenCounts(example) };
}

export function tokenCounts(example: Example): TokenCounts {
  const image = imagePlaceholder([...example.inputIds], example.imageGrids.length);
  return {
    total: example.inputIds.length,
    image: image === undefined ? 0 : example.inputIds.filter((id) => id === image).length,
    learnt: example.labels.filter((label) => label !== IGNORE_INDEX).length,
  };
}

/** The id that fills the longest run: with images, nothing else repeats so often. */
function imagePlaceholder(ids: readonly number[], images: number): number | undefined {
  if (images === 0) return undefined;
  let longest = { id: -1, length: 0 };
  for (let at = 0; at < ids.length;) {
    let end = at + 1;
    while (ids[end] === ids[at]) end++;
    if (end - at > longest.length) longest = { id: ids[at] ?? -1, length: end - at };
    at = end;
  }
  return longest.id;
}
