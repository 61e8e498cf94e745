/// <reference path="./dicomCodecs.d.ts" />
/**
 * The Platform of Node, Bun and Deno: files through `node:fs`, images through sharp, the GPU through Dawn (package `webgpu`), or through
 * the runtime's own WebGPU in Deno. One file serves the three because Bun and Deno both carry Node's file API.
 *
 * Files are written whole or not at all: a temporary file beside the target, fsync, rename, fsync of the folder. A full disk or a kill
 * while a checkpoint is saved therefore leaves the previous one untouched.
 */
import { constants, fstatSync } from 'node:fs';
import type { Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import process from 'node:process';
import { crc32, deflateSync } from 'node:zlib';
import { decodePicture } from '../src/data/pictures/decode.ts';
import { pngBytes } from '../src/data/pictures/pngWrite.ts';
import { FILE_FAULTS } from '../src/io/fileFaults.ts';
import { temporaryName } from '../src/io/temporaryNames.ts';
import { provideTimeLimit } from '../src/io/timeLimit.ts';
import type { AtomicFile, DicomCodecName, FileAbilities, MakeOptions, Platform, RangedFile } from '../src/platform.ts';
import { errorText, UserError } from '../src/platform.ts';
import { gpuMemory } from './gpuMemory.ts';
import { nativeFiles } from './nativeFiles.ts';
import { makeDawnPatient, outlives } from './patientDawn.ts';
import { quietly } from './quietDawn.ts';
import { openNetwork } from './network/network.ts';
import { sharpDecoder } from './sharpPictures.ts';
import { limited } from './timeLimit.ts';

provideTimeLimit(limited);

function runtimeName(): 'node' | 'deno' | 'bun' {
  if ('Deno' in globalThis) return 'deno';
  return process.versions['bun'] === undefined ? 'node' : 'bun';
}

const name = runtimeName();
const dicomCodec = async (codec: DicomCodecName, options: object): Promise<unknown> => (await DICOM_CODECS[codec]()).default(options);
const DICOM_CODECS = {
  charls: () => import('@cornerstonejs/codec-charls/decodewasmjs'),
  openjpeg: () => import('@cornerstonejs/codec-openjpeg/decodewasmjs'),
  'libjpeg-turbo': () => import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs'),
};

// ---- GPU ----------------------------------------------------------------------------------------------------------------------------

/** f16 is off on NVIDIA/Vulkan and timestamps are coarse unless Dawn is told otherwise. */
const DAWN_FEATURES = 'allow_unsafe_apis,vulkan_enable_f16_on_nvidia';

/** Kept while the GPU is in use: Dawn's objects die with the value that `create` returns. */
let gpuReference: GPU | undefined;
/** Of `--gpu_adapter`. */
let adapterName: string | undefined;

/**
 * Dawn's start options: our toggles, then those of `VERNIER_DAWN_FLAGS` (separated by spaces, e.g. `backend=null adapter=llvmpipe`).
 * Toggles asked for there are added to ours, since Dawn keeps only the last `enable-dawn-features`.
 */
export function dawnFlags(extra: string | undefined): string[] {
  const features = [DAWN_FEATURES];
  const others: string[] = [];
  for (const flag of (extra ?? '').split(/\s+/).filter((part) => part !== '')) {
    const toggles = /^enable-dawn-features=(.*)$/.exec(flag)?.[1];
    if (toggles === undefined) others.push(flag);
    else features.push(toggles);
  }
  return [`enable-dawn-features=${features.join(',')}`, ...others];
}

/** Dawn looks for adapters when it is asked for the first one. */
function started(gpu: GPU): GPU {
  void gpu.requestAdapter().catch(() => undefined); // whoever needs an adapter asks again, and is told
  return gpu;
}

async function openGpu(): Promise<GPU> {
  if (gpuReference !== undefined) return gpuReference;
  if (name === 'deno') {
    const own = (globalThis.navigator as Navigator | undefined)?.gpu;
    if (own === undefined)
      throw new UserError('WebGPU: this Deno has no navigator.gpu. Use Deno 2.2 or newer, or start it with --unstable-webgpu.');
    gpuReference = own;
    return own;
  }
  const webgpu = await import('webgpu').catch((cause: unknown) => {
    throw new UserError(
      `WebGPU: the package "webgpu" (Dawn) could not be loaded on ${process.platform}-${process.arch}: ${errorText(cause)}. ` +
        'Run `npm install webgpu`; on Linux it needs glibc 2.34 or newer and the Vulkan loader (libvulkan1).',
    );
  });
  Object.assign(globalThis, webgpu.globals);
  const flags = [...dawnFlags(process.env['VERNIER_DAWN_FLAGS']), ...(adapterName === undefined ? [] : [`adapter=${adapterName}`])];
  if (name === 'node') makeDawnPatient();
  try {
    const opened = name === 'node' ? await quietly(() => started(webgpu.create(flags))) : webgpu.create(flags);
    outlives(opened);
    gpuReference ??= opened; // somebody else may have opened one meanwhile
  } catch (cause) {
    throw new UserError(
      `WebGPU: Dawn refused to start with the options ${flags.join(' ')}: ${errorText(cause)}. ` +
        'Check VERNIER_DAWN_FLAGS; unset it to let Dawn choose.',
    );
  }
  return gpuReference;
}

/**
 * Lets go of the GPU. Dawn's threads keep the process alive for as long as the reference is held, so a command line calls this when its
 * work is done (devices destroyed first). A later `nodePlatform.gpu()` opens a new one.
 */
export function releaseGpu(): void {
  gpuReference = undefined;
}

// ---- files --------------------------------------------------------------------------------------------------------------------------

function errorCode(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}

/** What the system, or Node before it asks the system, says of a path, in words; `action` reads "read", "write", … */
export function inWords(cause: unknown, action: string, file: string): Error {
  const code = errorCode(cause);
  const advice = FILE_FAULTS[code];
  if (advice !== undefined) return new UserError(`Cannot ${action} ${file}: ${advice}`);
  // Any other code of the system is about the path too, never about us.
  if (/^E[A-Z0-9]{2,}$/.test(code)) return new UserError(`Cannot ${action} ${file}: the system reports ${code} (${errorText(cause)}).`);
  return cause instanceof Error ? cause : new Error(errorText(cause));
}

async function orInWords<T>(work: Promise<T>, action: string, file: string): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw inWords(cause, action, file);
  }
}

