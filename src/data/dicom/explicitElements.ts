/** Elements with value representations, and the items of their sequences (PS3.5, 7.1.2 and 7.5). */
import dicomParser from 'dicom-parser';
import type { ByteArrayParser, ByteStream } from 'dicom-parser';
import type { ReadElement } from './attributes.ts';
import { sequenceVr } from './tags.ts';

type Items = NonNullable<ReadElement['items']>;

export const UNDEFINED_LENGTH = 0xffffffff;
/** Value representations with lengths of 32 bits that dicom-parser does not know. */
const NOT_KNOWN_TO_PARSER = /^(?:OV|SV|UV)$/;
const [ITEM, ITEM_END, SEQUENCE_END] = [0xfffee000, 0xfffee00d, 0xfffee0dd] as const;
/** Sequences in sequences; the deepest of the standard's are of a dozen. */
const MOST_DEPTH = 64;

export const twoLetters = (bytes: Uint8Array, at: number): string => String.fromCharCode(bytes[at] ?? 0, bytes[at + 1] ?? 0);

/**
 * An element with its value representation. Sequences are gone through here: dicom-parser takes the length of an OV, SV or UV in their
 * items for one of 16 bits, and reads on from a wrong place.
 * @param depth of sequences around it
 */
export function readExplicit(stream: ByteStream, parser: ByteArrayParser, depth = 0): ReadElement {
  const { byteArray: bytes, position } = stream;
  const vr = twoLetters(bytes, position + 4);
  if (vr === 'UN') return readUnknown(stream);
  if ((vr !== 'SQ' && !NOT_KNOWN_TO_PARSER.test(vr)) || position + 12 > bytes.length)
    return dicomParser.readDicomElementExplicit(stream, []);
  const length = parser.readUint32(bytes, position + 8);
  const [group, number] = [parser.readUint16(bytes, position), parser.readUint16(bytes, position + 2)];
  const tag = `x${hex(group)}${hex(number)}`;
  const dataOffset = (stream.position = position + 12);
  const element: ReadElement = { tag, vr, length, dataOffset };
  if (vr !== 'SQ') stream.position += length;
  else {
    if (depth >= MOST_DEPTH) throw new Error('sequences lie in each other without end');
    element.items = readItems(stream, parser, length, depth);
    element.length = stream.position - dataOffset;
  }
  return element;
}

/**
 * What an archive that did not know the attribute has kept as it came: without value representations (PS3.5, 6.2.2). Of a sequence that is
 * read, dicom-parser finds the items only where the length is not defined.
 */
function readUnknown(stream: ByteStream): ReadElement {
  const element = dicomParser.readDicomElementExplicit(stream, []);
  if (element.items !== undefined || sequenceVr(element.tag) === undefined) return element;
  const end = stream.position;
  stream.position = element.dataOffset;
  // The type says that nothing is returned, the library takes what is.
  dicomParser.readSequenceItemsImplicit(stream, element, sequenceVr as (tag: string) => string);
  stream.position = end;
  return element;
}

/** Up to the end of its length, or to the delimiter where there is none. */
function readItems(stream: ByteStream, parser: ByteArrayParser, length: number, depth: number): Items {
  const { byteArray: bytes } = stream;
  const end = length === UNDEFINED_LENGTH ? bytes.length : stream.position + length;
  if (end > bytes.length) throw new Error('a sequence ends behind the file');
  const items: Items = [];
  while (stream.position + 8 <= end) {
    const data = stream.position + 8;
    const mark = tagAt(parser, bytes, stream.position);
    const own = parser.readUint32(bytes, stream.position + 4);
    stream.position = data;
    if (mark === SEQUENCE_END) return items;
    if (mark !== ITEM) throw new Error('a sequence has something else than items');
    const itemEnd = own === UNDEFINED_LENGTH ? end : data + own;
    if (itemEnd > end) throw new Error('an item ends behind its sequence');
    const elements: Record<string, ReadElement> = {};
    while (stream.position + 8 <= itemEnd) {
      if (tagAt(parser, bytes, stream.position) === ITEM_END) {
        stream.position += 8;
        break;
      }
      const element = readExplicit(stream, parser, depth + 1);
      elements[element.tag] = element;
    }
    if (stream.position > itemEnd) throw new Error('an element ends behind its item');
    if (own !== UNDEFINED_LENGTH) stream.position = itemEnd;
    items.push({ dataSet: { byteArray: bytes, byteArrayParser: parser, elements } });
  }
  if (length !== UNDEFINED_LENGTH) stream.position = end;
  return items;
}

const hex = (number: number): string => number.toString(16).padStart(4, '0');
const tagAt = (parser: ByteArrayParser, bytes: Uint8Array, at: number): number =>
  parser.readUint16(bytes, at) * 0x10000 + parser.readUint16(bytes, at + 2);
