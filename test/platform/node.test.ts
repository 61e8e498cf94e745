/** The Node platform: images as PIL decodes them, files whole or not at all, errors in words. */
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dawnFlags, nodePlatform } from '../../node/platform.ts';
import { finalName, isTemporaryName } from '../../src/io/temporaryNames.ts';
import { ownFiles, UserError } from '../../src/platform.ts';

const pictures = fileURLToPath(new URL('../golden/images', import.meta.url));
const digests = JSON.parse(readFileSync(join(pictures, 'rgb_sha256.json'), 'utf8')) as Record<
  string,
  { width: number; height: number; sha256: string }
>;

describe('images', () => {
  test.each(Object.entries(digests))("%s decodes to PIL's bytes", async (name, expected) => {
    const image = await nodePlatform.decodeImage(await nodePlatform.readFile(join(pictures, name)), name);
    expect({ width: image.width, height: image.height }).toEqual({ width: expected.width, height: expected.height });
    expect(createHash('sha256').update(image.data).digest('hex')).toBe(expected.sha256);
  });

  test.each([
    ['cut in half', (bytes: Uint8Array) => bytes.slice(0, bytes.length >> 1), /^Image scan\.png: it cannot be decoded \(PNG, 46 bytes\)/],
    ['empty', () => new Uint8Array(), /^Image scan\.png: the file is empty/],
    ['text', () => new TextEncoder().encode('hello'), /^Image scan\.png: it is no picture/],
  ])('a file that is %s is refused by name', async (_, damage, words) => {
    const bytes = damage(await nodePlatform.readFile(join(pictures, 'rgb.png')));
    await expect(nodePlatform.decodeImage(bytes, 'scan.png')).rejects.toThrow(UserError);
    await expect(nodePlatform.decodeImage(bytes, 'scan.png')).rejects.toThrow(words);
  });

  test('a JPEG cut in half is refused', async () => {
    const bytes = await nodePlatform.readFile(join(pictures, 'rgb.jpg'));
    await expect(nodePlatform.decodeImage(bytes.slice(0, bytes.length - 40), 'scan.jpg')).rejects.toThrow('Image scan.jpg');
  });

  test.each([1, 3] as const)('a PNG of %i channels reads back', async (channels) => {
    const raster = Uint8Array.from({ length: 5 * 4 * channels }, (_, i) => i * 4);
    const image = await nodePlatform.decodeImage(await nodePlatform.encodePng(raster, 5, 4, channels), 'own.png');
    expect([image.width, image.height]).toEqual([5, 4]);
    expect([...image.data.filter((_, i) => channels === 3 || i % 3 === 0)]).toEqual([...raster]);
  });
});

