/** Texts of the step Train: runs, their curves and what is heard of them. */
import { countOf } from '../../src/platform.ts';
import type { RunState } from '../train/runState.ts';

const states: Readonly<Record<RunState, string>> = {
  starting: 'Getting ready: reading the rows, loading the model, compiling kernels. The first step takes longer than the others.',
  running: 'Training.',
  pausing: 'Pausing: what is done is being saved. The step that the GPU is at comes to its end first.',
  paused: 'Paused. What was done is saved, and the run can go on.',
  finished: 'Finished.',
  failed: 'It failed.',
  ended: 'Ended at once. What was done after the last checkpoint is lost; the run can go on from there.',
};

const tags: Readonly<Record<string, string>> = { AD: 'angles and distances', Detection: 'boxes', TL: 'sizes' };

export const trainTexts = {
  train: {
    options: 'Options',
    start: 'Start training',
    nothing: 'There is nothing to train on yet: draw on scans, or give rows, in the step Data.',
    notStartable: (names: string) => `These fields hold what they cannot: ${names}. Mend them first.`,
    answersLabel: 'Ask held-out rows while it trains, and show the answers (eval_generate)',
    answersHelp: 'Some seconds at every evaluation. The report then has every answer before and after.',
    stepsWords: (rows: number, perStep: number, total: number) =>
      `${countOf(rows, 'row')} to train on, up to ${perStep} to a step: ${countOf(total, 'step')} in all.`,
    few: 'Take options that suit a few dozen rows',
    preparing: 'Making the rows …',
    runs: 'Runs',
    noRuns: 'There are none yet.',
    run: 'Run',
    started: 'Started',
    state: 'State',
    saved: 'Saved',
    actions: 'What can be done',
    finished: 'finished',
    paused: 'can go on',
    steps: (step: number, total: number) => (total === 0 ? countOf(step, 'step') : `${step} of ${countOf(total, 'step')}`),
    goOn: 'Go on',
    goOnOf: (name: string) => `Go on with ${name}`,
    curves: 'Curves',
    curvesOf: (name: string) => `Curves of ${name}`,
    remove: 'Delete',
    removeOf: (name: string) => `Delete ${name}`,
    removeSure: (name: string) => `Delete the run ${name} with its adapter, checkpoints and report? This cannot be undone.`,
    cancel: 'Cancel',
    pause: 'Pause and save',
    endNow: 'End now',
    endTitle: 'End the run at once?',
    endSure: (saved: number) =>
      `The worker is ended without saving. The run can go on from ${saved === 0 ? 'its start' : `its checkpoint of step ${saved}`}.`,
    keepGoing: 'Let it go on',
    judge: 'Look at what it learnt',
    leaving: 'A run is under way.',
    otherUnderWay: (name: string) => `${name} is under way. Pause it, or wait for it, before another starts.`,
  },
  live: {
    label: (name: string) => `Run ${name}`,
    states,
    evaluating: (step: number) =>
      step === 0
        ? 'Before the first step: the model as it is takes the held-out rows, to be held against later.'
        : `Evaluating: the held-out rows are taken with what has been learnt by step ${step}.`,
    evaluated: (done: number, total: number) => `${done} of ${total} held-out rows evaluated and answered`,
    progress: (step: number, total: number) => (total === 0 ? 'Getting ready' : `Step ${step} of ${total}`),
    left: 'Time left',
    leftUnknown: 'known after the second step',
    speed: 'Tokens a second',
    memory: 'GPU memory at its peak',
    loss: 'Loss',
    messages: (count: number) => `Messages (${count})`,
    warning: 'Warning',
    pictures: 'Answers to held-out rows',
    picturesHelp: 'Blue: the truth. Orange: the answer. The same rows at every evaluation.',
    atStep: 'At step',
    pictureOf: (step: number, caption: string) => `Step ${step}: ${caption}`,
  },
  curves: {
    losses: 'Loss',
    rate: 'Learning rate',
    training: 'training',
    mean: 'training, running mean',
    heldOut: 'held out',
    step: 'step',
    asTable: 'The figures as a table',
    tableOf: (shown: number, all: number) => (shown === all ? countOf(all, 'row') : `${shown} of ${countOf(all, 'row')}, evenly spread`),
    none: 'The first figures come after the first logging_steps steps.',
    shown: (title: string, from: number, to: number) => `${title}, steps ${from} to ${to}. The table below has its numbers.`,
    error: 'mean error',
    /** By the log's name of the figure. Logs of older versions have one for angles and distances. */
    errors: {
      eval_AD_mae_mm: 'Mean error of distances, mm',
      eval_AD_mae_deg: 'Mean error of angles, degrees',
      eval_AD_mae: 'Mean error of angles and distances, mm and degrees together',
      eval_Detection_mae: 'Mean error of boxes, parts of the picture’s sides',
      eval_TL_mae: 'Mean error of sizes, mm',
    } as Readonly<Record<string, string>>,
    tags,
    figures: {
      iou: 'Mean IoU of boxes',
      mre: 'Mean relative error',
      success_rate: 'Answers that can be read',
    } as Readonly<Record<string, string>>,
  },
};
