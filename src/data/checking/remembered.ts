/**
 * Pictures that an earlier start has looked at, so that this one need not. A picture counts as known only when nothing can have happened to
 * it: the record is of its path together with its size, inode and the times of its last changes to the nanosecond, of which the system sets
 * one itself. A picture changed within the last seconds before it was looked at is not recorded, since a clock that is coarse could hide a
 * further change. Only good pictures are recorded.
 */
import type { FileLook, Platform } from '../../platform.ts';
import { cacheFolder, joinPath, parentPath } from '../../platform.ts';

export interface KnownPicture {
  width: number;
  height: number;
  /** Decoded in full; else only its header was read. */
  isDecoded: boolean;
}

/** Another word when the checks become stricter: what older versions recorded is then looked at again. */
const FIRST_LINE = 'vernier checked pictures 1';
/** Some file systems keep times in steps of two seconds. */
const SETTLED_MS = 5_000;
/** Of 40 bytes each. */
const MAX_RECORDS = 2_000_000;

export class RememberedPictures {
  private readonly platform: Platform;
  private readonly file: string;
  private readonly now: () => number;
  private readonly known = new Map<string, KnownPicture>();
  private isChanged = false;

  private constructor(platform: Platform, file: string, now: () => number) {
    this.platform = platform;
    this.file = file;
    this.now = now;
  }

  /**
   * What is recorded for a file of rows; undefined where nothing can be (a browser, no home).
   * @param rows path of the file
   * @param now ms since 1970
   */
  static async open(platform: Platform, rows: string, now: () => number = Date.now): Promise<RememberedPictures | undefined> {
    const { links, hash: hasher } = platform;
    const folder = cacheFolder(platform, 'checked');
    if (links === undefined || hasher === undefined || folder === undefined) return undefined;
    const hash = hasher('sha256');
    hash.update(new TextEncoder().encode(await links.realPath(rows)));
    const opened = new RememberedPictures(platform, joinPath(folder, `${hash.hex().slice(0, 32)}.txt`), now);
    await opened.read();
    return opened;
  }

  find(path: string, look: FileLook): KnownPicture | undefined {
    return this.known.get(this.keyOf(path, look));
  }

  add(path: string, look: FileLook, picture: KnownPicture): void {
    if (this.now() - look.changedAt < SETTLED_MS || this.known.size >= MAX_RECORDS) return;
    this.known.set(this.keyOf(path, look), picture);
    this.isChanged = true;
  }

  /** To be called once; a folder that cannot be written is no reason to stop. */
  async save(): Promise<void> {
    if (!this.isChanged) return;
    const lines = [...this.known].map(
      ([key, { width, height, isDecoded }]) => `${key} ${width} ${height} ${isDecoded ? 'decoded' : 'header'}`,
    );
    try {
      await this.platform.makeDir(parentPath(this.file));
      await this.platform.writeFile(this.file, `${[FIRST_LINE, ...lines].join('\n')}\n`);
    } catch {
      return;
    }
  }

  private async read(): Promise<void> {
    try {
      if (!(await this.platform.exists(this.file))) return;
      const [first, ...lines] = new TextDecoder().decode(await this.platform.readFile(this.file)).split('\n');
      if (first !== FIRST_LINE) return;
      for (const line of lines) {
        const found = /^([0-9a-f]{32}) (\d+) (\d+) (decoded|header)$/.exec(line);
        if (found) this.known.set(found[1] ?? '', { width: Number(found[2]), height: Number(found[3]), isDecoded: found[4] === 'decoded' });
      }
    } catch {
      this.known.clear();
    }
  }

  private keyOf(path: string, { stamp }: FileLook): string {
    const hash = this.platform.hash?.('sha256');
    hash?.update(new TextEncoder().encode(`${path}\n${stamp}`));
    return hash?.hex().slice(0, 32) ?? '';
  }
}
