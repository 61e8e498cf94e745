/** The programs in Deno, with each permission left out in turn: which flags to give, never a stack. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildCommandLine, dist, goldenRows, tinyModel } from '../node/trainProcess.ts';
import { commandLine, repository } from './runIn.ts';

const NEEDED = ['read', 'write', 'env', 'ffi', 'sys'];
const flag = (name: string): string => `--allow-${name}`;
const scratch = mkdtempSync(join(tmpdir(), 'vernier-permissions-'));
beforeAll(() => buildCommandLine());
afterAll(() => rmSync(scratch, { recursive: true }));

function deno(permissions: readonly string[], words: readonly string[]): { status: number | null; output: string; error: string } {
  const [program] = commandLine('deno');
  const argv = ['run', '--no-prompt', '--no-lock', ...permissions, ...words];
  const { status, stdout, stderr } = spawnSync(program, argv, { cwd: repository, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', HF_HUB_OFFLINE: '1' } });
  return { status, output: stdout, error: stderr };
}

describe.each(['train', 'evaluate', 'inspect', 'setup', 'quickstart', 'prepareBase'])('%s', (program) => {
  const script = join(dist, `${program}.js`);

  test('without any says all of them', () => {
    const { status, error } = deno([], [script]);
    expect(error).toBe(
      `Error: Deno was started without ${NEEDED.map(flag).join(' ')}. Run: deno run ${NEEDED.map(flag).join(' ')} dist/${program}.js … ` +
        '(and --allow-net for the hub and W&B, --allow-run=nvidia-smi for the memory of an NVIDIA GPU).\n',
    );
    expect(status).toBe(2);
  });

  test.each(NEEDED)('without %s names it', (left) => {
    const { status, error } = deno(NEEDED.filter((name) => name !== left).map(flag), [script, '--help']);
    expect(error).toMatch(new RegExp(`^Error: Deno was started without --allow-${left}\\. Run: deno run `));
    expect(error).not.toMatch(/\bat |defect/);
    expect(status).toBe(2);
  });

  test('with them says its help', () => {
    const { status, output, error } = deno(NEEDED.map(flag), [script, '--help']);
    expect(error).toBe('');
    expect(output).toMatch(/Usage|Writes|--/);
    expect(status).toBe(0);
  });
});

test('a step trains with the permissions that are named, and a folder that is not allowed is told in words', () => {
  const rows = join(scratch, 'rows.jsonl');
  goldenRowsTo(rows);
  const flags = [
    '--base_model_hf', tinyModel, '--train_file', rows, '--lora_checkpoint_dir', join(scratch, 'out'), '--lora_r', '2', '--target_modules', 'q_proj', '--max_steps', '1',
    '--per_device_train_batch_size', '1', '--gradient_accumulation_steps', '1', '--max_pixels', '3136', '--dataloader_num_workers', '0',
  ];
  const trained = deno(NEEDED.map(flag), [join(dist, 'train.js'), ...flags]);
  expect(trained.error).not.toMatch(/Requires|defect/);
  expect(trained.status).toBe(0);
  const narrow = ['--allow-read', '--allow-write=.', '--allow-env', '--allow-ffi', '--allow-sys'];
  const refused = deno(narrow, [join(dist, 'train.js'), ...flags]);
  expect(refused.error).toMatch(/write access|--allow-write|permission/);
  expect(refused.error).not.toMatch(/ at |defect/);
  expect(refused.status).not.toBe(0);
});

function goldenRowsTo(path: string): void {
  writeFileSync(path, goldenRows('s00_single').join('\n'));
}
