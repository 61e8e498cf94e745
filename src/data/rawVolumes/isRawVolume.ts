/** What tells NRRD and MetaImage by their first bytes. */

const HEAD_BYTES = 64;
const textOf = (head: Uint8Array): string => String.fromCharCode(...head.subarray(0, HEAD_BYTES));

export const isNrrd = (head: Uint8Array): boolean => /^NRRD000\d/.test(textOf(head));

export function isRawVolume(head: Uint8Array): boolean {
  return isNrrd(head) || /^\s*(?:ObjectType|ObjectSubType|NDims|Comment)\s*=/.test(textOf(head));
}
