/**
 * The page: says which GPU it found, fine-tunes on a handful of conversations with the program of the command line, in a worker, draws the
 * loss as it comes, asks one question before and after, and gives the adapter as files. Served by `npx vite --mode web`, built into
 * dist/web.
 */
import { Device } from '../src/gpu/device.ts';
import { openModelFolder } from '../src/io/modelFolder.ts';
import { modelFamily } from '../src/models/families.ts';
import { joinPath, UserError } from '../src/platform.ts';
import type { DecodedImage } from '../src/platform.ts';
import { bytesText } from '../src/track/console.ts';
import { chooseCompute } from '../src/tune/compute.ts';
import { connectWorker } from './client.ts';
import { drawCurve } from './curve.ts';
import { pickedFiles } from './mountedFiles.ts';
import { OWN_BASE, OWN_SAMPLE, ownFiles } from './own/ownFiles.ts';
import { browserPlatform } from './platform.ts';
import { pickedRows, sampleRows } from './rows.ts';
import type { PageRows } from './rows.ts';

const MAX_ANSWER_TOKENS = 48;
const OUTPUT = '/run';
const PICKED_BASE = '/picked-base';
const PICKED_ROWS = '/picked-rows';

/** What is shown is read in this thread, what is computed in the worker: both have the same files. */
const mounts = new Map<string, Blob | string>();
const platform = browserPlatform(mounts);
const vernier = connectWorker(new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' }));

function element<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

const trainButton = element('train', HTMLButtonElement);
const stopButton = element('stop', HTMLButtonElement);
const curve = element('curve', HTMLCanvasElement);

function show(id: string, text: string): void {
  element(id, HTMLElement).textContent = text;
}

function showError(error: unknown): void {
  // A UserError is the user's to act on; anything else is a defect, and its stack helps to report it.
  show('error', error instanceof UserError ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error));
}

function choice(name: string): string {
  return document.querySelector<HTMLInputElement>(`input[name=${name}]:checked`)?.value ?? '';
}

async function mount(files: ReadonlyMap<string, Blob | string>): Promise<void> {
  for (const [path, file] of files) mounts.set(path, file);
  await vernier.mount(files);
}

async function mountPicked(id: string, at: string): Promise<void> {
  for (const path of mounts.keys()) if (path.startsWith(`${at}/`)) mounts.delete(path);
  await vernier.unmount(at);
  const files = element(id, HTMLInputElement).files ?? [];
  if (files.length === 0) throw new UserError('Pick a folder first, or choose what comes with Vernier.');
  await mount(pickedFiles(files, at));
}

function number(id: string, low: number, high: number, name: string): number {
  const value = element(id, HTMLInputElement).valueAsNumber;
  if (!(value >= low && value <= high))
    throw new UserError(`${name}: a number from ${low} to ${high} was expected, found "${element(id, HTMLInputElement).value}".`);
  return value;
}

function whole(id: string, name: string, high: number): number {
  const value = number(id, 1, high, name);
  if (!Number.isInteger(value)) throw new UserError(`${name}: a whole number was expected, found ${value}.`);
  return value;
}

function picture({ width, height, data }: DecodedImage): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  const raster = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) raster.data.set([data[i * 3] ?? 0, data[i * 3 + 1] ?? 0, data[i * 3 + 2] ?? 0, 255], i * 4);
  context?.putImageData(raster, 0, 0);
  return canvas;
}

async function describeGpu(): Promise<string> {
  const device = await Device.create(await platform.gpu());
  const { capabilities } = device;
  device.destroy();
  const { description, vendor, architecture, kind, f16, subgroups, maxBindingBytes } = capabilities;
  const names = [vendor, architecture, description].filter((name) => name !== '');
  const optional = [f16 ? 'f16' : 'no f16', subgroups ? 'subgroups' : 'no subgroups'].join(', ');
  return (
    `${names.join(' · ') || 'an adapter that does not say its name'}${kind === 'software' ? ' (software: slow)' : ''}; ${optional}; ` +
    `binds up to ${bytesText(maxBindingBytes)}; computes in ${chooseCompute(capabilities, 'auto').words}`
  );
}

async function rowsOf(base: string): Promise<PageRows> {
  if (choice('rows') === 'picked') return pickedRows(platform, PICKED_ROWS);
  const folder = await openModelFolder(platform, base);
  await folder.close();
  return sampleRows(platform, OWN_SAMPLE, await modelFamily(folder.modelType, base).processor(platform, base, {}));
}

