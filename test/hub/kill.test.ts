/**
 * SIGKILL while an upload is in flight, then `--resume_from_checkpoint true`: the adapter is, to the byte, that of a run that was left alone, and the hub holds it, with
 * every save committed once at most and in order. Seeded moments: the request that is on its way (file, preupload, where to, commit), which of them, and
 * how long after it has arrived; some commits are carried out only when their sender is dead. Three runs in a normal test; VERNIER_KILLS=30 for thirty.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { counterHash } from '../../src/data/random.ts';
import { buildCommandLine, goldenRows, tinyModel } from '../node/trainProcess.ts';
import type { Flags } from '../node/trainProcess.ts';
import { expectNoToken, folderOf, runWithHub, TOKEN } from './hubProcess.ts';
import { TestHub } from './testHub.ts';
import type { PlannedFault } from './testHub.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-hub-kill-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
const kills = Number(process.env['VERNIER_KILLS'] ?? 3);
const seed = Number(process.env['VERNIER_KILL_SEED'] ?? 1);
const fraction = (index: number, use: number): number => counterHash(seed, use, 0, index) / 2 ** 32;

/** What an upload consists of, and how slowly each answer comes; the adapter's file goes by PUT, the rest within the commit. */
const REQUESTS: Readonly<Record<string, PlannedFault>> = {
  file: { on: /^PUT/, fault: { kind: 'slow', bytes: 1, ms: 400 } },
  preupload: { on: /preupload/, fault: { kind: 'slow', bytes: 50, ms: 100 } },
  'where to': { on: /objects\/batch/, fault: { kind: 'slow', bytes: 100, ms: 150 } },
  commit: { on: /\/commit\//, fault: { kind: 'slow', bytes: 40, ms: 150 } },
  'late commit': { on: /\/commit\//, fault: { kind: 'late', ms: 3000 } },
};
const KINDS = ['file', 'commit', 'late commit', 'preupload', 'where to'];

const flags = (repo: string): Flags => ({
  base_model_hf: 'org/tiny', train_file: at('rows.jsonl'), max_steps: 12, per_device_train_batch_size: 1, gradient_accumulation_steps: 1, learning_rate: 0.01,
  lora_r: 4, target_modules: 'q_proj,v_proj', logging_steps: 1, save_steps: 2, save_total_limit: -1, report_to: 'jsonl', dataloader_num_workers: 0, max_pixels: 3136,
  lora_checkpoint_dir: at(repo), push_LoRA: true, lora_hub_repo: repo,
});

let hub: TestHub;
/** By then the hub has carried out what the dead have asked for. */
let lateUntil = 0;
const home = at('home');
beforeAll(async () => {
  buildCommandLine();
  hub = await TestHub.start({ token: TOKEN });
  hub.add('model', 'org/tiny', folderOf(tinyModel));
  writeFileSync(at('rows.jsonl'), `${goldenRows('s01_single', 's09_textonly', 's12_string_content').join('\n')}\n`);
  const ended = await runWithHub(hub, home, flags('whole'));
  expect([ended.code, ended.error]).toEqual([0, '']);
  expectPushed('whole');
});
afterAll(async () => {
  await hub.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Runs until the request drawn for `index` is on its way, and says which that was. */
async function runAndKill(repo: string, index: number): Promise<string> {
  const kind = KINDS[index % KINDS.length]!;
  const { on, fault } = REQUESTS[kind]!;
  hub.faults = [{ on, fault }, ...Object.values(REQUESTS)].map((planned) => ({ ...planned, times: 99 }));
  const before = hub.requests.length;
  // A run sends two at least: its first save, and what is the last by then.
  const which = 1 + Math.floor(fraction(index, 1) * 2);
  const afterMs = fraction(index, 2) * 350;
  const ended = await runWithHub(hub, home, { ...flags(repo), resume_from_checkpoint: true }, {
    async meanwhile(kill, hasEnded) {
      const arrived = (): number => hub.requests.slice(before).filter(({ method, url }) => on.test(`${method} ${url}`)).length;
      while (arrived() < which && !hasEnded()) await new Promise((resolve) => setTimeout(resolve, 2));
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      kill();
    },
  });
  lateUntil = Date.now() + (fault.kind === 'late' ? fault.ms : 0);
  const moment = `${kind} ${which}, ${Math.round(afterMs)} ms after it had arrived`;
  expect(ended.code, `ended before ${moment}: ${ended.error}`).toBe(null);
  expectNoToken(hub, ended, at(repo));
  return moment;
}

/** The hub has what the folder has, by commits of which each brought something and none came twice or after a later one. */
function expectPushed(name: string): void {
  const repo = hub.repo('model', `tester/${name}`);
  const files = hub.files('model', `tester/${name}`);
  for (const file of ['adapter_model.safetensors', 'adapter_config.json']) expect(files.get(file)?.equals(readFileSync(at(name, file))), file).toBe(true);
  expect([...files.keys()].sort()).toEqual(['.gitattributes', 'README.md', 'adapter_config.json', 'adapter_model.safetensors']);

  const commits = [...repo.commits.values()];
  const titles = commits.map(({ title }) => title);
  expect(titles[0]).toBe('initial commit');
  const saves = titles.slice(1).map((title) => (title === 'Result of training' ? Infinity : Number(/^Step (\d+)$/.exec(title)?.[1])));
  expect(saves.length).toBeGreaterThan(0);
  expect(saves, titles.join(', ')).toEqual([...new Set(saves)].sort((a, b) => a - b));
  for (const [index, commit] of commits.entries()) {
    if (index === 0) continue;
    const parent = commits[index - 1]!;
    expect(repo.commits.get(commit.parent ?? '')).toBe(parent);
    expect([...commit.files].some(([path, { bytes }]) => !(parent.files.get(path)?.bytes.equals(bytes) ?? false)), commit.title).toBe(true);
    const step = saves[index - 1]!;
    if (step === Infinity) continue;
    const saved = readFileSync(at('whole', `checkpoint-${step}`, 'adapter_model.safetensors'));
    expect(commit.files.get('adapter_model.safetensors')?.bytes.equals(saved), commit.title).toBe(true);
  }
}

/** The run goes on to its end and is compared with the one that was left alone. */
async function finishAndCompare(name: string): Promise<void> {
  hub.faults = [{ on: /^PUT/, fault: { kind: 'slow', bytes: 1, ms: 100 }, times: 99 }];
  const ended = await runWithHub(hub, home, { ...flags(name), resume_from_checkpoint: true });
  expect([ended.code, ended.error]).toEqual([0, '']);
  expect(readdirSync(at(name)).sort()).toEqual(readdirSync(at('whole')).sort());
  for (const dir of ['.', ...readdirSync(at(name)).filter((one) => one.startsWith('checkpoint-'))]) {
    for (const file of ['adapter_model.safetensors', 'adapter_config.json']) {
      expect(readFileSync(at(name, dir, file)).equals(readFileSync(at('whole', dir, file))), `${dir}/${file}`).toBe(true);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, lateUntil + 50 - Date.now()));
  expectPushed(name);
  const card = (of: string): string => hub.files('model', `tester/${of}`).get('README.md')!.toString().replaceAll(of, 'NAME');
  expect(card(name)).toBe(card('whole'));
  expectNoToken(hub, ended, at(name), home);
}

describe('killed while uploading, resumed', () => {
  it.each(Array.from({ length: kills }, (_, index) => index))('run %i', { timeout: 300_000 }, async (index) => {
    const name = `run-${index}`;
    const moment = await runAndKill(name, index);
    await finishAndCompare(name);
    if (kills > 3) console.log(`run ${index}: killed at ${moment}`);
    rmSync(at(name), { recursive: true });
  });
});
