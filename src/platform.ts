/**
 * What the runtimes differ in: the GPU object, files, image decoding. Everything in `src` reaches the outside world
 * through this interface, so the same core runs in Node, Deno, Bun and the browser. Implementations: `node/platform.ts`, `web/platform.ts`.
 * Paths are plain strings with `/` separators; a browser maps them onto its private file system.
 */

/** A file open for ranged reads, so that a checkpoint of many GB is never held whole. */
export interface RangedFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`; a file shorter than that is an error that names the file.
   * @param into at least so many bytes of the caller's, which what is returned may lie in
   */
  read(offset: number, length: number, into?: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface DecodedImage {
  width: number;
  height: number;
  /**
   * RGB, 3 bytes a pixel, row-major: what Pillow gives with `ImageOps.exif_transpose(Image.open(file)).convert('RGB')`. Grey and palette
   * pictures are expanded, alpha and profiles are dropped, and the picture is upright (EXIF orientation is applied).
   */
  data: Uint8Array;
  /** The same as one byte a pixel, where red, green and blue are known to be alike; then `data` may be made when it is asked for. */
  grey?: Uint8Array;
  /** Gives its memory back, for another picture. Nothing may be asked of the picture after it. */
  release?: () => void;
  /** What the user should hear about how it was read. */
  notes?: PictureNote[];
}

/** Greys of more than 8 bits: cut off at 255 as Pillow does, spread over their full range, or windowed (src/data/pictures/deepGrey.ts). */
export type SixteenBit = 'clip' | 'scale' | 'window';

export interface DecodeOptions {
  /** Default: clip. */
  sixteenBit?: SixteenBit;
}

export interface PictureNote {
  /** clipped: greys of more than 8 bits are cut off. frames: others than the first are left out. */
  kind: 'clipped' | 'frames';
  /** The picture's. */
  name: string;
  /** A sentence that names the picture. */
  text: string;
}

/** Modules of WebAssembly for JPEG-LS, JPEG 2000 with HTJ2K, and JPEG of 8 bits. */
export type DicomCodecName = 'charls' | 'openjpeg' | 'libjpeg-turbo';

/** A file being written beside its final name; it takes the name on `commit` and vanishes on `abort`. */
export interface AtomicFile {
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

/** A file that grows at its end and may be continued by a later process. */
export interface AppendFile {
  /** Bytes. */
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Back to no bytes. */
  truncate(): Promise<void>;
  /** With fsync. */
  close(): Promise<void>;
}

export interface Hasher {
  update(bytes: Uint8Array): void;
  /** Ends it. */
  hex(): string;
}

export interface FileLook {
  kind: 'file' | 'folder' | 'other';
  /** Bytes. */
  size: number;
  /**
   * Another one whenever the file may be another: size, inode and the times of its last changes, of which no program can set the later one.
   */
  stamp: string;
  /** ms since 1970 of the last change. */
  changedAt: number;
}

/** How something new on the disk is made; what is there keeps its permissions. */
export interface MakeOptions {
  /** For this user alone (0600, folders 0700), where the system has permissions: what shows patients, or may hold a key. */
  isPrivate?: boolean;
}

/** Another process that holds a lock. */
export interface LockHolder {
  /** "process 7 on ward-3 (train), since …" */
  words: string;
  /** It is known to live; else it may be dead. */
  isAlive: boolean;
}

export interface FileLock {
  /**
   * Aborted, with a UserError that says who has it, when the lock has become another's: this process was suspended for so long that it was
   * taken for dead.
   */
  readonly lost: AbortSignal;
  /**
   * To be called before what would do harm if the lock were another's.
   * @param maxAgeMs for how long an earlier look is good enough; 0 unless given
   * @throws UserError where the lock is lost
   */
  check(maxAgeMs?: number): Promise<void>;
  release(): Promise<void>;
}

export interface Links {
  /** Makes `path` a link to `target` (relative to its folder). Throws where the file system has none. */
  make(target: string, path: string): Promise<void>;
  /** Makes `path` another name of the file `target`. Throws where the file system has none. */
  makeHard?(target: string, path: string): Promise<void>;
  /** Where a path leads, all links followed. */
  realPath(path: string): Promise<string>;
}

/**
 * What not every runtime can do with files. Each is absent from a Platform that cannot; who wants it does without then, or says what it is
 * needed for.
 */
export interface FileAbilities {
  readonly links: Links;
  /** What is at the path, links followed; undefined: nothing. */
  look(path: string): Promise<FileLook | undefined>;
  openAppend(path: string, options?: MakeOptions): Promise<AppendFile>;
  /** What is added to a file costs a copy of what is there: all right for logs, not for downloads. */
  readonly appendsByCopying: boolean;
  /** The file as a Blob that stays on disk. */
  blob(path: string): Promise<Blob>;
  /** Piece by piece, in native code. */
  hash(algorithm: 'sha1' | 'sha256'): Hasher;
  /**
   * Waits for a lock file, which holds against other processes and machines until it is released; one of a dead process is taken over
   * (within 90 s where only its standing still can tell). `onWait` is called when another holds it, and again when that one is seen to
   * live; what it throws ends the waiting, as does `signal`.
   * @throws UserError where something else lies there; the signal's reason
   */
  lock(
    path: string,
    options?: { onWait?: ((holder: LockHolder) => void) | undefined; signal?: AbortSignal | undefined },
  ): Promise<FileLock>;
  /** Free space of the disk that `path` is or will be on, in bytes. */
  freeBytes(path: string): Promise<number | undefined>;
}

export interface GpuMemory {
  bytes: number;
  /** Who says so, in words. */
  source: string;
}

/** How requests leave this machine: through its proxies, with its certificates. */
export interface Network {
  /** As the global one. @throws NetworkError where no answer came; UserError where a variable of the network is wrong */
  fetch(url: string | URL, init: RequestInit): Promise<Response>;
}

type OptionalAbilities = { readonly [Name in keyof FileAbilities]?: FileAbilities[Name] | undefined };

export interface Platform extends OptionalAbilities {
  readonly name: 'node' | 'deno' | 'bun' | 'browser';
  /** The WebGPU entry point; throws an Error that says what to install where there is none. */
  gpu(): Promise<GPU>;
  /** `gpu` then has the adapters alone that have this in their names. Absent where the runtime chooses by itself. */
  chooseAdapter?(name: string): void;
  /** What implements WebGPU, with its version; absent where nothing tells. */
  webgpuVersion?(): Promise<string>;
  /** Lets go of what `gpu` opened, which may keep the process alive; devices are destroyed first. A later `gpu` opens it anew. */
  releaseGpu?(): void;
  /** How much memory the GPU has and who says so, where the system tells. */
  gpuMemory?(gpu: { isSoftware: boolean }): Promise<GpuMemory | undefined>;
  /** Nothing takes the GPU away when it is at one submit for seconds, and a desktop can be asked for patience (or has a GPU of its own). */
  readonly isGpuPatient?: boolean;
  env(name: string): string | undefined;

  /** The path from the root, with `/` and without `.` and `..`. */
  absolutePath(path: string): string;
  exists(path: string): Promise<boolean>;
  isDirectory(path: string): Promise<boolean>;
  listDir(path: string): Promise<string[]>;
  readFile(path: string): Promise<Uint8Array>;
  openFile(path: string): Promise<RangedFile>;
  /** With the folders it lies in, which are not private. */
  makeDir(path: string, options?: MakeOptions): Promise<void>;
  /** Whole-file atomic write: temporary file beside it, fsync, rename. */
  writeFile(path: string, data: Uint8Array | string, options?: MakeOptions): Promise<void>;
  createFile(path: string, options?: MakeOptions): Promise<AtomicFile>;
  appendFile(path: string, text: string, options?: MakeOptions): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;

  /** @throws UserError that names the picture and says why it cannot be read, or not with Pillow's bytes */
  decodeImage(bytes: Uint8Array, name: string, options?: DecodeOptions): Promise<DecodedImage>;
  /** Absent where the global `fetch` is all there is, as in browsers. */
  readonly network?: Network;
  /**
   * A new instance of a module that decodes compressed DICOM, as @cornerstonejs/codec-… makes it. Absent where none is brought along.
   * @param options of Emscripten's
   */
  dicomCodec?(name: DicomCodecName, options: object): Promise<unknown>;
  /** PNG of an RGB (channels 3) or grey (channels 1) raster. @param inFile channels of the file: greys can be written as colours */
  encodePng(data: Uint8Array, width: number, height: number, channels: 1 | 3, inFile?: 3): Promise<Uint8Array>;
}

/**
 * A mistake in what the user gave us (a file, a flag, a data row): the message names the thing, what was expected, what was
 * found and the fix. Command lines print it without a stack trace; anything else that is thrown is a defect of ours.
 */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** What was thrown, in words: an error's message. */
export function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The platform, making everything for this user alone. */
export function ownFiles(platform: Platform): Platform {
  const { openAppend } = platform;
  const own = { isPrivate: true };
  return {
    ...platform,
    makeDir: (path) => platform.makeDir(path, own),
    writeFile: (path, data) => platform.writeFile(path, data, own),
    createFile: (path) => platform.createFile(path, own),
    appendFile: (path, text) => platform.appendFile(path, text, own),
    ...(openAppend && { openAppend: (path: string) => openAppend(path, own) }),
  };
}

/** No answer came to a request. Its message is the reason, for the middle of a sentence; whoever sent the request says what it was for. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
  /** What to do, as sentences. */
  readonly fix: string;
  /** Trying again would change nothing: a setting has to. */
  readonly isLasting: boolean;

  constructor(reason: string, fix: string, isLasting: boolean, options?: ErrorOptions) {
    super(reason, options);
    this.fix = fix;
    this.isLasting = isLasting;
  }
}

/** A count and what is counted, as messages have it: "0 rows", "1 row", "2 rows". */
export function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** The first of them, as messages list them: "a, b, …". */
export function firstOf(items: readonly string[], most: number): string {
  return `${items.slice(0, most).join(', ')}${items.length > most ? ', …' : ''}`;
}

export function isAbsolute(path: string): boolean {
  return path.startsWith('/') || /^[A-Za-z]:[\\/]/.test(path);
}

/** A sentence as part of a longer one. */
export function withoutFullStop(sentence: string): string {
  return sentence.replace(/\.$/, '');
}

/** Joins with `/`; an absolute last part wins, as in Python's os.path.join. */
export function joinPath(...parts: string[]): string {
  let out = '';
  for (const part of parts) {
    if (part === '') continue;
    if (isAbsolute(part) || out === '') out = part;
    else out = out.replace(/\/+$/, '') + '/' + part;
  }
  return out;
}

/** A folder of ours in the user's cache folder, by the rules of the system; undefined where there is none, as in a browser. */
export function cacheFolder({ env }: Pick<Platform, 'env'>, name: string): string | undefined {
  const base =
    env('XDG_CACHE_HOME') ?? env('LOCALAPPDATA') ?? (env('HOME') === undefined ? undefined : joinPath(env('HOME') ?? '', '.cache'));
  return base === undefined || base === '' ? undefined : joinPath(base, 'vernier', name);
}

/** The folder a path lies in: '.' of a bare name, '/' of what lies in the root. */
export function parentPath(path: string): string {
  const at = path.replace(/\/+$/, '').lastIndexOf('/');
  return at < 0 ? '.' : at === 0 ? '/' : path.slice(0, at);
}

/** The way from one folder to a path, both from the root. */
export function relativePath(fromDir: string, to: string): string {
  const from = fromDir.split('/').filter((part) => part !== '');
  const target = to.split('/').filter((part) => part !== '');
  let same = 0;
  while (same < from.length && same < target.length && from[same] === target[same]) same++;
  return [...from.slice(same).map(() => '..'), ...target.slice(same)].join('/') || '.';
}

/** The last part of a path, without what it lies in: folders name people and machines. */
export function lastName(path: string): string {
  return (
    path
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) || path
  );
}

/** The home folder that a path lies in or is. @param home as the HOME variable */
export function homeOf(path: string, home: string | undefined): string | undefined {
  const own = home?.replace(/[\\/]+$/, '') ?? '';
  if (own !== '' && (path === own || path.startsWith(`${own}/`))) return own;
  return /^(?:.*?[\\/])?(?:home|Users)[\\/][^\\/]+|^\/root(?=\/|$)/i.exec(path)?.[0];
}

/**
 * A path for files that are passed on: as it is, but the last part alone of one in somebody's home folder. @param home as the HOME variable
 */
export function withoutHome(path: string, home: string | undefined): string {
  return homeOf(path, home) === undefined ? path : lastName(path);
}

/** Bytes that are only in memory, read as a file of a platform's. @param path what messages call it */
export function fileInMemory(path: string, bytes: Uint8Array): RangedFile {
  return {
    path,
    size: bytes.length,
    read: (offset, length) =>
      offset + length <= bytes.length
        ? Promise.resolve(bytes.slice(offset, offset + length))
        : Promise.reject(new UserError(`${path}: bytes ${offset} to ${offset + length} were expected, it has ${bytes.length}.`)),
    close: () => Promise.resolve(),
  };
}
