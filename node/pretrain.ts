/**
 * Makes a tiny base such as `npm start` fine-tunes: random weights, trained in full on synthetic pictures. Run it on a fast GPU (the bases that ship were
 * made on a CPU, by pretrain/make_base.py, from the folder that --prepare writes):
 *
 *     npm run build && node dist/pretrain.js --out node/base --seconds 460 --batch 32
 *
 * The model, its gradients and AdamW are those of every other run (openSession with full fine-tuning, runMicroBatch). The loop is its own because the
 * learning rate goes by the clock: a machine is lent for minutes, and the rate must have come down to zero when they are over.
 */
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { isMainThread } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import { Device } from '../src/gpu/device.ts';
import { joinPath, UserError } from '../src/platform.ts';
import { durationText } from '../src/track/console.ts';
import { countLabels, runMicroBatch } from '../src/train/microBatch.ts';
import { AdamW } from '../src/train/optimizer.ts';
import { openSession } from '../src/train/session.ts';
import type { Session } from '../src/train/session.ts';
import { nodePlatform as platform } from './platform.ts';
import { BASE_FAMILIES, tokenizerTexts, writeBase, writeInitialFolder } from './pretrain/baseFolder.ts';
import type { BaseFamily } from './pretrain/baseFolder.ts';
import { askPhantoms } from './pretrain/phantomQuestions.ts';
import { PhantomSource, servePhantoms } from './pretrain/phantomSource.ts';

interface Settings {
  out: string;
  sample: string;
  from?: string;
  steps: number;
  batch: number;
  seconds: number;
  learningRate: number;
  threads: number;
  saveSeconds: number;
  seed: number;
  prepare?: boolean;
  family: BaseFamily;
}

/** Share of the run over which the learning rate rises. */
const WARM_UP = 0.02;
const LOG_STEPS = 50;

function above(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!(value > least)) throw new InvalidArgumentError(`A number above ${least} is expected.`);
    return value;
  };
}

async function pretrain(settings: Settings, stop: AbortSignal): Promise<void> {
  if (settings.prepare === true) {
    await writeInitialFolder(platform, settings.out, await tokenizerTexts(platform, settings.sample), settings.seed, settings.family);
    return;
  }
  const start = settings.from ?? joinPath(settings.out, 'start');
  if (settings.from === undefined) await writeInitialFolder(platform, start, await tokenizerTexts(platform, settings.sample), settings.seed);
  const device = await Device.create(await platform.gpu());
  console.log(`GPU: ${device.report.description}`);
  const session = await openSession(platform, device, { baseModel: start, finetuning: { kind: 'full' }, seed: settings.seed });
  // Another --from, other pictures: the seed of the phantoms is that of the run.
  const rows = { first: 0, length: settings.steps * settings.batch };
  const source = new PhantomSource(new URL(import.meta.url), { dir: start, seed: settings.seed }, rows, settings.threads, 4 * settings.batch);
  try {
    await loop(session, source, settings, stop);
  } finally {
    await source.close();
    session.close();
    device.destroy();
  }
  if (settings.from === undefined) await platform.remove(start);
}

