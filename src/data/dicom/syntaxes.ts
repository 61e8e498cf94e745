/** Transfer syntaxes (PS3.5, section 10 and Annex A): how a data set is written, and how its frames are compressed. */

export type Compression = 'rle' | 'jpeg' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k';

export interface TransferSyntax {
  name: string;
  isImplicit?: true;
  isBigEndian?: true;
  isDeflated?: true;
  /** Absent: frames lie there as they are. */
  compression?: Compression;
}

export const IMPLICIT_LITTLE: TransferSyntax = { name: 'implicit VR little endian', isImplicit: true };
export const EXPLICIT_LITTLE: TransferSyntax = { name: 'explicit VR little endian' };
export const EXPLICIT_BIG: TransferSyntax = { name: 'explicit VR big endian', isBigEndian: true };

const SYNTAXES: Readonly<Record<string, TransferSyntax>> = {
  '1.2.840.10008.1.2': IMPLICIT_LITTLE,
  '1.2.840.10008.1.2.1': EXPLICIT_LITTLE,
  '1.2.840.10008.1.2.1.98': { name: 'encapsulated uncompressed' },
  '1.2.840.10008.1.2.1.99': { name: 'deflated explicit VR little endian', isDeflated: true },
  '1.2.840.10008.1.2.2': EXPLICIT_BIG,
  '1.2.840.10008.1.2.4.50': { name: 'JPEG baseline', compression: 'jpeg' },
  '1.2.840.10008.1.2.4.51': { name: 'JPEG extended', compression: 'jpeg' },
  '1.2.840.10008.1.2.4.53': { name: 'JPEG spectral selection', compression: 'jpeg' },
  '1.2.840.10008.1.2.4.55': { name: 'JPEG full progression', compression: 'jpeg' },
  '1.2.840.10008.1.2.4.57': { name: 'JPEG lossless', compression: 'jpeg' },
  '1.2.840.10008.1.2.4.70': { name: 'JPEG lossless, first-order prediction', compression: 'jpeg' },
  '1.2.840.10008.1.2.4.80': { name: 'JPEG-LS lossless', compression: 'jpeg-ls' },
  '1.2.840.10008.1.2.4.81': { name: 'JPEG-LS near-lossless', compression: 'jpeg-ls' },
  '1.2.840.10008.1.2.4.90': { name: 'JPEG 2000 lossless', compression: 'jpeg-2000' },
  '1.2.840.10008.1.2.4.91': { name: 'JPEG 2000', compression: 'jpeg-2000' },
  '1.2.840.10008.1.2.4.201': { name: 'HTJ2K lossless', compression: 'htj2k' },
  '1.2.840.10008.1.2.4.202': { name: 'HTJ2K lossless RPCL', compression: 'htj2k' },
  '1.2.840.10008.1.2.4.203': { name: 'HTJ2K', compression: 'htj2k' },
  '1.2.840.10008.1.2.5': { name: 'RLE lossless', compression: 'rle' },
};

/** Undefined where frames are films, references or something that is not read. */
export function transferSyntaxOf(uid: string): TransferSyntax | undefined {
  return Object.hasOwn(SYNTAXES, uid) ? SYNTAXES[uid] : undefined;
}
