/** What a person reads where ranks cannot work together, and that a process by itself has nothing to do with MPI. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCommandLine, dist, repository, runProgram, tinyModel } from '../trainProcess.ts';
import type { Ended, Flags } from '../trainProcess.ts';
import { isHere, launch, libraries } from './launch.ts';
import type { Launch } from './launch.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-mpi-words-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const row = (text: string): string => JSON.stringify({ messages: [{ role: 'user', content: 'How long?' }, { role: 'assistant', content: text }], images: [] });
const flags: Flags = {
  base_model_hf: tinyModel, train_file: at('rows.jsonl'), output_dir: at('out'), overwrite: true, max_steps: 1, per_device_train_batch_size: 1,
  gradient_accumulation_steps: 1, lora_r: 2, report_to: 'none', dataloader_num_workers: 0,
};

/** Writes down what the process imports; `koffi` can be made to be missing. */
const WATCH = `
import { appendFileSync } from 'node:fs';
const { VERNIER_TEST_IMPORTS: file, VERNIER_TEST_WITHOUT: without } = process.env;
export async function resolve(name, context, next) {
  if (name === without) throw Object.assign(new Error("Cannot find package '" + name + "'"), { code: 'ERR_MODULE_NOT_FOUND' });
  const found = await next(name, context);
  if (file) appendFileSync(file, found.url + '\\n');
  return found;
}
`;
let watched: Record<string, string> = {};

beforeAll(() => {
  buildCommandLine();
  writeFileSync(at('rows.jsonl'), `${row('7 mm')}\n${row('8 mm')}\n`);
  for (const [place, second] of [['here', '8 mm'], ['there', '9 mm']] as const) {
    cpSync(tinyModel, at(place, 'base'), { recursive: true });
    writeFileSync(at(place, 'rows.jsonl'), `${row('7 mm')}\n${row(second)}\n`);
  }
  const weights = readFileSync(at('there/base/model.safetensors'));
  weights[weights.length - 1]! ^= 1;
  writeFileSync(at('there/base/model.safetensors'), weights);
  writeFileSync(at('watch.mjs'), WATCH);
  writeFileSync(at('register.mjs'), `import { register } from 'node:module';\nregister('./watch.mjs', import.meta.url);\n`);
  watched = { NODE_OPTIONS: `--import=${at('register.mjs')}` };
});

