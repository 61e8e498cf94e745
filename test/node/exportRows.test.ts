/** `--export_jsonl` on the embedded sample, with the base model of this repository, against what the reference system made of the same rows. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { exportRows } from '../../src/run/prepare/exportRows.ts';
import type { ExportRow } from '../../src/data/medvision/exportJsonl.ts';
import { parseOptions } from '../../src/options.ts';
import { UserError } from '../../src/platform.ts';

const root = resolve(import.meta.dirname, '../..');
const golden = join(root, 'test/golden/medvision');
const folder = mkdtempSync(join(tmpdir(), 'vernier-export-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rows = <T>(file: string): T[] => readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line) as T);

async function exported(flags: Record<string, string>): Promise<ExportRow[]> {
  const path = join(folder, 'rows.jsonl');
  const base = join(root, 'node/base');
  const { options } = parseOptions({
    base_model_hf: base, data_dir: join(root, 'node/sample'), process_dataset_only: 'true', export_jsonl: path, val_sample_limit: '0', ...flags,
  });
  const terminal = { write: () => undefined, isTty: false, columns: 100 };
  const context = { platform: nodePlatform, options, stop: new AbortController().signal, terminal, say: () => undefined, warn: () => undefined };
  expect(await exportRows(context, base)).toBe(true);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  return rows<ExportRow>(path);
}

const FAMILIES = { BoxSize: 'detect', TumorLesionSize: 'TL', BiometricsFromLandmarks: 'AD' } as const;
const PROCESSORS = { qwen: '12845056', qwen_small: '50176' };

test.each(Object.entries(PROCESSORS))('prompts, targets and pictures are the reference’s (%s)', async (processor, maxPixels) => {
  for (const [family, list] of Object.entries(FAMILIES)) {
    const index = rows<{ index: number; config: string }>(join(golden, `samples_${family}.index.jsonl`));
    const config = new Map(index.map((row) => [row.index, row.config]));
    const expected = rows<{ index: number; prompt: string; target: string; png_sha256: string; H: number; W: number }>(join(golden, `expected_${family}_${processor}.jsonl`));
    for (const split of ['Train', 'Test']) {
      const configs = [...new Set(index.map((row) => row.config))].filter((name) => name.endsWith(split));
      const path = join(folder, 'list.json');
      writeFileSync(path, JSON.stringify(Object.fromEntries(configs.map((name) => [name, 1]))));
      const found = await exported({ [`tasks_list_json_path_${list}`]: path, prompt_style: 'reference', min_pixels: '3136', max_pixels: maxPixels });
      expect(found.length).toBeGreaterThanOrEqual(index.filter((row) => row.config.endsWith(split)).length);
      const keys = new Set(found.map((row) => JSON.stringify([`${row.task}_${split}`, row.prompt, row.target, row.rgb_sha256, row.height, row.width])));
      for (const row of expected) {
        const name = config.get(row.index) ?? '';
        if (name.endsWith(split)) expect(keys).toContain(JSON.stringify([name, row.prompt, row.target, row.png_sha256, row.H, row.W]));
      }
      expect(found.every((row) => row.task_type === family && row.split === 'train')).toBe(true);
    }
  }
});

test('a fixed size has no place with a model that follows each image', async () => {
  const list = join(root, 'node/sample/tasks_list/tasks_MedVision-AD__train_SFT.json');
  await expect(exported({ tasks_list_json_path_AD: list, image_size: '896' })).rejects.toThrow(UserError);
  expect(() => parseOptions({ base_model_hf: 'x', data_dir: 'y', tasks_list_json_path_AD: list, image_size: '896' })).toThrow(/--image_size goes with/);
});
