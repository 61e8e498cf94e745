/** The same work in PyTorch, where there is a Python with it and a GPU that it can use: VERNIER_PYTHON, or python3. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import script from './pytorch.py?raw';
import type { Pytorch, PytorchProduct, PytorchRequest, PytorchResult, PytorchStep } from '../../src/run/bench/pytorch.ts';

const PROBE = 'import torch, sys; sys.exit(0 if torch.cuda.is_available() else 3)';

/** The Python to ask; or why there is none. */
export async function findPython(): Promise<{ python: string } | { why: string }> {
  const python = process.env['VERNIER_PYTHON'] ?? 'python3';
  const { code } = await run(python, ['-c', PROBE], '', 60);
  if (code === 0) return { python };
  return { why: code === 3 ? `the PyTorch of ${python} sees no GPU` : `${python} has no PyTorch (VERNIER_PYTHON names another Python)` };
}

export async function measurePytorch(
  python: string,
  { products, models, seconds, stop, device = 'cuda' }: PytorchRequest,
): Promise<PytorchResult> {
  const folder = await mkdtemp(join(tmpdir(), 'vernier-bench-'));
  try {
    const path = join(folder, 'bench.py');
    await writeFile(path, script);
    const asked = {
      seconds,
      device,
      products,
      models: models.map(({ name, config, example, storages }) => ({ name, config, example, storages })),
    };
    const { text, errors } = await run(python, [path], JSON.stringify(asked), seconds + 20, stop);
    const result: PytorchResult = { about: '', products: [], steps: [], notes: [] };
    for (const line of text.split('\n').filter((one) => one.startsWith('{'))) {
      const { kind, ...facts } = JSON.parse(line) as { kind: string } & Record<string, unknown>;
      if (kind === 'about') result.about = `torch ${String(facts['torch'])} on ${String(facts['device'])}`;
      else if (kind === 'product') result.products.push(facts as unknown as PytorchProduct);
      else if (kind === 'step') result.steps.push(facts as unknown as PytorchStep);
      else if (kind === 'note') result.notes.push(String(facts['text']));
    }
    if (result.about === '') result.notes.push(`PyTorch said nothing: ${errors.trim().split('\n').at(-1) ?? ''}`);
    return result;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the bench asks. */
export const pytorch: Pytorch = { find: findPython, measure: measurePytorch };

interface Ran {
  code: number | null;
  text: string;
  errors: string;
}

/** What it had said when its time was up counts too. */
function run(program: string, args: readonly string[], input: string, seconds: number, stop?: AbortSignal): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let text = '';
    let errors = '';
    const end = (): void => void child.kill('SIGKILL');
    const timer = setTimeout(end, seconds * 1000);
    stop?.addEventListener('abort', end, { once: true });
    const done = (code: number | null): void => {
      clearTimeout(timer);
      stop?.removeEventListener('abort', end);
      resolve({ code, text, errors });
    };
    child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (errors = (errors + bytes.toString()).slice(-10_000)));
    child.stdin.on('error', () => undefined); // a program that has ended reads nothing
    child.on('error', () => {
      done(null);
    });
    child.on('close', done);
    child.stdin.end(input);
  });
}
