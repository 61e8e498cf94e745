/** What figures mean, for those who do not work with them every day: the report of a run and the step Judge of the Studio say the same. */

/** By the figure's words (`figureWords`, `decisionFigures`); the first part of a name is enough. */
const MEANINGS: readonly (readonly [figure: string, meaning: string])[] = [
  ['loss', 'How unexpected the right answers are to the model; lower is better. It says nothing of millimetres.'],
  ['tokens predicted right', 'Of the pieces that the right answers are written in, those that the model would have written itself.'],
  [
    'mean error of the edges',
    'How far the edges of a box are off, as a part of the picture: 0.01 is one hundredth of its width or height.',
  ],
  ['mean error over the mean length', 'All errors together over all true lengths together (nMAE): no single short length counts for much.'],
  ['mean error', 'How far an answer is off, on average over the answers that could be read.'],
  ['mean relative error', 'Each error over the true length (or angle), on average: 10 % is 2 mm of 20 mm.'],
  ['relative error below 10 %', 'The share of questions whose answer is off by less than a tenth of the true length (or angle).'],
  [
    'mean IoU',
    'How well two boxes cover each other (intersection over union): the area they share over the area they cover together. 1 is ' +
      'the very same box, 0 none in common.',
  ],
  ['mean F1', 'Another measure of overlap, kinder to small shifts than IoU: twice the shared area over the sum of both areas.'],
  ['mean precision', 'Of the answered box, the part that lies within the true one: low where boxes are too large or beside it.'],
  ['mean recall', 'Of the true box, the part that is covered by the answered one: low where boxes are too small or beside it.'],
  ['boxes with IoU ≥ 0.5', 'The share of boxes that cover the true one well enough to count as found, by the usual limit.'],
  ['COCO average', 'The share of boxes found, on average over ten limits from 0.50 (roughly there) to 0.95 (nearly the same).'],
  [
    'answers that can be read',
    'The share of answers with as many numbers as were asked for. Others count as wrong in all shares and overlaps.',
  ],
  ['on the right side of', 'How often the answer leads to the same decision as the true value; an unreadable one decides wrongly.'],
  ['agreement beyond chance', '1 is full agreement, 0 what guessing with the same frequencies would reach.'],
  ['of those at', 'Sensitivity: of the cases at or above the limit, those that the model finds.'],
  ['of those below', 'Specificity: of the cases below the limit, those that the model leaves alone.'],
];

/** Of figures that a table shows, each once, in their order. @returns figure and meaning */
export function meaningsOf(figures: Iterable<string>): [figure: string, meaning: string][] {
  const told = new Map<string, [string, string]>();
  for (const figure of figures) {
    const found = MEANINGS.find(([name]) => figure.startsWith(name));
    if (found && !told.has(found[0])) told.set(found[0], [figure, found[1]]);
  }
  return [...told.values()];
}

/** @param scans that the answers are of */
export function rangesNote(scans: number): string {
  return scans < 2
    ? 'All these answers are of one scan, so nobody can tell how sure the figures are: hold out at least two scans, better twenty.'
    : `Small print: the range in which a figure most likely lies for other scans like these (95 % interval, by drawing the ${scans} ` +
        'scans again and again). Few scans make it wide. Where the ranges of two figures do not overlap, their difference is hardly ' +
        'chance; where they do, it may be.';
}

export const SIZES_NOTE =
  'Small structures are the harder ones. Boxes are grouped by their area in pixels of the slice, lengths by the true length ' +
  '(10 mm is what RECIST calls measurable).';
