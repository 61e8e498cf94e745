/**
 * Which picture stands where. There are three ways to say it: parts `{"type": "image"}`, marks `<image>` in the text (LLaVA, LLaMA-Factory,
 * ms-swift), or nothing at all, where TRL puts all pictures before the text of the first user turn that is a plain text. Whatever does not
 * come out even is refused: a mark that is left would be trained as text, a picture that is left would be dropped.
 */
import { countOf, UserError } from '../../platform.ts';
import type { ContentPart, ImageSource, Message } from '../example.ts';
import { imageName, isSameImage } from './images.ts';
import type { RowContent, RowPart } from './parts.ts';
import { shown } from './shown.ts';
import type { Turn } from './turns.ts';

/** How a row says where its pictures belong. */
export type Placement = 'none' | 'parts' | 'marks' | 'parts and marks' | 'before the first question';

export interface PlacedRow {
  messages: Message[];
  images: ImageSource[];
  placement: Placement;
}

const MARK = '<image>';
const OTHER_MEDIA = /<(?:video|audio)>/;
/** Marks of other programs and slips of the pen; they would be trained as text. */
const NEAR_MARKS = /<\|?\s*image[\s_-]?\d*\s*\|?>|<\|?image[\s_-]?placeholder\|?>/i;
/** HTML has these too, so they are marks only where there are pictures. */
const NEAR_MARKS_WITH_IMAGES = /<\|?(?:img|picture|photo)[\s_-]?\d*\|?>|<imagehere>|\[image\]/i;

/** @param images the row's own @throws UserError that begins with the place */
export function placed(turns: readonly Turn[], images: readonly ImageSource[], where: string): PlacedRow {
  const texts = turns.flatMap(({ content }) => textsOf(content));
  const medium = texts.map((text) => OTHER_MEDIA.exec(text)?.[0]).find((mark) => mark !== undefined);
  if (medium !== undefined)
    throw new UserError(`${where}: the text has the mark ${medium}. Only pictures can be trained on, at ${MARK}; leave the row out.`);
  const marks = texts.reduce((sum, text) => sum + text.split(MARK).length - 1, 0);
  const parts = turns.flatMap(({ content }) => imageParts(content)).length;
  checkNearMarks(texts, parts + images.length, where);
  if (marks === 0 && parts === 0) return images.length === 0 ? finished(turns, [], 'none') : before(turns, images, where);

  const placed = marks === 0 ? turns : turns.map((turn) => ({ ...turn, content: atMarks(turn.content) }));
  const places = placed.flatMap(({ content }) => imageParts(content));
  const astray = places.find(({ index }, place) => index !== undefined && index !== place);
  if (astray) {
    const place = places.indexOf(astray);
    throw new UserError(
      `${astray.where}: "index" is ${astray.index}, the part is image ${place} of the row, counted from 0. Parts take the images in ` +
        `their order; sort them.`,
    );
  }
  return finished(
    placed,
    filled(places, images, { marks, parts }, where),
    marks === 0 ? 'parts' : parts === 0 ? 'marks' : 'parts and marks',
  );
}

function textsOf(content: RowContent): string[] {
  return typeof content === 'string' ? [content] : content.flatMap((part) => (part.type === 'text' ? [part.text] : []));
}

function imageParts(content: RowContent): Extract<RowPart, { type: 'image' }>[] {
  return typeof content === 'string' ? [] : content.filter((part) => part.type === 'image');
}

function checkNearMarks(texts: readonly string[], images: number, where: string): void {
  for (const text of texts.map((one) => one.replaceAll(MARK, ''))) {
    const found = NEAR_MARKS.exec(text)?.[0] ?? (images > 0 ? NEAR_MARKS_WITH_IMAGES.exec(text)?.[0] : undefined);
    if (found !== undefined)
      throw new UserError(`${where}: the text has ${shown(found)}, which would be learnt as text. Write ${MARK} where a picture belongs.`);
  }
}

/** TRL's prepare_multimodal_messages. */
function before(turns: readonly Turn[], images: readonly ImageSource[], where: string): PlacedRow {
  const first = turns.findIndex(({ role, content }) => role === 'user' && typeof content === 'string');
  const turn = turns[first];
  if (turn === undefined || typeof turn.content !== 'string') throw unequal(0, images.length, where);
  const content: RowPart[] = [...images.map((): RowPart => ({ type: 'image', where })), { type: 'text', text: turn.content }];
  return finished(turns.with(first, { ...turn, content }), [...images], 'before the first question');
}

/** Text with marks as parts, the text to the letter. */
function atMarks(content: RowContent): RowContent {
  const cut = (text: string): RowPart[] =>
    text
      .split(MARK)
      .flatMap((piece, i): RowPart[] => [
        ...(i > 0 ? [{ type: 'image', where: '' } as const] : []),
        ...(piece === '' ? [] : [{ type: 'text', text: piece } as const]),
      ]);
  if (typeof content === 'string') return content.includes(MARK) ? cut(content) : content;
  return content.flatMap((part) => (part.type === 'text' && part.text.includes(MARK) ? cut(part.text) : [part]));
}

/** The pictures in the order of their places: those that parts name, and the row's own for the others. */
function filled(
  places: readonly Extract<RowPart, { type: 'image' }>[],
  listed: readonly ImageSource[],
  { marks, parts }: { marks: number; parts: number },
  where: string,
): ImageSource[] {
  const named = places.filter(({ image }) => image !== undefined);
  const open = places.length - named.length;
  // As TRL: parts that have their picture take none of the row's.
  if (listed.length === open) {
    const rest = listed.values();
    return places.map(({ image }) => image ?? rest.next().value).filter((image) => image !== undefined);
  }
  if (listed.length !== places.length) {
    if (marks > 0 && listed.length === 0) {
      throw new UserError(
        `${where}: the text has ${countOf(marks, 'mark')} ${MARK} and the row names no images for ${marks === 1 ? 'it' : 'them'}: it ` +
          `would be learnt as text. ` +
          'Name the pictures in "images", or take the marks out.',
      );
    }
    if (marks > 0) {
      const also = parts > 0 ? ` and ${countOf(parts, 'image part')}` : '';
      throw new UserError(
        `${where}: ${countOf(marks, 'mark')} ${MARK}${also} in the messages, ${listed.length} in "images". Each image needs one mark ` +
          `where it belongs.`,
      );
    }
    throw unequal(places.length, listed.length, where);
  }
  const conflict = places.findIndex(({ image }, i) => image !== undefined && !isSameImage(image, listed[i] ?? ''));
  if (conflict >= 0) {
    const [ofPart, ofList] = [places[conflict]?.image ?? '', listed[conflict] ?? ''].map((image) => shown(imageName(image)));
    throw new UserError(`${where}: image ${conflict + 1} is ${ofPart} in its part and ${ofList} in "images". Name it once.`);
  }
  return [...listed];
}

function unequal(parts: number, images: number, where: string): UserError {
  return new UserError(
    `${where}: ${countOf(parts, 'image part')} in the messages, ${images} in "images". ` +
      'Each image needs a {"type": "image"} part where it belongs in the conversation.',
  );
}

function finished(turns: readonly Turn[], images: ImageSource[], placement: Placement): PlacedRow {
  const messages = turns.map(({ role, content, isLearnt }): Message => ({
    role,
    content: plain(content),
    ...(isLearnt === false && { isLearnt }),
  }));
  return { messages, images, placement };
}

function plain(content: RowContent): Message['content'] {
  return typeof content === 'string'
    ? content
    : content.map((part): ContentPart => (part.type === 'text' ? { type: 'text', text: part.text } : { type: 'image' }));
}
