/** For shell.test.ts: the quick start of a few steps and one question, in a process of its own, which the environment tells its driver. Prints its losses. */
import process from 'node:process';
import { nodePlatform } from '../../node/platform.ts';
import { RECIPES } from '../../src/run/quickstart/recipes.ts';
import { quickstart } from '../../src/run/quickstart/run.ts';

const [root = '', out = '', given = '{}'] = process.argv.slice(2);
const terminal = { write: (text: string) => void process.stderr.write(text), isTty: false, columns: 100 };
const settings = { ...RECIPES['qwen-tiny'], ...(JSON.parse(given) as object), base: `${root}/node/base`, sample: `${root}/node/sample`, out };
const { losses } = await quickstart(nodePlatform, settings, terminal, new AbortController().signal);
process.stdout.write(JSON.stringify(losses));
process.exit(0); // Dawn keeps the process alive
