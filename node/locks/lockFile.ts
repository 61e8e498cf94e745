/**
 * Locks as files of a file system that Node, Deno and Bun reach: written, linked, renamed and read so that no other process ever sees half
 * a lock. Who gets one and when, and why never two, is src/io/locks/locks.ts.
 */
import { constants, lstatSync, openSync, readSync, closeSync, renameSync, unlinkSync, fstatSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import * as path from 'node:path';
import { FIRST_BEAT, Locks } from '../../src/io/locks/locks.ts';
import type { Found, LockParameters } from '../../src/io/locks/locks.ts';
import { clearTemporariesOf, temporaryName } from '../../src/io/temporaryNames.ts';
import { UserError } from '../../src/platform.ts';
import { beginHeartbeat } from './heartbeat.ts';
import { isLiving, programName, thisProcess } from './thisProcess.ts';

export async function usualParameters(): Promise<LockParameters> {
  return { me: await thisProcess(), beatMs: 5_000, staleMs: 75_000, pollMs: 100, now: () => performance.now() };
}

type InWords = (cause: unknown, action: string, file: string) => Error;

export class LockFiles extends Locks {
  override readonly isLiving = isLiving;
  override readonly beginHeartbeat = beginHeartbeat;
  private readonly inWords: InWords;

  constructor(inWords: InWords, parameters: () => Promise<LockParameters> = usualParameters) {
    super(parameters);
    this.inWords = inWords;
  }

  override get program(): string {
    return programName();
  }

  override look(file: string): Found | undefined {
    let handle: number | undefined;
    try {
      if (!lstatSync(file).isFile()) {
        throw new UserError(
          `${file} is not a file: a folder, link or device lies where a lock belongs. Look at what it is, and remove or rename it.`,
        );
      }
      handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      const bytes = new Uint8Array(4096);
      const length = readSync(handle, bytes, 0, bytes.length, 0);
      const text = new TextDecoder().decode(bytes.subarray(0, length));
      const { size, mtimeMs } = fstatSync(handle);
      return { text, mark: `${size} ${mtimeMs} ${text}` };
    } catch (cause) {
      if (cause instanceof UserError) throw cause;
      if (['ENOENT', 'ESTALE'].includes(codeOf(cause))) return undefined;
      throw this.inWords(cause, 'read the lock', file);
    } finally {
      if (handle !== undefined) closeSync(handle);
    }
  }

  /** Written beside and linked. */
  override async createNew(file: string, line: string): Promise<boolean> {
    const fresh = await this.write(file, line);
    try {
      await fs.link(fresh, file);
      return true;
    } catch (cause) {
      const code = codeOf(cause);
      // A server whose answer was lost is asked again, and then says that our own link is in the way.
      if (code === 'EEXIST') return this.isOf(file, line);
      if (code === 'ENOENT') return false; // someone who takes a lock over has cleared ours away
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL', 'EISDIR', 'UNKNOWN'].includes(code))
        throw this.inWords(cause, 'lock', file);
      return await this.createWithoutLinks(file, line);
    } finally {
      await this.discard(fresh);
    }
  }

  /** Others may read it half-written: that is a lock whose owner is not known, which they watch. */
  private async createWithoutLinks(file: string, line: string): Promise<boolean> {
    try {
      await fs.writeFile(file, line + FIRST_BEAT, { flag: 'wx' });
      return true;
    } catch (cause) {
      if (codeOf(cause) === 'EEXIST') return false;
      throw this.inWords(cause, 'lock', file);
    }
  }

  override async clearOthers(file: string, own: string): Promise<void> {
    const others = {
      isDirectory: () => Promise.resolve(true),
      listDir: async (folder: string) => (await fs.readdir(folder)).filter((name) => name !== path.basename(own)),
      remove: (other: string) => fs.rm(other, { force: true }),
    };
    await clearTemporariesOf(others, file).catch((cause: unknown) => {
      throw this.inWords(cause, 'list the folder of', file);
    });
  }

  override async write(file: string, line: string): Promise<string> {
    const fresh = temporaryName(file);
    await fs.writeFile(fresh, line + FIRST_BEAT, { flag: 'wx' }).catch(async (cause: unknown) => {
      await fs.rm(fresh, { force: true }).catch(() => undefined); // a full disk leaves it empty
      throw this.inWords(cause, 'lock', file);
    });
    return fresh;
  }

  override moveOver(fresh: string, file: string): void {
    try {
      renameSync(fresh, file);
    } catch (cause) {
      // ENOENT: removed by one who took our turn. The others: Windows, while someone reads it.
      if (!['ENOENT', 'EPERM', 'EBUSY', 'EACCES'].includes(codeOf(cause))) throw this.inWords(cause, 'lock', file);
    }
  }

  override async discard(fresh: string): Promise<void> {
    await fs.rm(fresh, { force: true }).catch(() => undefined);
  }

  override remove(file: string, line: string): void {
    try {
      if (this.isOf(file, line)) unlinkSync(file);
    } catch (cause) {
      // Whoever comes next finds its owner dead or standing still.
      if (!(cause instanceof Error)) throw cause;
    }
  }
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}
