/** Deno and Bun run the sources as they stand: the API, and in Deno the commands by the tasks of deno.json, which say what they may do. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { fineTune } from '../../node/index.ts';
import { commandLine, repository } from './runIn.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-sources-'));
const base = join(repository, 'node/base');

afterAll(() => {
  rmSync(scratch, { recursive: true });
});

test('a training step in Deno and Bun is that of Node', async () => {
  const rows = [{ messages: [{ role: 'user' as const, content: 'a' }, { role: 'assistant' as const, content: '1.5' }] }];
  const { figures } = await fineTune({ base, rows, output: join(scratch, 'node'), max_steps: 1, logging_steps: 1, lora_dropout: 0 });
  for (const runtime of ['deno', 'bun'] as const) {
    const [program, ...flags] = commandLine(runtime);
    const args = [...flags, 'test/runtimes/sources.script.ts', base, join(scratch, runtime)];
    const { stdout, stderr } = spawnSync(program, args, { cwd: repository, encoding: 'utf8' });
    const loss = Number(/^@result (.*)$/m.exec(stdout)?.[1]);
    expect(Math.abs(loss - Number(figures['train_loss'])), stderr).toBeLessThan(1e-5);
  }
});

test('deno task vernier', () => {
  const [deno] = commandLine('deno');
  const vernier = (...args: string[]): ReturnType<typeof spawnSync> => spawnSync(deno, ['task', 'vernier', ...args], { cwd: repository, encoding: 'utf8' });
  expect(vernier('--help').stdout).toContain('Usage: vernier COMMAND');
  expect(vernier('train', '--help').stdout).toContain('--base_model_hf TEXT');
  expect(vernier('evaluate', '--eval_fil', 'x').stderr).toContain('Did you mean --eval_file?');
});
