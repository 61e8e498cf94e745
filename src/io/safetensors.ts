/**
 * The safetensors format: 8 bytes of header length, a JSON header, the tensors back to back. The reader takes the header only and serves
 * ranges, so that a checkpoint of many GB is never held whole; it checks everything the Rust library checks, because a file that was cut or
 * altered would otherwise train on garbage. The writer streams, and orders tensors and pads the header as the library does, so that
 * reading and writing a file gives the same bytes.
 */
import { bf16ToF32, f16ToF32 } from './halfFloat.ts';
import { duplicateKey, parseJson, shownJson } from './parseJson.ts';
import { type AtomicFile, errorText, type Platform, type RangedFile, UserError } from '../platform.ts';

/** Bytes an element, listed in the library's own order of alignment: the writer sorts by it. */
const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  C64: 8,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

export type Dtype = keyof typeof DTYPE_BYTES;

const DTYPE_ORDER = new Map(Object.keys(DTYPE_BYTES).map((dtype, i) => [dtype, i]));

export interface TensorInfo {
  dtype: Dtype;
  shape: number[];
  /** Of the first byte, from the start of the file. */
  offset: number;
  bytes: number;
}

export interface SafetensorsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  /** All bytes of one tensor. */
  readRaw(name: string): Promise<Uint8Array>;
  /** `byteLength` bytes of a tensor from `byteOffset` within it: how tensors too large to hold at once are read. */
  readRange(name: string, byteOffset: number, byteLength: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** What the Rust library accepts at most; a longer header means that the first 8 bytes are not a safetensors length. */
const MAX_HEADER_BYTES = 100_000_000;

export function elementBytes(dtype: Dtype): number {
  return DTYPE_BYTES[dtype];
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Opens a file and reads its header. Throws a UserError that names the file, and the tensor where one is at fault. */
export async function openSafetensors(platform: Platform, path: string): Promise<SafetensorsFile> {
  if (!(await platform.exists(path))) throw new UserError(`${path}: no such file; a safetensors file was expected there`);
  const file = await platform.openFile(path);
  try {
    const { tensors, metadata } = await readHeader(file, path);
    return new OpenSafetensors(path, tensors, metadata, file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

class OpenSafetensors implements SafetensorsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  private readonly file: RangedFile;

  constructor(path: string, tensors: Map<string, TensorInfo>, metadata: Record<string, string>, file: RangedFile) {
    this.path = path;
    this.tensors = tensors;
    this.metadata = metadata;
    this.file = file;
  }

  async readRaw(name: string): Promise<Uint8Array> {
    const { offset, bytes } = this.info(name);
    return this.file.read(offset, bytes);
  }

  async readRange(name: string, byteOffset: number, byteLength: number): Promise<Uint8Array> {
    const { offset, bytes } = this.info(name);
    if (byteOffset < 0 || byteLength < 0 || byteOffset + byteLength > bytes) {
      throw new RangeError(`${this.path}: bytes ${byteOffset} to ${byteOffset + byteLength} of ${name} asked for, it has ${bytes}`);
    }
    return this.file.read(offset + byteOffset, byteLength);
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (info === undefined) throw new UserError(`${this.path} has no tensor ${name}`);
    return info;
  }
}

async function readHeader(file: RangedFile, path: string): Promise<{ tensors: Map<string, TensorInfo>; metadata: Record<string, string> }> {
  const corrupt = (what: string): UserError =>
    new UserError(`${path} is not a valid safetensors file: ${what}. It is damaged or was cut off; download or save it again`);
  if (file.size < 8) throw corrupt(`it has ${file.size} bytes, the length of its header alone takes 8`);
  const start = await file.read(0, 8);
  const view = new DataView(start.buffer, start.byteOffset, 8);
  const headerBytes = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (headerBytes > MAX_HEADER_BYTES || headerBytes > file.size - 8) {
    throw corrupt(`its header claims ${headerBytes} bytes, the file has ${file.size}`);
  }
  const text = decodeUtf8(await file.read(8, headerBytes), corrupt);
  const header = parseHeader(text, corrupt);

  const dataStart = 8 + headerBytes;
  const tensors = new Map<string, TensorInfo>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') metadata = readMetadata(entry, corrupt);
    else tensors.set(name, readEntry(name, entry, dataStart, corrupt));
  }
  checkLayout(tensors, dataStart, file.size, corrupt);
  return { tensors, metadata };
}

type Corrupt = (what: string) => UserError;

function decodeUtf8(bytes: Uint8Array, corrupt: Corrupt): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw corrupt('its header is not UTF-8 text');
  }
}

function parseHeader(text: string, corrupt: Corrupt): Record<string, unknown> {
  let header: unknown;
  try {
    header = parseJson(text);
  } catch {
    throw corrupt('its header is not JSON');
  }
  if (!isRecord(header)) throw corrupt('its header is not a JSON object');
  const twice = duplicateKey(text);
  if (twice !== undefined) throw corrupt(`tensor ${twice} is listed twice`);
  return header;
}

function readMetadata(entry: unknown, corrupt: Corrupt): Record<string, string> {
  if (!isRecord(entry)) throw corrupt('__metadata__ is not an object');
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string') throw corrupt(`__metadata__.${key} is not a string`);
    metadata[key] = value;
  }
  return metadata;
}

