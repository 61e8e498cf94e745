/**
 * The quick start's report: one HTML file without outside references, to be looked at, sent or printed. All figures come from the run;
 * nothing in it is fixed text but the explanations.
 */
import type { Platform } from '../../platform.ts';
import { withoutKnownSecrets } from '../../track/secrets.ts';
import { WIDE } from '../report/chart.ts';
import { lossCurve } from '../report/curves.ts';
import { comparisonTable } from '../report/figures.ts';
import type { ComparisonRow } from '../report/figures.ts';
import { escapeHtml, factList } from '../report/html.ts';
import { pageHead } from '../report/pageHead.ts';
import { slicePlace } from '../../data/medvision/sample.ts';
import { drawingOf, headingOf, pictureCard, pictureKey } from '../report/pictures.ts';
import { REPORT_STYLE } from '../report/style.ts';
import type { Answer } from './answers.ts';
import { subjectOf } from './questions.ts';
import type { Question, Subject } from './questions.ts';

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

export async function reportHtml(platform: Pick<Platform, 'encodePng'>, contents: ReportContents): Promise<string> {
  const { architecture, facts, losses, comparison, questions, before, after } = contents;
  const cards: string[] = [];
  for (const at of chosen(questions)) {
    const question = questions[at];
    if (question) cards.push(await card(platform, question, before[at], after[at]));
  }
  const curve = lossCurve(
    losses.map(({ step, loss }) => ({ x: step, y: loss })),
    WIDE,
  );
  const cutShort = contents.isCutShort ? ' <strong>The training was stopped early.</strong>' : '';
  const first = losses[0]?.loss ?? NaN;
  const last = losses.at(-1)?.loss ?? NaN;
  return withoutKnownSecrets(`<!doctype html>
<html lang="en">
${await pageHead('Vernier quick start', REPORT_STYLE)}
<body>
<main>
<h1>A vision-language model learns to measure a brain MRI</h1>
<p>A tiny ${escapeHtml(architecture)} was asked about slices of a volume that it does not train on, then fine-tuned with LoRA on two
other volumes, then asked again. Before this run it had seen synthetic shapes only.${cutShort}</p>
${factList(facts)}
<h2>Before and after</h2>
${comparisonTable(comparison)}
<p class="soft">Greedy answers on held-out slices, every one counted; errors are means over the answers that can be read. All three
volumes are cut from one person's head (Colin27), so this shows that the training works, not how well a model would do on another
person.</p>
<h2>Training loss</h2>
<div class="card">${curve}</div>
<p class="soft">Mean cross-entropy of the answer's tokens in each step (faint) and its running mean: ${first.toFixed(3)} in the first step,
${last.toFixed(3)} in the last.</p>
<h2>Held-out slices</h2>
${pictureKey({ truth: 'truth', before: 'answer before', after: 'answer after' })}
<div class="pictures">${cards.join('\n')}</div>
<h2>Where the data comes from</h2>
<p class="soft">Colin27 T1-weighted template (Holmes et al. 1998, doi:10.1097/00004728-199803000-00032) with the AAL atlas
(Tzourio-Mazoyer et al. 2002, doi:10.1006/nimg.2001.0978), as shipped in Debian's mricron-data under the BSD-3-clause
licence, Copyright 2006-2010 Chris Rorden. Not for medical use.</p>
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

async function card(
  platform: Pick<Platform, 'encodePng'>,
  { sample, image, pixelWidth, pixelHeight, lines }: Question,
  before: Answer | undefined,
  after: Answer | undefined,
): Promise<string> {
  const { annotation, values } = sample;
  const scene = { image, lines, pixelWidth, pixelHeight, annotation, truth: values, isBox: sample.taskType === 'BoxSize' };
  const given = [
    { of: 'before', answer: before },
    { of: 'after', answer: after },
  ] as const;
  return pictureCard({
    drawing: await drawingOf(
      platform,
      scene,
      given.map(({ of, answer }) => ({ of, values: answer?.numbers ?? [] })),
    ),
    heading: headingOf(annotation),
    place: slicePlace(sample.caseId, sample.sliceDim, sample.sliceIdx),
    prompt: sample.prompt,
    target: sample.target,
    answers: given.map(({ of, answer }) => ({ name: of, text: answer?.text ?? '–', score: answer ? scoreText(answer) : '' })),
  });
}

function scoreText({ score }: Answer): string {
  if (score.box) return `IoU ${score.box.iou.toFixed(2)}`;
  return score.isAnswer ? `off by ${score.mae.toFixed(1)}` : 'no answer';
}