describe('files', () => {
  let dir = '';
  test('made private are for their user alone; the folders above them, and what was there, keep theirs', async () => {
    const mode = (...parts: string[]): string => (statSync(join(dir, ...parts)).mode & 0o777).toString(8);
    const umask = process.umask(0o022);
    try {
      const own = ownFiles(nodePlatform);
      await own.makeDir(join(dir, 'above/own'));
      await own.makeDir(join(dir, 'above/own'));
      await own.writeFile(join(dir, 'above/own/whole'), 'x');
      await own.appendFile(join(dir, 'above/own/grown'), 'x');
      await (await own.createFile(join(dir, 'above/own/made'))).commit();
      await (await own.openAppend!(join(dir, 'above/own/opened'))).close();
      expect([mode('above'), mode('above/own'), ...['whole', 'grown', 'made', 'opened'].map((name) => mode('above/own', name))]).toEqual(['755', '700', '600', '600', '600', '600']);
      await nodePlatform.makeDir(join(dir, 'open'));
      await nodePlatform.writeFile(join(dir, 'open/file'), 'x');
      await own.makeDir(join(dir, 'open'));
      await own.appendFile(join(dir, 'open/file'), 'y');
      expect([mode('open'), mode('open/file')]).toEqual(['755', '644']);
      await expect(own.makeDir(join(dir, 'open/file'))).rejects.toThrow('it exists already and is not a folder');
    } finally {
      process.umask(umask);
    }
  });

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'vernier-'));
  });
  afterEach(() => {
    chmodSync(dir, 0o700);
    rmSync(dir, { recursive: true });
  });

  test('write, look, read ranges, append, rename, remove', async () => {
    const folder = join(dir, 'a', 'b');
    await nodePlatform.makeDir(folder);
    expect(await nodePlatform.isDirectory(folder)).toBe(true);
    const file = join(folder, 'x.bin');
    await nodePlatform.writeFile(
      file,
      Uint8Array.from({ length: 100 }, (_, i) => i),
    );
    expect(readdirSync(folder)).toEqual(['x.bin']);
    const ranged = await nodePlatform.openFile(file);
    expect(ranged.size).toBe(100);
    expect([...(await ranged.read(90, 4))]).toEqual([90, 91, 92, 93]);
    expect([...(await ranged.read(100, 0))]).toEqual([]);
    await expect(ranged.read(90, 11)).rejects.toThrow(`${file}: bytes 90 to 101 were expected, the file has 100`);
    await ranged.close();

    await nodePlatform.writeFile(file, 'one\n');
    await nodePlatform.appendFile(file, 'two\n');
    expect(new TextDecoder().decode(await nodePlatform.readFile(file))).toBe('one\ntwo\n');
    await nodePlatform.rename(file, join(folder, 'y.txt'));
    expect(await nodePlatform.listDir(folder)).toEqual(['y.txt']);
    expect(await nodePlatform.exists(file)).toBe(false);
    await nodePlatform.remove(join(dir, 'a'));
    await nodePlatform.remove(join(dir, 'a'));
    expect(await nodePlatform.exists(folder)).toBe(false);
  });

  test('an atomic file is invisible until it is committed, and gone when it is aborted', async () => {
    const file = join(dir, 'weights');
    writeFileSync(file, 'old');
    const first = await nodePlatform.createFile(file);
    await first.write(new TextEncoder().encode('ne'));
    await first.write(new TextEncoder().encode('w'));
    expect(readFileSync(file, 'utf8')).toBe('old');
    await first.commit();
    expect(readFileSync(file, 'utf8')).toBe('new');
    const second = await nodePlatform.createFile(file);
    await second.write(new TextEncoder().encode('half'));
    await second.abort();
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(readdirSync(dir)).toEqual(['weights']);
  });

  test('a file being made has a name of its own, which is known for one wherever it was left', async () => {
    const file = join(dir, 'weights.tmp-2');
    const open = await Promise.all(Array.from({ length: 20 }, () => nodePlatform.createFile(file)));
    const names = readdirSync(dir);
    expect(names).toHaveLength(20);
    expect(names.map(finalName)).toEqual(names.map(() => 'weights.tmp-2'));
    expect(isTemporaryName('weights.tmp-2')).toBe(false);
    await Promise.all(open.map((one) => one.abort()));
    expect(readdirSync(dir)).toEqual([]);
  });

  test('a failed commit leaves the target and no temporary file', async () => {
    const file = join(dir, 'taken');
    await nodePlatform.makeDir(join(file, 'inside'));
    await expect(nodePlatform.writeFile(file, 'x')).rejects.toThrow(UserError);
    expect(readdirSync(dir)).toEqual(['taken']);
  });

  test.each([
    ['missing', 'none/x', 'Cannot open', 'there is no such file or folder'],
    ['below a file', 'plain/x', 'Cannot open', 'a part of the path is a file'],
  ])('reading a file that is %s', async (_, name, action, words) => {
    writeFileSync(join(dir, 'plain'), '');
    const read = nodePlatform.readFile(join(dir, name));
    await expect(read).rejects.toThrow(UserError);
    await expect(nodePlatform.readFile(join(dir, name))).rejects.toThrow(`${action} ${join(dir, name)}: ${words}`);
  });

  test('reading a folder', async () => {
    await expect(nodePlatform.readFile(dir)).rejects.toThrow(`${dir}: it is a folder, a file was expected`);
  });

  test('a circle of links, and a zero byte in a name, when a file is looked at', async () => {
    const file = join(dir, 'circle');
    symlinkSync('circle', file);
    await expect(nodePlatform.look(file)).rejects.toThrow(`${file}: links lead in a circle`);
    await expect(nodePlatform.look('a\0b')).rejects.toThrow(UserError);
  });

  // The superuser may write anywhere, so there the refusal cannot be provoked.
  test.skipIf(process.getuid?.() === 0)('a folder that is not writable', async () => {
    chmodSync(dir, 0o500);
    await expect(nodePlatform.writeFile(join(dir, 'x'), '')).rejects.toThrow('permission denied');
  });

  // Linux gives a file that is always full; a link to it stands for a full disk.
  test.skipIf(!existsSync('/dev/full'))('a full disk is said in words', async () => {
    const file = join(dir, 'log');
    symlinkSync('/dev/full', file);
    await expect(nodePlatform.appendFile(file, 'x')).rejects.toThrow(UserError);
    await expect(nodePlatform.appendFile(file, 'x')).rejects.toThrow('no space is left on the disk');
  });
});

test('Dawn starts with our toggles, and those of VERNIER_DAWN_FLAGS beside them', () => {
  expect(dawnFlags(undefined)).toEqual(['enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia']);
  expect(dawnFlags(' backend=null  enable-dawn-features=dump_shaders ')).toEqual([
    'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia,dump_shaders',
    'backend=null',
  ]);
});
