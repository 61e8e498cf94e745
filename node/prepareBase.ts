/**
 * `node dist/prepareBase.js`: begins a base such as `npm start` fine-tunes. All flags are in src/options/pretrain.ts; `--help` lists them.
 * The work is src/run/pretrain/baseFolder.ts.
 */
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { pretrainProgram } from '../src/options/pretrain.ts';
import type { PretrainOptions } from '../src/options/pretrain.ts';
import type { Parsed } from '../src/options/program.ts';
import { main } from '../src/run/main.ts';
import { tokenizerTexts, writeInitialFolder } from '../src/run/pretrain/baseFolder.ts';
import { processSurroundings } from './cli.ts';
import { nodePlatform as platform } from './platform.ts';

async function run({ options: { output_dir, family, sample, seed } }: Parsed<PretrainOptions>): Promise<void> {
  const texts = await tokenizerTexts(platform, sample ?? fileURLToPath(new URL('../node/sample', import.meta.url)));
  await writeInitialFolder(platform, output_dir ?? '', texts, seed, family);
}

process.exit(await main(pretrainProgram, run, processSurroundings(platform)));
