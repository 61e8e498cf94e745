/** What is shared out among ranks, answers and prepared rows, comes to the bytes of one process, and so does what goes on after a stop. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCommandLine, dist, goldenRows, repository, tinyModel } from '../trainProcess.ts';
import type { Flags } from '../trainProcess.ts';
import { isHere, launchWords, libraries } from './launch.ts';

const scratch = mkdtempSync(join(tmpdir(), 'vernier-mpi-shared-'));
const at = (...parts: string[]): string => join(scratch, ...parts);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const wordsOf = (program: string, flags: Flags): string[] => [
  process.execPath, join(dist, `${program}.js`), ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
];
const lists = join(repository, 'node/sample/tasks_list');
const answering: Flags = { base_model_hf: tinyModel, eval_file: at('held.jsonl'), max_new_tokens: 5, per_device_eval_batch_size: 2, dataloader_num_workers: 0 };
const preparing: Flags = {
  base_model_hf: tinyModel, data_dir: join(repository, 'node/sample'), tasks_list_json_path_AD: join(lists, 'tasks_MedVision-AD__train_SFT.json'),
  tasks_list_json_path_detect: join(lists, 'tasks_MedVision-detect__train_SFT.json'), process_dataset_only: true, process_img: true, save_processed_img_to_disk: true,
  num_workers_format_dataset: 0,
};

function alone(program: string, flags: Flags): void {
  const [node, ...words] = wordsOf(program, flags);
  execFileSync(node!, words, { cwd: repository, stdio: 'pipe' });
}

/** Every file below a folder with its bytes; pages name their folder, and say when they were made. */
function bytesOf(dir: string): Map<string, string> {
  return new Map(
    readdirSync(dir, { recursive: true })
      .map(String)
      .filter((name) => !/^report\./.test(name) && statSync(join(dir, name)).isFile())
      .sort()
      .map((name) => [name, readFileSync(join(dir, name), 'base64')]),
  );
}

beforeAll(() => {
  buildCommandLine();
  writeFileSync(at('held.jsonl'), `${Array.from({ length: 4 }, () => goldenRows('s09_textonly', 's12_string_content')).flat().join('\n')}\n`);
  alone('evaluate', { ...answering, output_dir: at('answers') });
  alone('train', { ...preparing, prepared_ds_dir: at('rows') });
});

describe.each(libraries)('with %s', (library) => {
  it.skipIf(!isHere(library))('answers are those of one process, and what was answered before is kept', async () => {
    const flags = { ...answering, output_dir: at(`answers ${library}`) };
    const { code, output, error } = await launchWords(library, ['-n', '3', ...wordsOf('evaluate', flags)]).ended;
    expect(code, output + error).toBe(0);
    expect(bytesOf(flags.output_dir)).toEqual(bytesOf(at('answers')));
    // Half of the answers lost: they are asked again, by two, and nothing else is.
    const samples = at(`answers ${library}`, 'samples.jsonl');
    const lines = readFileSync(samples, 'utf8').trimEnd().split('\n');
    writeFileSync(samples, `${lines.slice(0, 3).join('\n')}\n`);
    const again = await launchWords(library, ['-n', '2', ...wordsOf('evaluate', flags)]).ended;
    expect(again.code, again.output + again.error).toBe(0);
    expect(again.output).toContain('3 of them were answered before');
    expect(bytesOf(flags.output_dir)).toEqual(bytesOf(at('answers')));
  });

  it.skipIf(!isHere(library))('prepared rows and pictures are those of one process', async () => {
    const dir = at(`rows ${library}`);
    const { code, output, error } = await launchWords(library, ['-n', '3', ...wordsOf('train', { ...preparing, prepared_ds_dir: dir })]).ended;
    expect(code, output + error).toBe(0);
    expect(bytesOf(dir)).toEqual(bytesOf(at('rows')));
    expect(bytesOf(dir).size).toBeGreaterThan(100);
  });
});
