/**
 * What the extras of a run (saving in the background, pushing what is saved, tracking) cost its steps: the same training with and without each, in turns, in one process.
 * A window of steps in the middle is timed, with three saves in it; the share is for a save every 50 steps, as the recipes have it. Processor time is measured beside
 * the clock, because it is what other work on the machine does not change.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { nodePlatform } from '../../node/platform.ts';
import { openPushing } from '../../src/run/publish/pushing.ts';
import type { Example } from '../../src/data/example.ts';
import { loraConfig } from '../../src/io/peftConfig.ts';
import { parseOptions } from '../../src/options.ts';
import { JsonlTracker } from '../../src/track/jsonl.ts';
import { TensorBoardTracker } from '../../src/track/tensorboard.ts';
import { allOf } from '../../src/track/tracker.ts';
import { WandbTracker } from '../../src/track/wandb/tracker.ts';
import { openSession } from '../../src/train/session.ts';
import type { Session } from '../../src/train/session.ts';
import { train } from '../../src/train/trainer.ts';
import type { TrainSettings } from '../../src/train/trainSettings.ts';
import type { TrainSurroundings } from '../../src/train/trainer.ts';
import { TestHub } from '../hub/testHub.ts';
import { WandbServer } from '../track/wandbServer.ts';
import type { Bench } from './kernels.ts';
import { median } from '../../src/tune/timing.ts';

interface Extra {
  name: string;
  /** What is paid once a save is spread over the steps between two saves of a usual run; the rest is paid every step. */
  paid: 'every save' | 'every step';
  settings: Partial<TrainSettings>;
  around(dir: string): Partial<TrainSurroundings> | Promise<Partial<TrainSurroundings>>;
}

interface Servers {
  /** Address of a W&B server on this machine. */
  wandb: string;
  hub: TestHub;
}

const BASE = fileURLToPath(new URL('../node/base', import.meta.url));
const WINDOW = { first: 4, last: 28, save: 8 };
const SAVE_STEPS = 50;
const TURNS = 7;

const NOTHING: Extra = { name: 'nothing saved', paid: 'every step', settings: { save_steps: -1 }, around: () => ({}) };
/** The servers are in this process: their work counts as the run's. */
const extrasWith = ({ wandb: server, hub }: Servers): readonly Extra[] => [
  { name: 'saving', paid: 'every save', settings: { save_steps: WINDOW.save }, around: (dir) => ({ outputDir: dir }) },
  {
    name: 'saving and pushing',
    paid: 'every save',
    settings: { save_steps: WINDOW.save },
    async around(dir) {
      const env: Record<string, string> = { HF_ENDPOINT: hub.endpoint, HF_TOKEN: hub.options.token, HOME: dir };
      const platform = { ...nodePlatform, env: (name: string) => env[name] };
      const { options } = parseOptions({ base_model_hf: BASE, train_file: join(BASE, 'config.json'), lora_checkpoint_dir: dir, push_LoRA: 'true' });
      const terminal = { write: () => undefined, isTty: false, columns: 100 };
      const pushing = await openPushing({ platform, options, stop: new AbortController().signal, terminal, say: () => undefined, warn: () => undefined }, BASE);
      return { outputDir: dir, onSaved: (saved) => pushing.checkpoint(saved) };
    },
  },
  {
    name: 'tracking by JSONL, TensorBoard and W&B, a row every 10 steps',
    paid: 'every step',
    settings: { save_steps: -1 },
    around(dir) {
      const settings = { mode: 'online', baseUrl: server, apiKey: 'key', project: 'bench', name: 'bench', resume: 'allow', dir, tags: [] } as const;
      const wandb = new WandbTracker({ platform: nodePlatform, settings, say: () => undefined });
      return { tracker: allOf([new JsonlTracker(nodePlatform, join(dir, 'log.jsonl')), new TensorBoardTracker(nodePlatform, join(dir, 'runs')), wandb]) };
    },
  },
];

const SETTINGS: TrainSettings = {
  run_name: 'extras', epoch: 1, max_steps: WINDOW.last + 1, per_device_train_batch_size: 4, gradient_accumulation_steps: 2, learning_rate: 1e-4, lr_scheduler_type: 'constant',
  warmup_ratio: 0, warmup_steps: 0, max_grad_norm: 1, weight_decay: 0, adam_beta1: 0.9, adam_beta2: 0.999, adam_epsilon: 1e-8, loss_reduction: 'token', shuffle: true,
  seed: 1, gradient_checkpointing: true, logging_steps: 10, save_steps: -1, save_total_limit: 1,
};