async function loop(session: Session, source: PhantomSource, settings: Settings, stop: AbortSignal): Promise<void> {
  const { device, arena } = session;
  const optimizer = new AdamW(device, arena, { beta2: 0.99, weightDecay: 0.01, maxGradNorm: 1 });
  const startedAt = performance.now();
  const elapsed = (): number => (performance.now() - startedAt) / 1000;
  const labels: number[] = [];
  let savedAt = 0;
  let logged = 0;
  const tell = async (): Promise<void> => {
    const rows = await optimizer.readLog(logged + 1, optimizer.steps);
    const counted = labels.splice(0).reduce((a, b) => a + b, 0);
    const loss = rows.reduce((sum, row) => sum + row.lossSum, 0) / counted;
    const right = rows.reduce((sum, row) => sum + row.correct, 0) / counted;
    const norm = rows.reduce((sum, row) => sum + row.gradNorm, 0) / rows.length;
    const skipped = rows.filter((row) => row.skipped).length;
    logged = optimizer.steps;
    const rate = optimizer.steps / elapsed();
    console.log(
      `${durationText(elapsed())}  step ${optimizer.steps}  loss ${loss.toFixed(4)}  right ${(100 * right).toFixed(1)} %  grad_norm ${norm.toFixed(2)}  ` +
        `${rate.toFixed(1)} steps/s${skipped > 0 ? `  skipped ${skipped}` : ''}`,
    );
  };
  const save = async (): Promise<void> => {
    console.log(await askPhantoms(session, settings.seed + 1));
    await writeBase(platform, session, settings.out);
    savedAt = elapsed();
    console.log(`saved ${settings.out}`);
  };

  while (!stop.aborted) {
    const done = Math.max(optimizer.steps / settings.steps, elapsed() / settings.seconds);
    if (done >= 1) break;
    const first = optimizer.steps * settings.batch;
    const examples = await Promise.all(Array.from({ length: settings.batch }, (_, i) => source.get(first + i)));
    const count = examples.reduce((sum, example) => sum + countLabels(example), 0);
    labels.push(count);
    arena.zeroGradients();
    await runMicroBatch(device, session.model, examples, {
      grad: true, training: true, checkpointing: true, random: { seed: settings.seed, step: optimizer.steps }, lossScale: 1 / count, lossSum: optimizer.lossSum,
    });
    optimizer.step(settings.learningRate * Math.min(1, done / WARM_UP) * (0.5 + 0.5 * Math.cos(Math.PI * done)));
    device.flush();
    if (optimizer.steps % LOG_STEPS === 0) await tell();
    // The CPU may run a few steps ahead, not hundreds: what it uploads waits in memory.
    else if (optimizer.steps % 5 === 0) await device.finish();
    if (elapsed() - savedAt > settings.saveSeconds) await save();
  }
  if (logged < optimizer.steps) await tell();
  await save();
  optimizer.release();
}

async function main(): Promise<void> {
  const besideUs = (path: string): string => fileURLToPath(new URL(`../node/${path}`, import.meta.url));
  const command = new Command('pretrain')
    .description('Pre-trains the tiny Qwen2.5-VL of the quick start on synthetic pictures.')
    .requiredOption('--out <dir>', 'model folder to write; it appears complete at every save')
    .option('--from <dir>', 'go on from this model folder (made by this program) instead of random weights')
    .option('--prepare', 'only write the folder with random weights, for node/pretrain/make_base.py')
    .addOption(new Option('--family <model_type>', 'with --prepare: the kind of model').choices(BASE_FAMILIES).default('qwen2_5_vl'))
    .option('--sample <dir>', 'embedded data set, whose prompts (not pictures) the tokenizer learns its words from', besideUs('sample'))
    .option('--steps <n>', 'most steps', above(0), 100000)
    .option('--batch <n>', 'pictures in a step', above(0), 32)
    .option('--seconds <s>', 'most seconds of training, saving included', above(0), 460)
    .option('--learning-rate <x>', 'highest learning rate', above(0), 1.5e-3)
    .option('--threads <n>', 'threads that make pictures', above(0), Math.max(1, Math.min(12, availableParallelism() - 2)))
    .option('--save-seconds <s>', 'seconds from one save to the next', above(0), 120)
    .option('--seed <n>', 'seed of weights and pictures', above(-1), 1)
    .allowExcessArguments(false)
    .parse(process.argv);
  const stop = new AbortController();
  process.once('SIGINT', () => {
    stop.abort();
  });
  try {
    await pretrain(command.opts<Settings>(), stop.signal);
    process.exit(0);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(`Error: ${error.message}`);
    process.exit(1);
  }
}

await (isMainThread ? main() : servePhantoms(platform));
