// One training step through the API, where the package is installed: prints the loss. node step.mjs BASE OUTPUT
import { fineTune } from 'vernier/node';

const [base, output] = process.argv.slice(2);
const data = Uint8Array.from({ length: 56 * 56 * 3 }, (_, i) => (i * 7) % 256);
const content = [{ type: 'image' }, { type: 'text', text: 'Size?' }];
const messages = [{ role: 'user', content }, { role: 'assistant', content: '0.125, 0.250' }];
const rows = [{ messages, images: [{ width: 56, height: 56, data }] }];
const one = { max_steps: 1, logging_steps: 1, learning_rate: 1e-3, lr_scheduler_type: 'constant', warmup_ratio: 0, lora_dropout: 0 };
const { outcome, history } = await fineTune({ base, rows, val: rows, output, overwrite: true, ...one });
const after = history.findLast((row) => 'eval_loss' in row)?.eval_loss;
console.log(`@result ${JSON.stringify({ outcome, loss: history.find((row) => 'loss' in row)?.loss, after })}`);
