/** Texts of the step Judge: answers before and after, and reports. */
import { countOf } from '../../src/platform.ts';

export const judgeTexts = {
  judge: {
    noRuns: 'There is nothing to judge yet: train first, in the step Train.',
    run: 'Run',
    ofStep: (name: string, step: number, total: number) => `${name}, step ${step}${total > 0 ? ` of ${total}` : ''}`,
    start: 'Ask before and after',
    again: 'Ask again',
    help: 'Every held-out row is asked of the base model, and of what the run has learnt.',
    stop: 'Stop',
    stopped: 'Stopped before all rows were answered. The answers so far are kept.',
    goOn: 'Go on asking',
    anew: 'Begin anew',
    soFar: (before: number, after: number) =>
      `It was stopped before all rows were answered: ${countOf(before, 'answer')} of the base model and ${after} of what was learnt ` +
      'are kept, and it goes on from there.',
    noHeldOut: 'The run has no held-out rows: let a scan be held out in the step Data, and train again.',
    nothingSaved: (name: string) => `${name} has saved nothing yet.`,
    underWay: 'A run is under way in the step Train; wait for it, or pause it.',
    asking: { before: 'Asking the base model', after: 'Asking what was learnt' },
    progress: (who: string, done: number, total: number) => (total === 0 ? `${who}: loading` : `${who}: ${done} of ${total}`),
    older: (step: number) => `These answers are of step ${step}; the run has gone on since.`,
    summary: 'Before and after',
    sizes: 'By size',
    limits: 'Where a measure decides',
    limitsHelp:
      'Often a decision hangs on a limit: a lesion of 10 mm or more is followed, a smaller one is not. Say a measure and your limit, and ' +
      'see how often the answers decide as the true values do.',
    measure: 'Measure',
    limit: (unit: string) => (unit === '' ? 'Limit' : `Limit (${unit})`),
    noLimit: 'A number is expected, such as 10.',
    axes: ['longest axis', 'shortest axis'],
    decided: (measure: string, at: string) => `${measure}, limit ${at}`,
    rows: 'Held-out rows',
    key: { truth: 'truth', before: 'answer before', after: 'answer after' },
    row: 'Row',
    picture: 'Picture',
    question: 'Question',
    truth: 'Truth',
    nothing: '(nothing)',
    prompt: 'The question in full',
    noPicture: 'no picture',
    pictureOf: (name: string, truth: string, after: string) => `${name}. Truth: ${truth}. Answer after: ${after}`,
    page: (from: number, to: number, all: number) => `Rows ${from} to ${to} of ${all}`,
    earlier: 'Earlier rows',
    later: 'Later rows',
    report: 'The report of the run',
    download: 'Download the report',
    noReport:
      'The run has come to its end, but its report could not be written; it may be that the storage was full. Make room, and have it ' +
      'made of what the run has left.',
    makeReport: 'Make the report',
  },
  comparison: {
    task: 'Task',
    figure: 'Figure',
    count: 'Questions',
    before: 'Before',
    after: 'After',
    better: 'better',
    worse: 'worse',
    meanings: 'What these figures mean',
  },
};
