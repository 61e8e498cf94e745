/**
 * Copies what the tests need of the reference system's outputs for Colin27Mini: prompts, targets and picture hashes of every compared sample, which
 * sample of which config each is, and the parsed answers and metrics. Run: VERNIER_DATA_DIR=<folder with Colin27Mini> node test/golden/medvision/make.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const source = join(process.env.VERNIER_DATA_DIR ?? '', 'Colin27Mini');
const target = import.meta.dirname;
const rows = (name) => readFileSync(join(source, name), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
const save = (name, list) => writeFileSync(join(target, name), list.map((row) => JSON.stringify(row) + '\n').join(''));

for (const family of ['BoxSize', 'TumorLesionSize', 'BiometricsFromLandmarks']) {
  const compared = new Set();
  for (const processor of ['medgemma', 'qwen', 'qwen_small']) {
    const name = `expected_${family}_${processor}.jsonl`;
    const expected = rows(name).map(({ eval_prompt, ref_png_name, ...row }) => row);
    for (const row of expected) compared.add(row.index);
    save(name, expected);
  }
  save(`samples_${family}.index.jsonl`, rows(`samples_${family}.index.jsonl`).filter((row) => compared.has(row.index)));
}
save('expected_metrics.jsonl', rows('expected_metrics.jsonl').map(({ cal_metrics_summary, lmms_process_results, ...row }) => row));
writeFileSync(join(target, 'expected_parse_outputs_summary.json'), readFileSync(join(source, 'expected_parse_outputs_summary.json')));