function readEntry(name: string, entry: unknown, dataStart: number, corrupt: Corrupt): TensorInfo {
  if (!isRecord(entry)) throw corrupt(`tensor ${name} has no description`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !isDtype(dtype)) {
    throw corrupt(`tensor ${name} has dtype ${shownJson(dtype)}, known are ${Object.keys(DTYPE_BYTES).join(' ')}`);
  }
  if (!isSizes(shape)) throw corrupt(`tensor ${name} has shape ${shownJson(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw corrupt(`tensor ${name} has data_offsets ${shownJson(offsets)}`);
  }
  const bytes = offsets[1]! - offsets[0]!;
  const needed = elementCount(shape) * DTYPE_BYTES[dtype];
  if (bytes !== needed)
    throw corrupt(`tensor ${name} of shape [${shape.join(', ')}] in ${dtype} needs ${needed} bytes, the file gives it ${bytes}`);
  return { dtype, shape, offset: dataStart + offsets[0]!, bytes };
}

/** Tensors lie back to back from the end of the header to the end of the file; anything else is an overlap, a hole or a cut. */
function checkLayout(tensors: Map<string, TensorInfo>, dataStart: number, fileSize: number, corrupt: Corrupt): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  for (const [name, { offset, bytes }] of inOrder) {
    if (offset + bytes > fileSize) throw corrupt(`tensor ${name} ends at byte ${offset + bytes}, the file has ${fileSize}`);
    if (offset < end) throw corrupt(`tensor ${name} overlaps the one before it`);
    if (offset > end) throw corrupt(`${offset - end} bytes before tensor ${name} belong to no tensor`);
    end = offset + bytes;
  }
  if (end !== fileSize) throw corrupt(`its tensors end at byte ${end}, the file has ${fileSize}`);
}

function isDtype(name: string): name is Dtype {
  return DTYPE_ORDER.has(name);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** The values of an F32, F16 or BF16 tensor; `label` names it in the error for any other dtype. */
export function toFloat32(raw: Uint8Array, dtype: Dtype, label: string): Float32Array {
  // A copy where the bytes do not start on an element, which typed arrays require.
  const aligned = raw.byteOffset % DTYPE_BYTES[dtype] === 0 ? raw : raw.slice();
  const length = raw.byteLength / DTYPE_BYTES[dtype];
  if (dtype === 'F32') return new Float32Array(aligned.buffer, aligned.byteOffset, length);
  if (dtype === 'BF16') return bf16ToF32(new Uint16Array(aligned.buffer, aligned.byteOffset, length));
  if (dtype === 'F16') return f16ToF32(new Uint16Array(aligned.buffer, aligned.byteOffset, length));
  throw new UserError(`${label} has dtype ${dtype}; F32, F16 or BF16 was expected`);
}

export type TensorBytes = Uint8Array | (() => Promise<Uint8Array> | AsyncIterable<Uint8Array>);

export interface TensorEntry {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
  /** The bytes, or a function called when their turn comes, which gives them whole or in chunks. */
  data: TensorBytes;
}

/** Writes a whole file; it appears under its name only when complete. A full disk or a folder that cannot be written is a UserError. */
export async function writeSafetensors(
  platform: Platform,
  path: string,
  entries: readonly TensorEntry[],
  metadata: Record<string, string> = { format: 'pt' },
): Promise<void> {
  const ordered = [...entries].sort((a, b) => DTYPE_ORDER.get(b.dtype)! - DTYPE_ORDER.get(a.dtype)! || compareUtf8(a.name, b.name));
  const header = encodeHeader(ordered, metadata);
  const onDisk = async <T>(action: Promise<T>): Promise<T> => {
    try {
      return await action;
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`${path} could not be written: ${errorText(error)}`, { cause: error });
    }
  };
  const file = await onDisk(platform.createFile(path));
  try {
    await onDisk(file.write(header));
    for (const entry of ordered) await writeTensor(file, entry, onDisk);
    await onDisk(file.commit());
  } catch (error) {
    await file.abort().catch(() => undefined); // the first error is the one to report
    throw error;
  }
}

async function writeTensor(file: AtomicFile, entry: TensorEntry, onDisk: <T>(action: Promise<T>) => Promise<T>): Promise<void> {
  const expected = elementCount(entry.shape) * DTYPE_BYTES[entry.dtype];
  let written = 0;
  for await (const chunk of chunksOf(entry.data)) {
    await onDisk(file.write(chunk));
    written += chunk.byteLength;
  }
  if (written !== expected) {
    throw new RangeError(
      `${entry.name} of shape [${entry.shape.join(', ')}] in ${entry.dtype} takes ${expected} bytes, ${written} were given`,
    );
  }
}

async function* chunksOf(data: TensorBytes): AsyncIterable<Uint8Array> {
  const source = typeof data === 'function' ? data() : data;
  if (source instanceof Uint8Array) yield source;
  else if (Symbol.asyncIterator in source) yield* source;
  else yield await source;
}

/** Length, JSON and the spaces that bring the data to a multiple of 8 bytes. */
function encodeHeader(ordered: readonly TensorEntry[], metadata: Record<string, string>): Uint8Array {
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) header.set('__metadata__', metadata);
  let end = 0;
  for (const { name, dtype, shape } of ordered) {
    if (header.has(name)) throw new RangeError(`tensor ${name} is given twice`);
    const start = end;
    end += elementCount(shape) * DTYPE_BYTES[dtype];
    header.set(name, { dtype, shape, data_offsets: [start, end] });
  }
  const members = [...header].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const out = new Uint8Array(8 + padded).fill(0x20);
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true);
  out.set(json, 8);
  return out;
}

/** Order of the UTF-8 bytes, as Rust compares strings; JavaScript's own order differs beyond the basic plane. */
function compareUtf8(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
