// Measures a model on rows of one's own, scored as MedVision does where a row names its task. Run where the package is installed:
// bun run bun.ts ROWS.jsonl [MODEL FOLDER] [ADAPTER FOLDER]
import { fileURLToPath } from 'node:url';
import { loadModel } from 'vernier/node';

const own = fileURLToPath(new URL('node/base', import.meta.resolve('vernier/package.json')));
const [rows = 'rows.jsonl', base = own, adapter] = process.argv.slice(2);

const model = await loadModel({ base, adapter });
const evaluation = model.evaluate(rows, { max_new_tokens: 32 });
for await (const event of evaluation) {
  if (event.kind === 'answered') for (const { id, response, target } of event.rows) console.log(`${id}: ${response} (right: ${target})`);
}
const { summary } = await evaluation;
console.log(JSON.stringify(summary));
await model.close();
