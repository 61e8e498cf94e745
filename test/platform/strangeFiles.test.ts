/** Paths that lead to something else than a regular file, and what the system may say of a path: words at once, never a hang or a bare error. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { createServer } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inWords, nodePlatform } from '../../node/platform.ts';
import { UserError } from '../../src/platform.ts';

const dir = mkdtempSync(join(tmpdir(), 'vernier-strange-'));
afterAll(() => rmSync(dir, { recursive: true }));

async function failure(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
}

describe.skipIf(process.platform === 'win32')('what is no regular file', () => {
  const server = createServer();
  beforeAll(async () => {
    execFileSync('mkfifo', [join(dir, 'fifo')]);
    symlinkSync('fifo', join(dir, 'link'));
    mkdirSync(join(dir, 'folder'));
    await new Promise<void>((resolve) => server.listen(join(dir, 'socket'), resolve));
  });
  afterAll(() => server.close());

  test.each([
    ['fifo', /fifo: it is a pipe \(FIFO\), a regular file was expected/],
    ['link', /link: it is a pipe/],
    ['socket', /socket: it is a socket/],
    ['/dev/zero', /\/dev\/zero: it is a device/],
    ['folder', /folder: it is a folder, a file was expected/],
  ])('%s', async (name, words) => {
    const path = name.startsWith('/') ? name : join(dir, name);
    const reading = [() => nodePlatform.readFile(path), () => nodePlatform.openFile(path)];
    const writing = name === '/dev/zero' ? [] : [() => nodePlatform.appendFile(path, 'x'), () => nodePlatform.openAppend(path)];
    for (const work of [...reading, ...writing]) expect(await failure(work())).toMatch(words);
  });

  test('a file of the system that states no size is empty', async () => {
    expect((await nodePlatform.readFile('/proc/self/maps')).length).toBe(0);
  });
});

describe('what the system says', () => {
  test('of a folder on a read-only disk, of which Node says ENOENT where it makes those on the way too', async () => {
    const { mkdir } = fs;
    fs.mkdir = ((path: string, options?: { recursive?: boolean }) =>
      Promise.reject(Object.assign(new Error(`mkdir '${path}'`), { code: options?.recursive === true ? 'ENOENT' : 'EROFS' }))) as typeof mkdir;
    syncBuiltinESMExports();
    try {
      for (const isPrivate of [false, true]) {
        expect(await failure(nodePlatform.makeDir(join(dir, 'new', 'newer'), { isPrivate }))).toMatch(/^Cannot create the folder .*newer: the file system is read-only\./);
      }
    } finally {
      fs.mkdir = mkdir;
      syncBuiltinESMExports();
    }
  });

  test('nothing, of folders that are made with those on the way', async () => {
    await Promise.all([1, 2, 3].map(() => nodePlatform.makeDir(join(dir, 'one', 'two', 'three'))));
    expect(await nodePlatform.isDirectory(join(dir, 'one', 'two', 'three'))).toBe(true);
  });

  test('a name that is too long, links in a circle, a NUL', async () => {
    symlinkSync('circle', join(dir, 'circle'));
    writeFileSync(join(dir, 'file'), '');
    for (const act of [nodePlatform.readFile, nodePlatform.exists, nodePlatform.isDirectory, nodePlatform.listDir, nodePlatform.links.realPath]) {
      expect(await failure(act(join(dir, 'x'.repeat(300))))).toMatch(/: the name is longer than the file system allows/);
      expect(await failure(act(join(dir, 'circle')))).toMatch(/circle: links lead in a circle/);
      expect(await failure(act(join(dir, 'a\0b')))).toMatch(/a character in it that no file name can have/);
    }
    expect(await failure(nodePlatform.writeFile(join(dir, 'x'.repeat(300)), ''))).toMatch(/the name is longer/);
    expect(await failure(nodePlatform.makeDir(join(dir, 'file/x')))).toMatch(/a part of the path is a file/);
  });

  test.each(Object.keys(constants.errno).filter((code) => code.startsWith('E')))('%s', (code) => {
    const message = `${code}: from the system`;
    const error = inWords(Object.assign(new Error(message), { code }), 'read', 'scan.nii');
    expect(error).toBeInstanceOf(UserError);
    expect(error.message).toMatch(/^Cannot read scan\.nii: \S.*\.$/);
    if (USUAL.includes(code)) expect(error.message).not.toContain(code);
  });
});

const USUAL = [
  'ENOENT', 'ENOTDIR', 'EISDIR', 'EEXIST', 'EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EFBIG', 'EIO', 'EMFILE', 'ENFILE', 'ENAMETOOLONG',
  'ELOOP', 'EBUSY', 'ETXTBSY', 'ENXIO', 'ENODEV', 'EOVERFLOW', 'ESTALE', 'ENOTEMPTY', 'EXDEV', 'ETIMEDOUT', 'ENOMEM', 'EMLINK',
];