async function stat(file: string): Promise<Stats | undefined> {
  try {
    return await fs.stat(file);
  } catch (cause) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(cause))) return undefined;
    throw inWords(cause, 'look at', file);
  }
}

/** What a path leads to if that is no regular file; a pipe has no end and no size, and the mere opening of a device may do something. */
function otherKind(info: Stats): string | undefined {
  if (info.isFile()) return undefined;
  if (info.isDirectory()) return 'folder';
  if (info.isFIFO()) return 'pipe (FIFO)';
  if (info.isSocket()) return 'socket';
  return info.isCharacterDevice() || info.isBlockDevice() ? 'device' : 'special file';
}

/**
 * @throws UserError for a folder, pipe, socket or device; what is written may go to a device (/dev/null), which does not wait for a reader
 */
function checkRegular(info: Stats, action: 'read' | 'write', file: string): void {
  const kind = otherKind(info);
  if (kind === 'device' && action === 'write') return;
  if (kind === 'folder') throw inWords(Object.assign(new Error(), { code: 'EISDIR' }), action, file);
  if (kind !== undefined) throw new UserError(`Cannot ${action} ${file}: it is a ${kind}, a regular file was expected.`);
}

/** Opened without waiting: a pipe that took the file's place since it was looked at has no writer to wait for. */
const READ = constants.O_RDONLY | ((constants as Partial<typeof constants>).O_NONBLOCK ?? 0);

