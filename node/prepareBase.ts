/**
 * `node dist/prepareBase.js`: begins a base such as `npm start` fine-tunes. All flags are in src/options/pretrain.ts; `--help` lists them.
 * The work is src/run/pretrain/baseFolder.ts.
 */
import { fileURLToPath } from 'node:url';
import { pretrainProgram } from '../src/options/pretrain.ts';
import { tokenizerTexts, writeInitialFolder } from '../src/run/pretrain/baseFolder.ts';
import { runProgram } from './cli.ts';
import { nodePlatform as platform } from './platform.ts';

await runProgram(pretrainProgram, async ({ options: { output_dir, family, sample, seed } }) => {
  const texts = await tokenizerTexts(platform, sample ?? fileURLToPath(new URL('../node/sample', import.meta.url)));
  await writeInitialFolder(platform, output_dir ?? '', texts, seed, family);
});
