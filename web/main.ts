/**
 * The page: says which GPU it found, fine-tunes on a handful of conversations with the same trainer as the command line, draws the loss as
 * it comes, asks one question before and after, and gives the adapter as files. Served by `npx vite --mode web`, built into dist/web.
 */
import { Device } from '../src/gpu/device.ts';
import { loraConfig } from '../src/io/peftConfig.ts';
import { joinPath, UserError } from '../src/platform.ts';
import type { DecodedImage } from '../src/platform.ts';
import type { Tracker } from '../src/track/tracker.ts';
import { bytesText, countText } from '../src/track/console.ts';
import { shortRunSettings } from '../src/train/shortRun.ts';
import { openSession } from '../src/train/session.ts';
import type { Session } from '../src/train/session.ts';
import { train } from '../src/train/trainer.ts';
import { chooseCompute } from '../src/tune/compute.ts';
import { plansOf } from '../src/tune/plans.ts';
import { drawCurve } from './curve.ts';
import { pickedFiles } from './mountedFiles.ts';
import { OWN_BASE, OWN_SAMPLE, ownFiles } from './ownFiles.ts';
import { browserPlatform } from './platform.ts';
import { pickedRows, sampleRows, turnText } from './rows.ts';
import type { PageRow } from './rows.ts';

const MAX_ANSWER_TOKENS = 48;
const ADAPTER = '/adapter';

const mounts = new Map<string, Blob | string>(ownFiles);
const platform = browserPlatform(mounts);

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

function mountPicked(id: string, at: string): void {
  for (const path of mounts.keys()) if (path.startsWith(`${at}/`)) mounts.delete(path);
  const files = element(id, HTMLInputElement).files ?? [];
  if (files.length === 0) throw new UserError('Pick a folder first, or choose what comes with Vernier.');
  for (const [path, file] of pickedFiles(files, at)) mounts.set(path, file);
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

async function openDevice(): Promise<Device> {
  const device = await Device.create(await platform.gpu());
  const computing = chooseCompute(device.capabilities, 'auto');
  plansOf(device).compute = computing.dtype;
  const { description, vendor, architecture, kind, f16, subgroups, maxBindingBytes } = device.capabilities;
  const names = [vendor, architecture, description].filter((name) => name !== '' && name !== 'unknown adapter');
  const optional = [f16 ? 'f16' : 'no f16', subgroups ? 'subgroups' : 'no subgroups'].join(', ');
  show(
    'adapter',
    `${names.join(' · ') || 'an adapter that does not say its name'}${kind === 'software' ? ' (software: slow)' : ''}; ${optional}; ` +
      `binds up to ${bytesText(maxBindingBytes)}; computes in ${computing.words}`,
  );
  return device;
}

interface Numbers {
  steps: number;
  batch: number;
  rate: number;
}

async function learn(session: Session, rows: readonly PageRow[], { steps, batch, rate }: Numbers, stop: AbortSignal): Promise<string> {
  const losses: number[] = [];
  let memory = '';
  drawCurve(curve, losses, steps);
  const tracker: Tracker = {
    start: () => Promise.resolve(),
    // Steps are told of when they are queued; the page shows the ones that the GPU has done.
    progress: ({ peakBytes }) => {
      memory = bytesText(peakBytes);
    },
    log: (row, step) => {
      losses.push(Number(row['loss']));
      drawCurve(curve, losses, steps);
      show('status', `step ${step} of ${steps}, ${memory} of GPU memory`);
      return Promise.resolve();
    },
    event: (_, text) => {
      showError(new UserError(text));
      return Promise.resolve();
    },
    finish: () => Promise.resolve(),
  };
  const examples = await Promise.all(rows.map((row) => row.learn()));
  const source = { length: examples.length, get: (index: number) => Promise.resolve(examples[index]!) };
  const result = await train(
    session,
    source,
    shortRunSettings({
      run_name: 'page',
      max_steps: steps,
      per_device_train_batch_size: Math.min(batch, examples.length),
      learning_rate: rate,
      seed: 1,
    }),
    { tracker, stop },
  );
  const last = losses.at(-1);
  return `${result.outcome} after ${result.steps} steps; loss ${losses[0]?.toFixed(3) ?? '?'} → ${last?.toFixed(3) ?? '?'}`;
}

/** Links to the adapter's files: PEFT's own two, as Python reads them. */
async function offerAdapter(session: Session): Promise<void> {
  await session.save(ADAPTER);
  const links = await Promise.all(
    ['adapter_config.json', 'adapter_model.safetensors'].map(async (name) => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([(await platform.readFile(joinPath(ADAPTER, name))).slice()]));
      link.download = name;
      link.textContent = name;
      return link;
    }),
  );
  element('downloads', HTMLElement).replaceChildren('The adapter: ', ...links);
}

async function run(device: Device, stop: AbortSignal): Promise<void> {
  for (const id of ['error', 'question', 'target', 'before', 'after', 'downloads']) show(id, '');
  const numbers = {
    steps: whole('steps', 'Steps', 1000),
    batch: whole('batch', 'Conversations a step', 64),
    rate: number('rate', 0, 1, 'Learning rate'),
  };
  const isPickedBase = choice('base') === 'picked';
  if (isPickedBase) mountPicked('base-folder', '/picked-base');
  if (choice('rows') === 'picked') mountPicked('rows-folder', '/picked-rows');

  show('status', 'loading the base model …');
  const session = await openSession(platform, device, {
    baseModel: isPickedBase ? '/picked-base' : OWN_BASE,
    finetuning: { kind: 'lora', config: loraConfig({ r: 16, lora_alpha: 32, target_modules: 'all-linear' }) },
    seed: 1,
  });
  try {
    const rows =
      choice('rows') === 'picked'
        ? await pickedRows(platform, '/picked-rows', session.processor, session.model.vocabSize)
        : await sampleRows(platform, OWN_SAMPLE, session.processor);
    element('pictures', HTMLElement).replaceChildren(...rows.flatMap((row) => row.images.map(picture)));
    const [first] = rows;
    if (!first) throw new UserError('There is no conversation to train on.');
    show('question', turnText(first, 'user'));
    show('target', turnText(first, 'assistant'));
    const ask = async (): Promise<string> => session.generate(await first.ask(), { maxNewTokens: MAX_ANSWER_TOKENS, stop });
    show('status', `asking before; ${rows.length} conversations, ${countText(session.trainableCount)} values to train …`);
    show('before', await ask());
    show('status', 'training; the first step compiles the kernels …');
    const outcome = await learn(session, rows, numbers, stop);
    show('status', `${outcome}; asking again …`);
    show('after', stop.aborted ? '(stopped)' : await ask());
    await offerAdapter(session);
    show('status', outcome);
  } finally {
    session.close();
  }
}

async function start(): Promise<void> {
  let device: Device;
  try {
    device = await openDevice();
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
    void run(device, stop.signal)
      .catch((error: unknown) => {
        show('status', 'failed');
        showError(error);
      })
      .finally(() => {
        trainButton.disabled = false;
        stopButton.disabled = true;
      });
  };
  trainButton.disabled = false;
}

void start().catch(showError);
