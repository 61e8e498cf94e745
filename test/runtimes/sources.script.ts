// For sources.test.ts: one training step through the API, from the sources as they stand. BASE OUTPUT
import process from 'node:process';
import { fineTune } from '../../node/index.ts';

const [base = '', output = ''] = process.argv.slice(2);
const rows = [{ messages: [{ role: 'user' as const, content: 'a' }, { role: 'assistant' as const, content: '1.5' }] }];
const { figures } = await fineTune({ base, rows, output, max_steps: 1, logging_steps: 1, lora_dropout: 0 });
console.log(`@result ${String(figures['train_loss'])}`);
