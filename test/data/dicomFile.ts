/** Small DICOM files: explicit VR little endian, 16 bits of grey. */

export interface SmallDicom {
  rows: number;
  columns: number;
  values: Int16Array;
  /** Of projections and pictures there are none. */
  position?: readonly number[];
  orientation?: readonly number[];
  modality?: string;
  study?: string;
  imageType?: string;
  /** TemporalPositionIdentifier, AcquisitionNumber. */
  temporal?: number;
  acquisition?: number;
  /** Unset: one of the number in the series. */
  object?: string;
  /** mm between rows, between columns. */
  spacing: readonly [number, number];
  /** Null: none. */
  instance: number | null;
  series?: { uid: string; number: number; description: string };
}

export function dicomFile({
  rows,
  columns,
  values,
  position,
  orientation,
  modality = 'CT',
  study,
  imageType,
  temporal,
  acquisition,
  object,
  spacing,
  instance,
  series,
}: SmallDicom): Uint8Array {
  const parts: Uint8Array[] = [new Uint8Array(128), new TextEncoder().encode('DICM')];
  const element = (group: number, number: number, vr: string, data: string | number | Uint8Array): void => {
    const text = typeof data === 'string' ? new TextEncoder().encode(data.length % 2 === 0 ? data : `${data} `) : undefined;
    const bytes = text ?? (typeof data === 'number' ? new Uint8Array(Uint16Array.of(data).buffer) : (data as Uint8Array));
    const isLong = vr === 'OW';
    const head = new DataView(new ArrayBuffer(isLong ? 12 : 8));
    head.setUint16(0, group, true);
    head.setUint16(2, number, true);
    head.setUint8(4, vr.charCodeAt(0));
    head.setUint8(5, vr.charCodeAt(1));
    if (isLong) head.setUint32(8, bytes.length, true);
    else head.setUint16(6, bytes.length, true);
    parts.push(new Uint8Array(head.buffer), bytes);
  };
  element(0x0002, 0x0010, 'UI', '1.2.840.10008.1.2.1\0');
  if (imageType !== undefined) element(0x0008, 0x0008, 'CS', imageType);
  element(0x0008, 0x0018, 'UI', object ?? `1.2.3.4.${instance}`);
  element(0x0008, 0x0060, 'CS', modality);
  if (series) element(0x0008, 0x103e, 'LO', series.description);
  if (study !== undefined) element(0x0020, 0x000d, 'UI', study);
  element(0x0020, 0x000e, 'UI', series?.uid ?? '1.2.3.4');
  if (series) element(0x0020, 0x0011, 'IS', String(series.number));
  if (acquisition !== undefined) element(0x0020, 0x0012, 'IS', String(acquisition));
  if (instance !== null) element(0x0020, 0x0013, 'IS', String(instance));
  if (position) element(0x0020, 0x0032, 'DS', position.map((mm) => mm.toFixed(6)).join('\\'));
  if (orientation && orientation.length > 0) element(0x0020, 0x0037, 'DS', orientation.join('\\'));
  if (temporal !== undefined) element(0x0020, 0x0100, 'IS', String(temporal));
  element(0x0028, 0x0002, 'US', 1);
  element(0x0028, 0x0004, 'CS', 'MONOCHROME2');
  element(0x0028, 0x0010, 'US', rows);
  element(0x0028, 0x0011, 'US', columns);
  element(0x0028, 0x0030, 'DS', spacing.join('\\'));
  for (const [number, value] of [[0x100, 16], [0x101, 16], [0x102, 15], [0x103, 1]] as const) element(0x0028, number, 'US', value); // prettier-ignore
  element(0x7fe0, 0x0010, 'OW', new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  return new Uint8Array(Buffer.concat(parts));
}
