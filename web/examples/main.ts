// Fine-tunes a base model from a folder that is picked, in a worker, on one small picture. Run: npx vite
import { connectWorker, pickedFiles } from 'vernier/web';

const vernier = connectWorker(new Worker(new URL('vernier/web/worker', import.meta.url), { type: 'module' }));
const input = document.querySelector<HTMLInputElement>('#base')!;
const log = (text: string): void => document.querySelector('#log')!.append(`${text}\n`);

const content = [{ type: 'image' as const }, { type: 'text' as const, text: 'Grey?' }];
const picture = { width: 28, height: 28, data: new Uint8Array(28 * 28 * 3).fill(128) };
const rows = [{ messages: [{ role: 'user' as const, content }, { role: 'assistant' as const, content: '0.500' }], images: [picture] }];

input.onchange = async () => {
  await vernier.mount(pickedFiles(input.files ?? [], '/base'));
  const run = vernier.fineTune({ base: '/base', rows, output: '/run', max_steps: 3, logging_steps: 1, overwrite: true });
  document.querySelector<HTMLElement>('#stop')!.onclick = () => run.stop();
  for await (const event of run) {
    if (event.kind === 'message') log(event.text);
    if (event.kind === 'figures' && 'loss' in event.figures) log(`step ${event.step}: loss ${event.figures['loss']}`);
  }
  const { outcome, output } = await run;
  await using model = await vernier.loadModel({ base: '/base', adapter: output });
  log(`${outcome}; ${(await vernier.listDir(output)).join(' ')}; answer: ${(await model.ask(picture, 'Grey?', { max_new_tokens: 8 })).text}`);
};
