/**
 * pydicom's own test files (test/golden/pydicom_files.py), where a Python with pydicom is named: what pydicom reads is read to the same values,
 * and what it does not read ends in words.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe as group, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { openDicomScan } from '../../src/data/dicom/scan.ts';
import { UserError } from '../../src/platform.ts';
import { describe as described } from '../../src/run/volume/described.ts';

interface Expected {
  /** Why pydicom gives no values. */
  pydicom?: string;
  size: [number, number, number];
  samples: number;
  spacing_mm?: [number, number];
  sha256: string;
}

const golden = JSON.parse(readFileSync(new URL('../golden/pydicom_files.json', import.meta.url), 'utf8')) as Record<string, Expected>;

function folderOfPydicom(): string | undefined {
  const python = process.env['VERNIER_PYTHON'];
  if (python === undefined) return undefined;
  const code = 'import pathlib, pydicom; print(pathlib.Path(pydicom.__file__).parent / "data/test_files")';
  try {
    return execFileSync(python, ['-c', code], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined; // a Python without pydicom
  }
}

const folder = folderOfPydicom();

it('the list has files of every way of storing pixels', () => {
  const read = Object.values(golden).filter(({ pydicom }) => pydicom === undefined);
  expect(read.length).toBeGreaterThan(40);
  expect(new Set(read.map(({ samples }) => samples))).toEqual(new Set([1, 3]));
});

group.skipIf(folder === undefined)("pydicom's files", () => {
  it.each(Object.entries(golden))('%s', async (name, expected) => {
    const path = join(folder ?? '', name);
    if (!existsSync(path)) return; // of another version
    const read = async () =>
      described(nodePlatform, { kind: 'dicom', scan: await openDicomScan(nodePlatform, path) }, new AbortController().signal);
    if (expected.pydicom !== undefined) {
      const error: unknown = await read().then(
        () => undefined,
        (cause: unknown) => cause,
      );
      if (error !== undefined) expect(error).toBeInstanceOf(UserError);
      return;
    }
    const found = await read();
    expect(found).toMatchObject({ size: expected.size, samples: expected.samples, sha256: expected.sha256 });
    if (expected.spacing_mm !== undefined) expect(found.spacing_mm.slice(1)).toEqual(expected.spacing_mm);
  });
});
