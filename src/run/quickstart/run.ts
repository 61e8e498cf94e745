/**
 * The main job on the embedded sample, from volumes to report: ask the tiny base about held-out slices, fine-tune a LoRA adapter, ask
 * again, and leave the adapter, the log and report.html. A function of its settings, so that a test runs it with a few steps.
 */
import { gpuName } from '../../gpu/capabilities.ts';
import { loraConfig } from '../../io/peftConfig.ts';
import { countOf, joinPath, lastName, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { bytesText, ConsoleTracker, countText, durationText } from '../../track/console.ts';
import type { Terminal } from '../../track/console.ts';
import { JsonlTracker, LOG_FILE } from '../../track/jsonl.ts';
import { outgoing } from '../../track/outgoing.ts';
import { allOf } from '../../track/tracker.ts';
import type { Row, Tracker } from '../../track/tracker.ts';
import { modelFamily, namingOf } from '../../models/families.ts';
import { checkReplaceable, firstPresent, OWN_LOG, OWN_PAGE, RESULT_FILES } from '../../io/foreignFiles.ts';
import { openModelFolder } from '../../io/modelFolder.ts';
import { CLEAR_LINE } from '../../track/printable.ts';
import { openSession } from '../../train/session.ts';
import type { Session } from '../../train/session.ts';
import { chooseCompute } from '../../tune/compute.ts';
import { plansOf } from '../../tune/plans.ts';
import { openDevice } from '../device.ts';
import { foldersAround } from '../outgoing.ts';
import { figureText } from '../report/figures.ts';
import type { ComparisonRow } from '../report/figures.ts';
import { askAll, compare } from './answers.ts';
import type { Answer } from './answers.ts';
import { heldOutQuestions, SampleData, trainingRows } from './questions.ts';
import { reportHtml } from './report.ts';
import { trainAdapter } from './training.ts';

export interface QuickstartSettings {
  /** As a person calls the base's kind. */
  architecture: string;
  base: string;
  sample: string;
  out: string;
  steps: number;
  batchSize: number;
  learningRate: number;
  seed: number;
  /** As --submit_ms of training. */
  submitMs?: number;
  /** As --gpu_adapter of training. */
  gpuAdapter?: string;
  quantization: 'none' | 'nf4';
  /** Questions of each kind, at most. */
  questions: { box: number; metric: number; ellipse: number };
}

const REPORT = 'report.html';

export const DEFAULTS: Omit<QuickstartSettings, 'architecture' | 'base' | 'sample' | 'out'> = {
  steps: 240,
  batchSize: 4,
  learningRate: 4e-3,
  seed: 1,
  quantization: 'none',
  questions: { box: 20, metric: 9, ellipse: 4 },
};

export interface QuickstartResult {
  losses: { step: number; loss: number }[];
  comparison: ComparisonRow[];
  report: string;
  seconds: number;
}

async function checkBase(platform: Platform, { base, architecture }: QuickstartSettings): Promise<void> {
  if (await platform.exists(joinPath(base, 'config.json'))) return;
  throw new UserError(
    `The tiny ${architecture} is not here (${base}): it comes with the repository, and not with the package. Clone the repository, or ` +
      'take another --recipe.',
  );
}

/** An earlier quick start gives way to this one, whatever else lies there does not. @throws UserError */
async function checkOwnFolder(platform: Platform, dir: string): Promise<void> {
  for (const [name, kind] of [
    [LOG_FILE, OWN_LOG],
    [REPORT, OWN_PAGE],
  ] as const)
    await checkReplaceable(platform, joinPath(dir, name), kind, '--output_dir');
  if (await platform.exists(joinPath(dir, LOG_FILE))) return;
  const foreign = await firstPresent(platform, dir, RESULT_FILES);
  if (foreign !== undefined)
    throw new UserError(
      `--output_dir ${dir} holds ${foreign}, which no quick start wrote and this one would replace; give another --output_dir.`,
    );
}

/** Gives every row of figures to `seen`; the report draws its curve from them. */
function listener(seen: (row: Row, step: number) => void): Tracker {
  const nothing = async (): Promise<void> => Promise.resolve();
  return {
    start: nothing,
    progress: () => undefined,
    log(row, step) {
      seen(row, step);
      return Promise.resolve();
    },
    event: nothing,
    finish: nothing,
  };
}

export async function quickstart(
  platform: Platform,
  settings: QuickstartSettings,
  terminal: Terminal,
  stop: AbortSignal,
): Promise<QuickstartResult> {
  const startedAt = performance.now();
  const say = (text: string): void => {
    terminal.write(`${text}\n`);
  };
  await checkBase(platform, settings);
  await checkOwnFolder(platform, settings.out);
  await platform.makeDir(settings.out);
  const device = await openDevice(platform, { gpu_adapter: settings.gpuAdapter ?? null, submit_ms: settings.submitMs ?? null });
  plansOf(device).compute = chooseCompute(device.capabilities, 'auto').dtype;
  try {
    const config = loraConfig({ r: 16, lora_alpha: 32, target_modules: 'all-linear' });
    const quantization = { weights: settings.quantization, skipModules: ['lm_head'], embedding: 'none' } as const;
    const session = await openSession(platform, device, {
      baseModel: settings.base,
      finetuning: { kind: 'lora', config },
      seed: settings.seed,
      quantization,
    });
    try {
      return await withSession(session, settings, terminal, say, stop, startedAt);
    } finally {
      session.close();
    }
  } finally {
    device.destroy();
  }
}

async function withSession(
  session: Session,
  settings: QuickstartSettings,
  terminal: Terminal,
  say: (text: string) => void,
  stop: AbortSignal,
  startedAt: number,
): Promise<QuickstartResult> {
  const { platform, device } = session;
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  const data = new SampleData(platform, settings.sample, session.processor);
  const rows = await trainingRows(data);
  const questions = await heldOutQuestions(data, settings.questions, settings.seed);
  const different = new Set(rows).size;
  const trainVolumes = new Set(rows.map(({ caseId }) => caseId)).size;
  say(`Vernier quick start · ${device.capabilities.description}${device.capabilities.kind === 'software' ? ' (software GPU)' : ''}`);
  const volumes = `${countOf(different, 'sample')} of ${countOf(trainVolumes, 'MRI volume')}`;
  say(`Training on ${volumes}, the rarer kinds several times an epoch: ${countOf(rows.length, 'row')}.`);
  say(`${countOf(questions.length, 'question')} about another volume (all of one person's head).\n`);

  const ask = async (when: string): Promise<Answer[]> => {
    const at = seconds();
    const answers = await askAll(session, data, questions, stop, (done) => {
      if (terminal.isTty) terminal.write(`${CLEAR_LINE}Asking the model ${when}: ${done} of ${questions.length}`);
    });
    say(
      `${terminal.isTty ? CLEAR_LINE : ''}Asked the model ${when}: ${countOf(answers.length, 'answer')} in ${durationText(seconds() - at)}`,
    );
    return answers;
  };

  const before = await ask('before training');
  const trainedAt = seconds();
  const losses: { step: number; loss: number }[] = [];
  const seen = listener((row, step) => {
    if (typeof row['loss'] === 'number') losses.push({ step, loss: row['loss'] });
  });
  const log = joinPath(settings.out, LOG_FILE);
  await platform.remove(log); // one run, one log
  const folders = await foldersAround(platform, [settings.out, settings.base, settings.sample]);
  const tracker = allOf([new ConsoleTracker(terminal), outgoing(new JsonlTracker(platform, log), { folders, pictures: false }), seen]);
  const { checkpoint: adapter, memory } = await trainAdapter(session, data, rows, settings, tracker, stop);
  const trainSeconds = seconds() - trainedAt;
  if (adapter === undefined) throw new UserError('The quick start was stopped before its first training step; no adapter was written.');
  const after = await ask('after training');
  const comparison = compare(questions, before, after);

  const report = joinPath(settings.out, REPORT);
  const facts: [string, string][] = [
    [
      'Model',
      `${settings.architecture} architecture, tiny: ${countText(await parameterCount(platform, settings.base))} parameters, ` +
        `${countText(session.trainableCount)} of them in the LoRA adapter`,
    ],
    ['GPU', gpuName(device.capabilities)],
    [
      'Training',
      `${countOf(losses.length, 'step')} of ${countOf(settings.batchSize, 'row')}, learning rate ${settings.learningRate}, seed ` +
        `${settings.seed}`,
    ],
    ['Rows', `${volumes} (box, distance, angle, size)`],
    ['GPU memory', bytesText(memory.peakBytes)],
    ['Time', `training ${durationText(trainSeconds)}, altogether ${durationText(seconds())}`],
    ['Adapter', `${lastName(settings.out)} (PEFT format)`],
  ];
  await platform.writeFile(
    report,
    await reportHtml(platform, {
      architecture: settings.architecture,
      facts,
      losses,
      comparison,
      questions,
      before,
      after,
      isCutShort: losses.length < settings.steps,
    }),
  );
  say(`\n${comparisonTable(comparison)}`);
  say(`\nReport   ${report}\nAdapter  ${settings.out}\nTime     ${durationText(seconds())}`);
  return { losses, comparison, report, seconds: seconds() };
}

async function parameterCount(platform: Platform, base: string): Promise<number> {
  const folder = await openModelFolder(platform, base, namingOf);
  try {
    const { shapes } = modelFamily(folder.naming.modelType, base).describe(folder.config, base);
    return [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  } finally {
    await folder.close();
  }
}

function comparisonTable(rows: readonly ComparisonRow[]): string {
  const cells = rows.map(({ subject, figure, count, before, after, unit }) => [
    subject,
    figure,
    `(${count})`,
    figureText(before, unit),
    '→',
    figureText(after, unit),
  ]);
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells
    .map((row) =>
      row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  '),
    )
    .join('\n');
}