describe.each(libraries.filter(isHere))('%s', (library) => {
  const run = (more: Flags, how?: Launch): Promise<Ended> => launch(library, 2, { ...flags, ...more }, how).ended;

  it('ranks with other flags or other rows: what differs, and where', async () => {
    const isBound = library === 'openmpi' && cpus().length > 1;
    const { code, error } = await run({}, { own: { 1: { lora_r: 4 } }, isBound });
    expect(code).not.toBe(0);
    expect(/^Warning: ranks 0, 1 may use one processor each \(\S+ has \d+\)/m.test(error)).toBe(isBound);
    expect(error).toMatch(/^Error: The ranks of this job were not given the same.*\n {2}lora_r: 2 at rank 0 on \S+, 4 at rank 1 on \S+\nGive every rank the same/m);
    // Names are alike, and on the other's host they mean other files.
    const elsewhere = await run({ train_file: 'rows.jsonl', base_model_hf: 'base' }, { folders: { 0: at('here'), 1: at('there') } });
    expect(elsewhere.code).not.toBe(0);
    expect(elsewhere.error).toMatch(/^Error: The ranks of this job were not given the same.*\n {2}baseModel: "[0-9a-f]{64}" at rank 0 on \S+, "[0-9a-f]{64}" at rank 1 on/m);
    expect(elsewhere.error).toMatch(/^ {2}data: "[0-9a-f]+" at rank 0 on \S+, "[0-9a-f]+" at rank 1 on/m);
    expect(elsewhere.error).not.toMatch(/ {2}(train_file|base_model_hf|rows): /);
  });

  it('the command line of one rank is wrong: the first says so, and nobody waits', async () => {
    const { code, error } = await run({}, { own: { 1: { lorra_r: 4 } } });
    expect(code).not.toBe(0);
    expect(error).toMatch(/^Error: Not all ranks can begin\.\nrank 1 on \S+: Error: Unknown option --lorra_r\. Did you mean --lora_r\?/m);
  });

  it('the command line of all is wrong: said once', async () => {
    const { code, error } = await run({ lorra_r: 4 });
    expect(code).toBe(2);
    expect(error.match(/Unknown option/g)).toHaveLength(1);
  });

  it("another launcher's library, one that is none, and none", async () => {
    const [other, name] = library === 'openmpi' ? ['libmpich.so.12', 'MPICH'] : ['libmpi.so.40', 'Open MPI'];
    if (libraries.every(isHere)) {
      const { code, error } = await run({ mpi_library: other });
      expect(code).not.toBe(0);
      expect(error).toMatch(new RegExp(`Error: .* started 2 processes, and ${name} .* sees 1: the library is not that of the launcher`));
    }
    expect((await run({ mpi_library: 'libc.so.6' })).error).toContain('Error: libc.so.6 is no MPI library: it has no MPI_Init_thread.');
    expect((await run({ mpi_library: 'libnone.so' })).error).toContain('Error: --mpi_library libnone.so cannot be loaded: ');
  });

  it('one rank without a library does not let the others wait', async () => {
    const { code, error } = await run({ mpi_timeout: 10 }, { own: { 1: { mpi_library: 'libnone.so' } }, limitMs: 40_000 });
    expect(code).not.toBe(0);
    expect(error).toContain('rank 1: Error: --mpi_library libnone.so cannot be loaded');
  });

  it('without koffi: what to install', async () => {
    const { code, error } = await run({}, { env: { ...watched, VERNIER_TEST_WITHOUT: 'koffi' } });
    expect(code).not.toBe(0);
    expect(error).toContain('Error: Several ranks need the optional package koffi, which is not installed: npm install koffi.');
  });

  it('a job of one rank is a process by itself', async () => {
    const imports = at(`one-${library}`);
    const { code, output, error } = await launch(library, 1, flags, { env: { ...watched, VERNIER_TEST_IMPORTS: imports } }).ended;
    expect(code, output + error).toBe(0);
    expect(readFileSync(imports, 'utf8')).not.toMatch(/mpiWorld/);
  });
});

describe('a process by itself', () => {
  it('loads nothing of MPI, and koffi for nothing but what it was for', async () => {
    const imports = at('alone');
    const { code, error } = await runProgram('train', flags, undefined, { ...watched, VERNIER_TEST_IMPORTS: imports, HF_HUB_OFFLINE: '1', HF_HOME: at('none') });
    expect(error).toBe('');
    expect(code).toBe(0);
    const loaded = readFileSync(imports, 'utf8');
    expect(loaded).toContain('dist/train.js');
    expect(loaded).not.toMatch(/mpiWorld/);
    const shown = at('help');
    const help = spawnSync(process.execPath, [join(dist, 'train.js'), '--help'], { cwd: repository, encoding: 'utf8', env: { ...process.env, ...watched, VERNIER_TEST_IMPORTS: shown } });
    expect(help.stdout).toContain('--mpi_library');
    expect(readFileSync(shown, 'utf8')).not.toMatch(/mpiWorld|koffi/);
  });

  it('of which torchrun has started several is refused before anything is written', async () => {
    const { code, error } = await runProgram('train', { ...flags, output_dir: at('torchrun') }, undefined, { RANK: '0', WORLD_SIZE: '2', LOCAL_RANK: '0' });
    expect(code).toBe(1);
    expect(error).toContain('Error: WORLD_SIZE is 2: torchrun or accelerate has started 2 of these');
    expect(error).toContain('mpirun -n 2 node dist/train.js');
    expect(existsSync(at('torchrun'))).toBe(false);
  });
});