/** The model's answer to the first row. */
async function answer(base: string, { given }: PageRows, adapter: string | undefined, signal: AbortSignal): Promise<string> {
  await using model = await vernier.loadModel({ base, adapter, signal });
  const first = 'train' in given ? given.train : given.rows.slice(0, 1);
  const { rows, outcome } = await model.evaluate(first, { limit: 1, max_new_tokens: MAX_ANSWER_TOKENS, signal });
  return outcome === 'stopped' ? '(stopped)' : (rows[0]?.response ?? '');
}

interface Numbers {
  steps: number;
  batch: number;
  rate: number;
}

async function learn(base: string, { given }: PageRows, { steps, batch, rate }: Numbers, signal: AbortSignal): Promise<string> {
  const losses: number[] = [];
  let memory = '';
  drawCurve(curve, losses, steps);
  const run = vernier.fineTune({
    base,
    ...given,
    output: OUTPUT,
    overwrite: true,
    run_name: 'page',
    max_steps: steps,
    per_device_train_batch_size: 'rows' in given ? Math.min(batch, given.rows.length) : batch,
    gradient_accumulation_steps: 1,
    learning_rate: rate,
    lr_scheduler_type: 'cosine',
    warmup_ratio: 0.05,
    max_grad_norm: 1,
    lora_r: 16,
    lora_alpha: 32,
    lora_dropout: 0,
    logging_steps: 1,
    save_steps: -1,
    seed: 1,
    signal,
  });
  for await (const event of run) {
    switch (event.kind) {
      case 'progress':
        // Steps are told of when they are queued; the page shows the ones that the GPU has done.
        memory = bytesText(event.peakBytes);
        break;
      case 'figures':
        if (typeof event.figures['loss'] !== 'number') break;
        losses.push(event.figures['loss']);
        drawCurve(curve, losses, steps);
        show('status', `step ${event.step} of ${steps}, ${memory} of GPU memory`);
        break;
      case 'message':
        if (event.level === 'warning') showError(new UserError(event.text));
        else if (losses.length === 0) show('status', event.text);
        break;
      case 'start':
      case 'finish':
        break;
    }
  }
  const result = await run;
  return `${result.outcome} after ${result.steps} steps; loss ${losses[0]?.toFixed(3) ?? '?'} → ${losses.at(-1)?.toFixed(3) ?? '?'}`;
}

/** Links to the adapter's files: PEFT's own two, as Python reads them. */
async function offerAdapter(): Promise<void> {
  const links = await Promise.all(
    ['adapter_config.json', 'adapter_model.safetensors'].map(async (name) => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([(await vernier.readFile(joinPath(OUTPUT, name))).slice()]));
      link.download = name;
      link.textContent = name;
      return link;
    }),
  );
  element('downloads', HTMLElement).replaceChildren('The adapter: ', ...links);
}

async function run(stop: AbortSignal): Promise<void> {
  for (const id of ['error', 'question', 'target', 'before', 'after', 'downloads']) show(id, '');
  const numbers = {
    steps: whole('steps', 'Steps', 1000),
    batch: whole('batch', 'Conversations a step', 64),
    rate: number('rate', 0, 1, 'Learning rate'),
  };
  const isPickedBase = choice('base') === 'picked';
  if (isPickedBase) await mountPicked('base-folder', PICKED_BASE);
  if (choice('rows') === 'picked') await mountPicked('rows-folder', PICKED_ROWS);
  const base = isPickedBase ? PICKED_BASE : OWN_BASE;

  show('status', 'reading the conversations …');
  const rows = await rowsOf(base);
  element('pictures', HTMLElement).replaceChildren(...rows.pictures.map(picture));
  show('question', rows.question);
  show('target', rows.target);
  show('status', 'asking before …');
  show('before', await answer(base, rows, undefined, stop));
  show('status', 'training; the first step compiles the kernels …');
  const outcome = await learn(base, rows, numbers, stop);
  show('status', `${outcome}; asking again …`);
  show('after', stop.aborted ? '(stopped)' : await answer(base, rows, OUTPUT, stop));
  await offerAdapter();
  show('status', outcome);
}

async function start(): Promise<void> {
  await mount(ownFiles);
  try {
    show('adapter', await describeGpu());
  } catch (error) {
    show('adapter', 'none');
    showError(error);
    return;
  }
  let stop = new AbortController();
  stopButton.onclick = () => {
    stop.abort();
  };
  trainButton.onclick = () => {
    stop = new AbortController();
    trainButton.disabled = true;
    stopButton.disabled = false;
    void run(stop.signal)
      .catch((error: unknown) => {
        show('status', stop.signal.aborted ? 'stopped' : 'failed');
        if (!stop.signal.aborted) showError(error);
      })
      .finally(() => {
        trainButton.disabled = false;
        stopButton.disabled = true;
      });
  };
  trainButton.disabled = false;
}

void start().catch(showError);