async function openRanged(file: string): Promise<RangedFile> {
  checkRegular(await orInWords(fs.stat(file), 'open', file), 'read', file);
  const handle = await orInWords(fs.open(file, READ), 'open', file);
  let size: number;
  try {
    // At once: of a file that is open, nothing has to be waited for.
    const info = fstatSync(handle.fd);
    checkRegular(info, 'read', file);
    size = info.size;
  } catch (error) {
    await handle.close();
    throw inWords(error, 'look at', file);
  }
  return {
    path: file,
    size,
    async read(offset, length, into) {
      if (offset < 0 || length < 0 || offset + length > size) {
        throw new UserError(
          `${file}: bytes ${offset} to ${offset + length} were expected, the file has ${size}. It is truncated or corrupt; fetch it again.`,
        );
      }
      const bytes = into?.subarray(0, length) ?? new Uint8Array(length);
      let done = 0;
      while (done < length) {
        // One call reads at most 2 GiB on Linux, and a network file system may return less than was asked for.
        const step = Math.min(length - done, 1 << 30);
        const { bytesRead } = await orInWords(handle.read(bytes, done, step, offset + done), 'read', file);
        if (bytesRead === 0)
          throw new UserError(`${file}: it became shorter while it was read (${offset + done} of ${size} bytes). Fetch it again.`);
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
}

/** Less the umask, as of every new file. */
function fileMode(isPrivate = false): number {
  return isPrivate ? 0o600 : 0o666;
}

/**
 * Node says ENOENT of a folder that cannot be made with those on the way to it, whatever the reason (a disk that is read-only). Made one
 * after another, the system says why.
 */
async function makeFolders(folder: string): Promise<void> {
  try {
    await fs.mkdir(folder, { recursive: true });
  } catch (cause) {
    if (errorCode(cause) !== 'ENOENT') throw cause;
    await makeOneByOne(path.resolve(folder));
  }
}

async function makeOneByOne(folder: string): Promise<void> {
  const above = path.dirname(folder);
  const isThere = await fs.stat(above).then(
    () => true,
    () => false,
  );
  if (!isThere && above !== folder) await makeOneByOne(above);
  await fs.mkdir(folder).catch(async (cause: unknown) => {
    if (errorCode(cause) !== 'EEXIST' || !(await fs.stat(folder)).isDirectory()) throw cause;
  });
}

async function makeDir(folder: string, { isPrivate }: MakeOptions = {}): Promise<void> {
  await makeFolders(isPrivate ? path.dirname(path.resolve(folder)) : folder);
  if (!isPrivate) return;
  try {
    await fs.mkdir(folder, { mode: 0o700 });
  } catch (cause) {
    if (errorCode(cause) !== 'EEXIST' || !(await fs.stat(folder)).isDirectory()) throw cause;
  }
}

async function createAtomic(file: string, { isPrivate }: MakeOptions = {}): Promise<AtomicFile> {
  const temporary = temporaryName(file);
  const handle = await orInWords(fs.open(temporary, 'wx', fileMode(isPrivate)), 'write', file);
  let open = true;
  const abort = async (): Promise<void> => {
    if (open) await handle.close().catch(() => undefined);
    open = false;
    await fs.rm(temporary, { force: true });
  };
  // A failed write must not leave half a file behind, nor hide its own error behind one of the clean-up.
  const orAbort = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      await abort().catch(() => undefined);
      throw inWords(cause, 'write', file);
    }
  };
  return {
    async write(bytes) {
      let done = 0;
      while (done < bytes.length) {
        const step = Math.min(bytes.length - done, 1 << 30);
        const { bytesWritten } = await orAbort(handle.write(bytes, done, step));
        done += bytesWritten;
      }
    },
    async commit() {
      await orAbort(handle.sync());
      await orAbort(handle.close());
      open = false;
      await orAbort(fs.rename(temporary, file));
      await syncFolder(path.dirname(file));
    },
    abort,
  };
}

/** Makes a rename survive a power cut. Windows and some network file systems cannot; the file itself is safe there too. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await fs.open(folder, constants.O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    return;
  }
}

/** @throws UserError where the path leads to a folder, or to a pipe or socket, where writing would wait for a reader */
async function checkWritable(file: string): Promise<void> {
  const info = await stat(file);
  if (info !== undefined) checkRegular(info, 'write', file);
}

async function webgpuVersion(): Promise<string> {
  if (name === 'deno') return `Deno ${(globalThis as unknown as { Deno: { version: { deno: string } } }).Deno.version.deno}`;
  const toggles = process.env['VERNIER_DAWN_FLAGS'] ?? '';
  try {
    const manifest = await fs.readFile(new URL('package.json', import.meta.resolve('webgpu')), 'utf8');
    return ['Dawn of webgpu', (JSON.parse(manifest) as { version: string }).version, toggles].join(' ').trim();
  } catch {
    return `Dawn ${toggles}`.trim();
  }
}

/** This process's files, network, pictures and GPU. */
export const nodePlatform: Platform & FileAbilities = {
  name,
  gpu: openGpu,
  ...(name === 'deno' ? {} : { chooseAdapter: (part: string) => void (adapterName = part) }),
  webgpuVersion,
  releaseGpu,
  gpuMemory,
  isGpuPatient: process.platform !== 'win32' && process.platform !== 'darwin',
  env: (variable) => process.env[variable],

  absolutePath: (file) => (path.sep === '/' ? path.resolve(file) : path.resolve(file).replaceAll(path.sep, '/')),
  exists: async (file) => (await stat(file)) !== undefined,
  isDirectory: async (file) => (await stat(file))?.isDirectory() ?? false,
  listDir: async (folder) => (await orInWords(fs.readdir(folder), 'list', folder)).sort(),
  async readFile(file) {
    const ranged = await openRanged(file);
    try {
      return await ranged.read(0, ranged.size);
    } finally {
      await ranged.close();
    }
  },
  openFile: openRanged,
  makeDir: (folder, options) => orInWords(makeDir(folder, options), 'create the folder', folder),
  async writeFile(file, data, options) {
    const target = await createAtomic(file, options);
    await target.write(typeof data === 'string' ? new TextEncoder().encode(data) : data);
    await target.commit();
  },
  createFile: createAtomic,
  async appendFile(file, text, { isPrivate } = {}) {
    await checkWritable(file);
    await orInWords(fs.appendFile(file, text, { mode: fileMode(isPrivate) }), 'write', file);
  },
  async rename(from, to) {
    await orInWords(fs.rename(from, to), 'rename to ' + to + ' the file', from);
    await syncFolder(path.dirname(to));
  },
  remove: (file) => orInWords(fs.rm(file, { recursive: true, force: true }), 'remove', file),

  ...nativeFiles(inWords, checkWritable),
  network: openNetwork(name, (variable) => process.env[variable]),
  decodeImage: (bytes, imageName, options = {}) => decodePicture(bytes, imageName, options, { ...sharpDecoder, dicomCodec }),
  dicomCodec,
  async encodePng(data, width, height, channels, inFile) {
    if (data.length !== width * height * channels) {
      throw new Error(
        `encodePng: ${width}×${height} with ${channels} channels needs ${width * height * channels} bytes, got ${data.length}`,
      );
    }
    const raster = { width, height, channels, inFile: inFile ?? channels };
    return pngBytes(data, raster, { deflate: (bytes) => deflateSync(bytes, { level: 2, chunkSize: 1 << 17 }), crc32 });
  },
};
