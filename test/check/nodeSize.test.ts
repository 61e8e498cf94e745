/** The check on the size of node/ must see what is too much, wherever in it that lies. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const script = fileURLToPath(new URL('./nodeSize.mjs', import.meta.url));

test.each([
  [2499, 0],
  [2500, 1],
])('%i lines in two files, one in a folder, end with exit code %i', (lines, code) => {
  const root = mkdtempSync(join(tmpdir(), 'vernier-node-size-'));
  try {
    mkdirSync(join(root, 'node', 'deep'), { recursive: true });
    writeFileSync(join(root, 'node', 'a.ts'), 'a;\n'.repeat(2000));
    writeFileSync(join(root, 'node', 'deep', 'b.ts'), 'b;\n'.repeat(lines - 2000));
    writeFileSync(join(root, 'node', 'notes.md'), 'No TypeScript.\n'.repeat(1000));
    const { status, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
    expect(status).toBe(code);
    if (code === 1) expect(stderr).toContain('node/ has 2500 lines');
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test('this repository passes', () => {
  expect(spawnSync(process.execPath, [script], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});
