// Fine-tunes the tiny base that comes with the package to box white squares, and leaves a PEFT adapter.
// Run: node node.mjs [output folder]
import { fileURLToPath } from 'node:url';
import { fineTune } from 'vernier/node';

const base = fileURLToPath(new URL('node/base', import.meta.resolve('vernier/package.json')));

/** A picture of 56 × 56 pixels, black but for a square, and where the square is. */
function square(left, top, size = 20) {
  const data = new Uint8Array(56 * 56 * 3);
  for (let y = top; y < top + size; y++) data.fill(255, (y * 56 + left) * 3, (y * 56 + left + size) * 3);
  const box = [left, 56 - top - size, left + size, 56 - top].map((at) => (at / 56).toFixed(3));
  const question = [{ type: 'image' }, { type: 'text', text: 'Box?' }];
  const messages = [{ role: 'user', content: question }, { role: 'assistant', content: box.join(', ') }];
  return { messages, images: [{ width: 56, height: 56, data }] };
}

const rows = [square(4, 4), square(30, 4), square(4, 30), square(30, 30)];
const run = fineTune({ base, rows, output: process.argv[2] ?? 'outputs/squares', max_steps: 3, logging_steps: 1, learning_rate: 1e-3, epoch: 1 });
for await (const event of run) {
  if (event.kind === 'figures' && 'loss' in event.figures) console.log(`step ${event.step}: loss ${event.figures.loss}`);
}
const { outcome, steps, output } = await run;
console.log(`${outcome} after ${steps} steps: ${output}`);
