/**
 * The quick start's report: one HTML file without outside references, to be looked at, sent or printed. All figures come from the run;
 * nothing in it is fixed text but the explanations.
 */
import type { Platform } from '../../platform.ts';
import { withoutKnownSecrets } from '../../track/secrets.ts';
import { pageHead } from '../report/pageHead.ts';
import { figureText } from './answers.ts';
import type { Answer, ComparisonRow } from './answers.ts';
import { escapeHtml } from '../report/html.ts';
import { lossCurve, slicePicture } from './drawing.ts';
import { subjectOf } from './questions.ts';
import type { Question, Subject } from './questions.ts';
import { STYLE } from './style.ts';

export interface ReportContents {
  /** Of the base, as a person calls it. */
  architecture: string;
  /** Shown at the top, in this order. */
  facts: readonly [string, string][];
  losses: readonly { step: number; loss: number }[];
  comparison: readonly ComparisonRow[];
  questions: readonly Question[];
  before: readonly Answer[];
  after: readonly Answer[];
  /** True when Ctrl-C ended the training early. */
  isCutShort: boolean;
}

/** How many pictures of each kind are shown. */
const SHOWN: Readonly<Record<Subject, number>> = { box: 6, distance: 2, angle: 2, ellipse: 2 };
const PLANE = ['sagittal', 'coronal', 'axial'] as const;

export async function reportHtml(platform: Pick<Platform, 'encodePng'>, contents: ReportContents): Promise<string> {
  const { architecture, facts, losses, comparison, questions, before, after } = contents;
  const cards: string[] = [];
  for (const at of chosen(questions)) {
    const question = questions[at];
    if (question) cards.push(await card(platform, question, before[at], after[at]));
  }
  const first = losses[0]?.loss ?? NaN;
  const last = losses.at(-1)?.loss ?? NaN;
  return withoutKnownSecrets(`<!doctype html>
<html lang="en">
${await pageHead('Vernier quick start', STYLE)}
<body>
<main>
<h1>A vision-language model learns to measure a brain MRI</h1>
<p>A tiny ${escapeHtml(architecture)} was asked about slices of a volume that it does not train on, then fine-tuned with LoRA on two other
volumes, then asked again.
Before this run it had seen synthetic shapes only.${contents.isCutShort ? ' <strong>The training was stopped early.</strong>' : ''}</p>
<dl class="facts">${facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`).join('')}</dl>
<h2>Before and after</h2>
<div class="card scroll"><table>
<thead><tr>
<th>Task</th><th>Figure</th><th class="number">Questions</th><th class="number">Before</th><th class="number">After</th>
</tr></thead>
<tbody>${comparison.map(comparisonRow).join('')}</tbody>
</table></div>
<p class="soft">Greedy answers on held-out slices, every one counted; errors are means over the answers that can be read. All three volumes
are cut from one person's head (Colin27), so this shows that the training works, not how well a model would do on another person.</p>
<h2>Training loss</h2>
<div class="card">${lossCurve(losses)}</div>
<p class="soft">Mean cross-entropy of the answer's tokens in each step (faint) and its running mean: ${first.toFixed(3)} in the first step,
${last.toFixed(3)} in the last.</p>
<h2>Held-out slices</h2>
<p class="key">
<span><i class="of-truth"></i>truth</span>
<span><i class="of-before"></i>answer before</span>
<span><i class="of-after"></i>answer after</span>
</p>
<div class="pictures">${cards.join('\n')}</div>
<h2>Where the data comes from</h2>
<p class="soft">Colin27 T1-weighted template (Holmes et al. 1998, doi:10.1097/00004728-199803000-00032) with the AAL atlas
(Tzourio-Mazoyer et al. 2002, doi:10.1006/nimg.2001.0978), as shipped in Debian's mricron-data under the BSD-3-clause licence,
Copyright 2006-2010 Chris Rorden. Not for medical use.</p>
</main>
</body>
</html>
`);
}

/** The first questions of each kind; they were drawn by the seed, not chosen by how they went. */
function chosen(questions: readonly Question[]): number[] {
  return (Object.keys(SHOWN) as Subject[]).flatMap((subject) => {
    const places = questions.flatMap(({ sample }, i) => (subjectOf(sample) === subject ? [i] : []));
    const wanted = Math.min(SHOWN[subject], places.length);
    // Spread over the list, which is in the order of planes and slices.
    return Array.from({ length: wanted }, (_, i) => places[Math.floor(((i + 0.5) * places.length) / wanted)] ?? 0);
  });
}

function comparisonRow({ subject, figure, count, before, after, unit, higherIsBetter }: ComparisonRow): string {
  // What reads the same is the same.
  const gain = figureText(before, unit) === figureText(after, unit) ? 0 : (after - before) * (higherIsBetter ? 1 : -1);
  const verdict = gain > 0 ? ' better' : gain < 0 ? ' worse' : '';
  return (
    `<tr><td>${escapeHtml(subject)}</td><td>${escapeHtml(figure)}</td><td class="number">${count}</td>` +
    `<td class="number">${figureText(before, unit)}</td><td class="number${verdict}">${figureText(after, unit)}</td></tr>`
  );
}

async function card(
  platform: Pick<Platform, 'encodePng'>,
  question: Question,
  before: Answer | undefined,
  after: Answer | undefined,
): Promise<string> {
  const { sample, image } = question;
  const png = await platform.encodePng(image.data, image.width, image.height, 3);
  const answer = (name: string, given: Answer | undefined): string =>
    `<tr><td>${name}</td><td><code>${given ? escapeHtml(given.text === '' ? '(nothing)' : given.text) : '–'}</code></td>` +
    `<td class="number">${given ? scoreText(given) : ''}</td></tr>`;
  return (
    `<div class="card"><div class="frame">${slicePicture(question, before, after, png)}</div>` +
    `<div class="said"><h3>${escapeHtml(heading(question))}</h3>` +
    `<table><tr><td>truth</td><td><code>${escapeHtml(sample.target)}</code></td><td></td></tr>` +
    `${answer('before', before)}${answer('after', after)}</table>` +
    `<details><summary>${escapeHtml(sample.caseId)}, ${PLANE[sample.sliceDim]} slice ${sample.sliceIdx}: the prompt</summary>` +
    `<code>${escapeHtml(sample.prompt)}</code></details></div></div>`
  );
}

function heading({ sample }: Question): string {
  const { annotation } = sample;
  switch (annotation.kind) {
    case 'box':
      return `Box: ${annotation.labelName}`;
    case 'ellipse':
      return `Axes in mm: ${annotation.labelName}`;
    case 'distance':
      return `Distance in mm: ${annotation.name.trim() || annotation.landmarks.map(shortName).join(' – ')}`;
    case 'angle':
      return `Angle in degrees: ${annotation.name.trim() || annotation.landmarks.map(shortName).join(', ')}`;
  }
}

const shortName = (landmark: string): string => landmark.trim().replace(/^centroid of the /, '');

function scoreText({ score }: Answer): string {
  if (score.box) return `IoU ${score.box.iou.toFixed(2)}`;
  return score.isAnswer ? `off by ${score.mae.toFixed(1)}` : 'no answer';
}
