/**
 * As much of the protocol buffers wire format as event files need: fields of messages, written and joined.
 * https://protobuf.dev/programming-guides/encoding
 */
import { joinArrays } from '../io/joinArrays.ts';

export type Field = Uint8Array;

const encoder = new TextEncoder();

/** A whole number from 0 to 2⁵³. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return [...bytes, value];
}

const tag = (field: number, wireType: number): number[] => varint(field * 8 + wireType);

/** int32, int64, uint32, uint64, bool, enum; 0 … 2⁵³. */
export function integerField(field: number, value: number): Field {
  return Uint8Array.from([...tag(field, 0), ...varint(value)]);
}

export function doubleField(field: number, value: number): Field {
  const head = tag(field, 1);
  const out = new Uint8Array(head.length + 8);
  out.set(head);
  new DataView(out.buffer).setFloat64(head.length, value, true);
  return out;
}

export function floatField(field: number, value: number): Field {
  const head = tag(field, 5);
  const out = new Uint8Array(head.length + 4);
  out.set(head);
  new DataView(out.buffer).setFloat32(head.length, value, true);
  return out;
}

export function bytesField(field: number, bytes: Uint8Array): Field {
  return joinArrays(Uint8Array, [Uint8Array.from([...tag(field, 2), ...varint(bytes.length)]), bytes]);
}

export function stringField(field: number, text: string): Field {
  return bytesField(field, encoder.encode(text));
}

export function messageField(field: number, fields: readonly Field[]): Field {
  return bytesField(field, joinArrays(Uint8Array, fields));
}
