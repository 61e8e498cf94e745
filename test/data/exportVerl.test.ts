/** `--export_verl`: Parquet files as verl takes them, read back here and, where it is, by pyarrow. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parquetReadObjects, parquetSchema } from 'hyparquet';
import { parquetMetadata } from 'hyparquet';
import { afterAll, describe, expect, test } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { collectSamples } from '../../src/data/medvision/collect.ts';
import type { CollectedSamples, CollectSettings } from '../../src/data/medvision/collect.ts';
import { checkVerlFolder, exportVerl, VERL_MANIFEST } from '../../src/data/medvision/exportVerl.ts';
import type { VerlRow } from '../../src/data/medvision/exportVerl.ts';
import { renderSlice } from '../../src/data/medvision/slices.ts';
import { definitions } from '../../src/options.ts';

const folder = mkdtempSync(join(tmpdir(), 'vernier-verl-'));
afterAll(() => rmSync(folder, { recursive: true }));
const dataDir = resolve(import.meta.dirname, '../../node/sample');
const list = (kind: string): string => join(dataDir, 'tasks_list', `tasks_MedVision-${kind}__train_SFT.json`);
const defaults = Object.fromEntries(Object.entries(definitions).map(([name, { default: value }]) => [name, value])) as unknown as CollectSettings;
const collect = (settings: Partial<CollectSettings>): Promise<CollectedSamples> =>
  collectSamples(
    nodePlatform,
    { ...defaults, data_dir: dataDir, tasks_list_json_path_AD: list('AD'), tasks_list_json_path_detect: list('detect'), tasks_list_json_path_TL: list('TL'), ...settings },
    { resizedSize: (height, width) => ({ height, width }) },
  );
const bytesOf = (path: string): ArrayBuffer => Uint8Array.from(readFileSync(path)).buffer;

/** Types as README.md writes them. */
function typeText({ element, children }: ReturnType<typeof parquetSchema>): string {
  if (element.converted_type === 'LIST') return `list<${typeText(children[0]!.children[0]!)}>`;
  if (children.length > 0) return `struct<${children.map((child) => `${child.element.name}: ${typeText(child)}`).join(', ')}>`;
  const physical = { BYTE_ARRAY: 'binary', INT32: 'int32', DOUBLE: 'double' } as Readonly<Record<string, string>>;
  return element.converted_type === 'UTF8' ? 'string' : (physical[element.type ?? ''] ?? 'unknown');
}

describe('the export for verl', () => {
  const dir = join(folder, 'verl');

  test('has the rows in their order, with the picture of each and its answer', async () => {
    const collected = await collect({ train_sample_limit: 20, val_sample_limit: 5 });
    expect(await exportVerl(nodePlatform, dir, collected)).toBe(25);
    expect(readdirSync(dir).sort()).toEqual(['train-00000.parquet', 'validation-00000.parquet', VERL_MANIFEST]);
    for (const [split, samples] of [['train', collected.train], ['validation', collected.validation]] as const) {
      const rows = (await parquetReadObjects({ file: bytesOf(join(dir, `${split}-00000.parquet`)), utf8: false })) as unknown as VerlRow[];
      expect(rows).toHaveLength(samples.length);
      for (const [i, row] of rows.entries()) {
        const sample = samples.at(i);
        expect(row.prompt).toEqual([{ role: 'user', content: `<image>${sample.prompt}` }]);
        expect([row.ground_truth, row.reward_model]).toEqual([sample.target, { style: 'rule', ground_truth: sample.target }]);
        expect(row.data_source).toBe(`medvision/${sample.task}`);
        expect(row.extra_info).toMatchObject({ split, index: i, image_file: sample.imageFile, slice_idx: sample.sliceIdx, values: sample.values });
        const picture = await renderSlice(await collected.volumes.open(sample.imageFile), sample);
        expect(row.images).toHaveLength(1);
        const image = await nodePlatform.decodeImage(row.images[0]!.bytes, 'slice.png');
        expect({ width: image.width, height: image.height, data: [...image.data] }).toEqual({ width: sample.width, height: sample.height, data: [...picture.data] });
      }
    }
    const manifest = JSON.parse(readFileSync(join(dir, VERL_MANIFEST), 'utf8')) as { annotations: object[]; rows: object };
    expect(manifest).toMatchObject({ rows: { train: 20, validation: 5 }, annotations: collected.report.plans });
  });

  test('has every column typed as README.md says', () => {
    const readme = readFileSync(join(import.meta.dirname, '../../src/data/medvision/README.md'), 'utf8');
    const said = readme.split('\n').filter((line) => /^(prompt|images|ground_truth|data_source|ability|reward_model|extra_info): /.test(line));
    for (const name of ['train', 'validation']) {
      const { children } = parquetSchema(parquetMetadata(bytesOf(join(dir, `${name}-00000.parquet`))));
      expect(children.map((child) => `${child.element.name}: ${typeText(child)}`)).toEqual(said);
    }
  });

  test.runIf(process.env['VERNIER_PYTHON'])('is what pyarrow reads', () => {
    const script = `import pyarrow.parquet as pq; t = pq.read_table(${JSON.stringify(join(dir, 'train-00000.parquet'))}); print(t.num_rows, t.schema.field('images').type)`;
    expect(execFileSync(process.env['VERNIER_PYTHON'] ?? '', ['-c', script], { encoding: 'utf8' }).trim()).toBe(
      '20 list<element: struct<bytes: binary, path: string>>',
    );
  });

  test('is made anew without files of a longer one, and spares what is not its own', async () => {
    writeFileSync(join(dir, VERL_MANIFEST), JSON.stringify({ files: ['train-00000.parquet', 'train-00007.parquet', '../x.parquet'] }));
    writeFileSync(join(dir, 'train-00007.parquet'), 'old');
    writeFileSync(join(folder, 'x.parquet'), 'mine');
    await checkVerlFolder(nodePlatform, dir, false);
    expect(await exportVerl(nodePlatform, dir, await collect({ train_sample_limit: 2, val_sample_limit: 0 }))).toBe(2);
    expect(existsSync(join(dir, 'train-00007.parquet'))).toBe(false);
    expect(readFileSync(join(folder, 'x.parquet'), 'utf8')).toBe('mine');
    const other = join(folder, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'train.parquet'), 'mine');
    await expect(checkVerlFolder(nodePlatform, other, false)).rejects.toThrow(/is not empty and holds no export/);
    await checkVerlFolder(nodePlatform, other, true);
    await expect(checkVerlFolder(nodePlatform, join(other, 'train.parquet'), true)).rejects.toThrow(/is a file/);
    const stopped = join(folder, 'stopped');
    const stop = AbortSignal.abort();
    expect(await exportVerl(nodePlatform, stopped, await collect({ train_sample_limit: 2, val_sample_limit: 0 }), { stop })).toBeUndefined();
    expect(existsSync(join(stopped, VERL_MANIFEST))).toBe(false);
  });
});
