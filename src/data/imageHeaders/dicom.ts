/** Size and kind of a DICOM image: its header is read as far as its pixels. */
import { isDicomBytes, readElements, readHead } from '../dicom/elements.ts';
import { Attributes } from '../dicom/attributes.ts';
import { inflatedDataSet } from '../dicom/file.ts';
import { pixelFormatOf } from '../dicom/format.ts';
import { DICOM_LIMITS } from '../dicom/limits.ts';
import type { HeaderSource, ImageHeader, Reading } from './source.ts';

const FIRST_BYTES = 1 << 14;
const GROWTH = 8;

export function* dicomHeader(source: HeaderSource): Reading<ImageHeader> {
  for (let wanted = FIRST_BYTES; ; wanted *= GROWTH) {
    const length = Math.min(wanted, source.size, DICOM_LIMITS.headerBytes);
    const bytes = yield* source.read(0, length);
    const isWhole = length === source.size;
    if (!isDicomBytes(bytes)) throw source.damaged('it does not begin as DICOM does');
    const head = readHead(bytes, source.name, isWhole);
    if (head?.syntax.isDeflated === true && !isWhole) continue;
    const isDeflated = head?.syntax.isDeflated === true;
    const content = isDeflated ? inflatedDataSet(bytes.subarray(head.start), source.name, DICOM_LIMITS) : bytes;
    const elements = head && readElements(content, isDeflated ? 0 : head.start, head.syntax, source.name, isWhole);
    if (elements === undefined && !isWhole && length < DICOM_LIMITS.headerBytes) continue;
    if (elements?.pixels === undefined) throw source.damaged('it is DICOM without an image');
    const attributes = new Attributes(elements.set, source.name);
    const format = pixelFormatOf(attributes, elements.pixels.kind, source.name, DICOM_LIMITS);
    return {
      format: 'dicom',
      width: format.columns,
      height: format.rows,
      bitDepth: format.bitsAllocated,
      isFloat: format.kind !== 'integers',
      channels: format.samples,
      colour: format.photometric === 'PALETTE COLOR' ? 'palette' : format.samples === 3 ? 'rgb' : 'grey',
      hasAlpha: false,
      orientation: 1,
    };
  }
}
