/**
 * Small disks of their own for a cell's folder, and what befalls them. Root on Linux. A file system refuses to be made read-only while a file on it is open to be written, and the lock of a
 * running job always is; so the read-only disk is an ext4 in a file that meets an error, which is how disks become read-only under a run: for what is open too.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

function must(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} (which needs root on Linux): ${status} ${stderr}`);
  return stdout.trim();
}

/** The code with which one more byte on it is refused; undefined where it is taken. */
export function refusal(dir: string): string | undefined {
  const probe = join(dir, 'probe');
  try {
    writeFileSync(probe, 'x');
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  } finally {
    try {
      rmSync(probe, { force: true });
    } catch {
      // Of a disk that is read-only.
    }
  }
  return undefined;
}

export interface Disk {
  /** Makes it refuse what is written. */
  strike(): void;
  /** As an administrator would. */
  repair(): void;
  remove(): void;
}

/** Becomes full to the last byte. */
export function fullDisk(dir: string): Disk {
  must('mount', '-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', dir);
  return {
    strike() {
      for (let bytes = 2 ** 20; bytes >= 1; bytes = Math.floor(bytes / 4)) {
        for (let n = 0; n < 64; n++) {
          try {
            writeFileSync(join(dir, `filler-${bytes}-${n}`), Buffer.alloc(bytes));
          } catch {
            break;
          }
        }
      }
    },
    repair() {
      for (const name of readdirSync(dir).filter((one) => one.startsWith('filler'))) rmSync(join(dir, name));
    },
    remove: () => void must('umount', dir),
  };
}

/** Becomes read-only by an error of its file system. @param image the file that it is in */
export function readOnlyDisk(dir: string, image: string): Disk {
  writeFileSync(image, '');
  truncateSync(image, 64 * 2 ** 20);
  must('mkfs.ext4', '-q', image);
  const mount = (): void => void must('mount', '-o', 'loop,errors=remount-ro', image, dir);
  mount();
  rmSync(join(dir, 'lost+found'), { recursive: true });
  let isStruck = false;
  return {
    strike() {
      // Else the lock's own text is lost as well, and whoever comes next watches it for 75 s.
      must('sync', '-f', dir);
      writeFileSync(`/sys/fs/ext4/${basename(must('findmnt', '-no', 'SOURCE', dir))}/trigger_fs_error`, 'of the fault matrix');
      isStruck = true;
    },
    repair() {
      if (!isStruck) return;
      // On a busy machine the system has been seen to mount it read-only once more.
      for (let tried = 1; isStruck; tried++) {
        must('umount', dir);
        // 1: it had errors, which are mended.
        const { status } = spawnSync('e2fsck', ['-fy', image]);
        if (status !== 0 && status !== 1) throw new Error(`e2fsck ${image}: ${status}`);
        mount();
        const code = refusal(dir);
        isStruck = code !== undefined;
        if (isStruck && tried === 3) throw new Error(`${image} stays as it is: ${code}`);
      }
      rmSync(join(dir, 'lost+found'), { recursive: true, force: true });
    },
    remove() {
      must('umount', dir);
      rmSync(image);
    },
  };
}
