/**
 * What a file is, told from its first bytes and never from its name: pictures by format, and what lies in the place of a picture often
 * enough to be named (a DICOM slice, a volume, an error page that was saved as `a.png`, a pointer of Git LFS).
 */

/** Each with what it is called in a message. */
const NAMES = {
  png: 'PNG',
  jpeg: 'JPEG',
  webp: 'WebP',
  gif: 'GIF',
  tiff: 'TIFF',
  bmp: 'BMP',
  avif: 'AVIF',
  heic: 'HEIC',
  jxl: 'JPEG XL',
  jpeg2000: 'JPEG 2000',
  svg: 'SVG',
  ico: 'an icon (ICO)',
  psd: 'a Photoshop document',
  exr: 'OpenEXR',
  hdr: 'Radiance HDR',
  pnm: 'PNM (PBM, PGM, PPM)',
  dds: 'DDS',
  dicom: 'DICOM',
  nifti: 'NIfTI',
  nrrd: 'NRRD',
  metaimage: 'MetaImage',
  pdf: 'PDF',
  gzip: 'gzip (a compressed volume?)',
  zip: 'a ZIP archive',
  hdf5: 'HDF5',
  npy: 'a NumPy array',
  video: 'a video or camera raw (ISO media)',
  html: 'a page of HTML (an error that was saved in its place?)',
  json: 'JSON',
  lfs: 'a pointer of Git LFS, not the file itself (git lfs pull)',
} as const;

export type ImageFormat = keyof typeof NAMES;

/** As in "the file is …". */
export function formatName(format: ImageFormat): string {
  return NAMES[format];
}

/** Bytes that `sniffFormat` looks at. */
export const SNIFFED_BYTES = 1024;

/** Bytes at the start of a file, in Latin-1; `.` stands for any byte. */
const MAGIC: readonly [ImageFormat, string][] = [
  ['png', '\x89PNG\r\n\x1a\n'],
  ['jpeg', '\xff\xd8\xff'],
  ['webp', 'RIFF....WEBP'],
  ['gif', 'GIF87a'],
  ['gif', 'GIF89a'],
  ['tiff', 'II*\0'],
  ['tiff', 'MM\0*'],
  ['tiff', 'II+\0'],
  ['tiff', 'MM\0+'],
  ['jxl', '\xff\x0a'],
  ['jxl', '\0\0\0\x0cJXL \r\n\x87\n'],
  ['jpeg2000', '\0\0\0\x0cjP  \r\n\x87\n'],
  ['jpeg2000', '\xff\x4f\xff\x51'],
  ['ico', '\0\0\x01\0'],
  ['psd', '8BPS'],
  ['exr', 'v/1\x01'],
  ['hdr', '#?RADIANCE'],
  ['hdr', '#?RGBE'],
  ['dds', 'DDS '],
  ['nrrd', 'NRRD0'],
  ['metaimage', 'ObjectType ='],
  ['pdf', '%PDF-'],
  ['gzip', '\x1f\x8b'],
  ['zip', 'PK\x03\x04'],
  ['hdf5', '\x89HDF\r\n\x1a\n'],
  ['npy', '\x93NUMPY'],
  ['lfs', 'version https://git-lfs.github.com/spec/'],
];

/** The format of a file that begins with these bytes (`SNIFFED_BYTES`, or the whole of a shorter one); undefined: none that is known. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | undefined {
  const text = latin1(bytes.subarray(0, SNIFFED_BYTES));
  const known = MAGIC.find(([, magic]) => startsWith(text, magic));
  if (known) return known[0];
  if (text.startsWith('ftyp', 4)) return brandOf(text);
  if (text.startsWith('DICM', 128)) return 'dicom';
  // NIfTI-1 has its length first and its magic at 344; NIfTI-2 at 4. Analyze, without magic, is of the same length.
  if (['\x5c\x01\0\0', '\0\0\x01\x5c', '\x1c\x02\0\0', '\0\0\x02\x1c'].some((size) => text.startsWith(size))) return 'nifti';
  // Two letters alone are a word too: the fields after them must make sense.
  if (text.startsWith('BM') && /^[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0/.test(text.slice(14))) return 'bmp';
  if (/^P[1-7][\s#]/.test(text)) return 'pnm';
  return markupOf(text);
}

function startsWith(text: string, magic: string): boolean {
  if (text.length < magic.length) return false;
  for (let i = 0; i < magic.length; i++) if (magic[i] !== '.' && magic[i] !== text[i]) return false;
  return true;
}

/** ISO media: the brand, and where it says nothing (`mif1`), those it is compatible with. */
function brandOf(text: string): ImageFormat {
  const length = Math.min(text.length, text.charCodeAt(2) * 256 + text.charCodeAt(3));
  const brands = [text.slice(8, 12)];
  for (let at = 16; at + 4 <= length; at += 4) brands.push(text.slice(at, at + 4));
  if (brands.some((brand) => ['avif', 'avis'].includes(brand))) return 'avif';
  return brands.some((brand) => /^(hei[csmx]|hev[cmsx]|mif1|msf1)$/.test(brand)) ? 'heic' : 'video';
}

function markupOf(text: string): ImageFormat | undefined {
  const start = text.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (/^<(!doctype html|html|head|body)\b/i.test(start)) return 'html';
  if (/^<(\?xml|!--|!doctype svg|svg\b)/i.test(start) && /<svg\b/i.test(start)) return 'svg';
  return /^[{[]\s*["{[\]}]/.test(start) ? 'json' : undefined;
}

/** One UTF-16 unit a byte. */
export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
