/** A strict TypeScript consumer of every entry: compiled where the package is installed, never run. */
import { AdamW, ConsoleTracker, Device, fineTune, Job, loadModel, readConversations, UserError } from 'vernier';
import type { FineTuneResult, Platform, RunEvent, Tracker } from 'vernier';
import * as here from 'vernier/node';
import { decodedImage, processorOf, sharedCache, tokenizerOf, withTransformers } from 'vernier/transformers';
import { browserPlatform, connectWorker, pickedFiles } from 'vernier/web';
import 'vernier/web/worker';

const tracker: Tracker = new ConsoleTracker({ write: (text) => console.log(text), isTty: false, columns: 80 });

export async function train(platform: Platform, signal: AbortSignal): Promise<FineTuneResult> {
  const rows = [{ messages: [{ role: 'user' as const, content: 'a' }, { role: 'assistant' as const, content: 'b' }] }];
  const run: Job<RunEvent, FineTuneResult> = fineTune({
    platform, base: 'org/model', rows, val: 'val.jsonl', output: 'out', signal, trackers: [tracker],
    lora_r: 8, target_modules: ['q_proj'], lr_scheduler_type: 'cosine', min_pixels: null, resume_from_checkpoint: true,
  });
  for await (const event of run) {
    if (event.kind === 'figures') console.log(event.step, event.figures['loss']);
    else if (event.kind === 'message') console.log(event.level, event.text);
  }
  return run;
}

// @ts-expect-error an option that does not exist
void (() => here.fineTune({ base: 'b', train: 't', output: 'o', lorar: 8 }));
// @ts-expect-error a choice that does not exist
void (() => here.fineTune({ base: 'b', train: 't', output: 'o', lr_scheduler_type: 'cosin' }));
// @ts-expect-error a value of another type
void (() => here.fineTune({ base: 'b', train: 't', output: 'o', lora_r: '8' }));
// @ts-expect-error there is no model without a base
void (() => here.loadModel({ adapter: 'a' }));
// @ts-expect-error the platform is an argument here
void (() => loadModel({ base: 'b' }));

export async function ask(bytes: Uint8Array): Promise<number | undefined> {
  await using model = await here.loadModel({ base: 'org/model', adapter: 'out', quantization: 'nf4' });
  const answer = await model.ask([bytes, 'b.png'], 'How wide?', { max_new_tokens: 9, overlay: true });
  const found = await model.evaluate(undefined, { tasks_list_json_path_detect: 'list.json', data_dir: 'data', limit: 3 });
  const score: number | undefined = found.rows[0]?.score?.mae;
  return answer.numbers?.[0]?.value ?? answer.overlay?.png.length ?? score;
}

export async function inPage(worker: Worker, files: FileList): Promise<string> {
  const vernier = connectWorker(worker);
  await vernier.mount(pickedFiles(files, '/base'));
  await using model = await vernier.loadModel({ base: '/base' });
  for await (const piece of model.ask([], 'a')) console.log(piece.length);
  return browserPlatform(new Map()).name;
}

export async function withTheirs(platform: Platform): Promise<readonly number[]> {
  const tokenizer = { _tokenizerJSON: {}, _tokenizerConfig: {} };
  const image = decodedImage({ data: new Uint8ClampedArray(3), width: 1, height: 1, channels: 3 });
  await loadModel({ platform: sharedCache(withTransformers(platform, 'base', tokenizer)), base: 'base' });
  await processorOf(platform, 'base', { tokenizer });
  return [...tokenizerOf(tokenizer).encode('a'), image.width];
}

export async function parts(platform: Platform): Promise<boolean> {
  const device = await Device.create(await platform.gpu());
  for await (const row of readConversations(platform, 'rows.jsonl')) console.log(row.images.length);
  return device.capabilities.f16 && new UserError('x') instanceof Error && AdamW.name !== '';
}