interface Cost {
  /** Of a step, by the clock and of all processors together. */
  wallMs: number;
  cpuMs: number;
}

function picture(session: Session, at: number): Example {
  const [width, height] = [224, 224];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * (at + 7)) % 251);
  const messages = [
    { role: 'user' as const, content: [{ type: 'image' as const }, { type: 'text' as const, text: 'How long is the major axis, in millimetres?' }] },
    { role: 'assistant' as const, content: `${at}.5, ${at}.25` },
  ];
  return session.processor.encode({ messages, images: ['made'] }, [{ width, height, data }], { mask: 'completion' });
}

/** One turn: a whole training, of which the window counts. */
async function turn(session: Session, extra: Extra, dir: string): Promise<Cost> {
  const examples = Array.from({ length: 8 }, (_, at) => picture(session, at));
  const source = { length: examples.length, get: (at: number) => Promise.resolve(examples[at]!) };
  let wall = 0;
  let cpu = 0;
  const processor = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  mkdirSync(dir, { recursive: true });
  const { tracker: own = allOf([]), onSaved, ...around } = await extra.around(dir);
  const pushes: Promise<void>[] = [];
  const tracker = {
    ...own,
    progress({ step }: { step: number }): void {
      const sign = step === WINDOW.first ? -1 : step === WINDOW.last ? 1 : 0;
      wall += sign * performance.now();
      cpu += sign * processor();
    },
  };
  const surroundings: TrainSurroundings = {
    ...around,
    tracker,
    onSaved(saved) {
      const push = onSaved?.(saved);
      if (push !== undefined) pushes.push(push);
      return push;
    },
  };
  await train(session, source, { ...SETTINGS, ...extra.settings }, surroundings);
  // A push that failed would cost less than one.
  await Promise.all(pushes);
  const steps = WINDOW.last - WINDOW.first;
  return { wallMs: wall / steps, cpuMs: cpu / steps };
}

export async function extras(b: Bench): Promise<void> {
  const config = loraConfig({ r: 16, lora_alpha: 16, lora_dropout: 0.05, target_modules: 'all-linear' });
  const session = await openSession(nodePlatform, b.device, { baseModel: BASE, finetuning: { kind: 'lora', config } });
  const dir = mkdtempSync(join(tmpdir(), 'vernier-extras-'));
  const server = new WandbServer('key');
  const hub = await TestHub.start();
  try {
    const all = [NOTHING, ...extrasWith({ wandb: await server.listen(), hub })];
    const costs = all.map((): Cost[] => []);
    for (let round = -1; round < TURNS; round++) {
      // The order changes from round to round, so that a machine that slows down slows all of them; the first round compiles.
      for (let i = 0; i < all.length; i++) {
        const at = (i + round + all.length) % all.length;
        const cost = await turn(session, all[at]!, join(dir, `extra-${at}-${round + 1}`));
        if (round >= 0) costs[at]!.push(cost);
      }
    }
    const middle = (at: number, of: keyof Cost): number => median(costs[at]!.map((cost) => cost[of]));
    const steps = WINDOW.last - WINDOW.first;
    const saves = Math.floor(WINDOW.last / WINDOW.save);
    all.forEach((extra, at) => {
      const wallMs = middle(at, 'wallMs');
      const share = (of: keyof Cost): string => {
        const ofStep = (middle(at, of) - middle(0, of)) / middle(0, of);
        return `${(100 * (extra.paid === 'every step' ? ofStep : (ofStep * steps) / saves / SAVE_STEPS)).toFixed(2)} %`;
      };
      const every = extra.paid === 'every save' ? `, a save every ${SAVE_STEPS} steps` : '';
      const shares = at === 0 ? '' : `: ${share('cpuMs')} of processor time, ${share('wallMs')} by the clock${every}`;
      b.report({ group: 'extras', what: `step, ${extra.name}${shares}`, ms: wallMs, rate: (8 / wallMs) * 1000, unit: 'rows/s' });
    });
  } finally {
    session.close();
    await server.close();
    await hub.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
