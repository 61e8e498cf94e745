/** The page: facts, a table of tasks with histograms, and rows in full, by task. One HTML file, light and dark, that loads nothing. */
import { contactSheet } from '../../data/contactSheet.ts';
import { PLANES } from '../../data/planes.ts';
import { measurePlace } from '../../data/medvision/askedMeasure.ts';
import { countOf, lastName } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { withoutKnownSecrets } from '../../track/secrets.ts';
import { pageHead } from '../report/pageHead.ts';
import { escapeHtml, factList } from '../report/html.ts';
import { greyOrRgb } from '../report/pictures.ts';
import { answerBox } from './answerBox.ts';
import { histogram, picture } from './drawing.ts';
import type { ShownRow, TaskFigures } from './gather.ts';
import { STYLE } from './style.ts';
import type { TokenPiece } from './tokens.ts';

export interface PageContents {
  title: string;
  /** Shown at the top, in this order. */
  facts: readonly [string, string][];
  tasks: readonly TaskFigures[];
  notes: readonly string[];
}

export async function pageHtml(platform: Pick<Platform, 'encodePng'>, contents: PageContents): Promise<string> {
  const { title, facts, tasks, notes } = contents;
  const cards: string[] = [];
  for (const [at, task] of tasks.entries()) {
    for (const [turn, row] of task.shown.entries()) cards.push(await card(platform, row, task.name, turn === 0 ? `task${at}` : undefined));
  }
  return withoutKnownSecrets(`<!doctype html>
<html lang="en">
${await pageHead(title, STYLE)}
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${notes.map((note) => `<p class="soft">${escapeHtml(note)}</p>`).join('\n')}
${factList(facts)}
<h2>Tasks</h2>
<div class="card scroll"><table>
<thead><tr>
<th>Task</th><th class="number">Training</th><th class="number">Validation</th>
<th>Answers</th><th>Tokens a row</th><th class="number">Learnt</th>
</tr></thead>
<tbody>${tasks.map(taskRow).join('\n')}</tbody>
</table></div>
<p class="key">
<span><b>learnt</b> tokens that carry a label</span>
<span><i>read only</i> no label</span>
<span><u>image × n</u> places of image features</span>
<span><i class="drawn">▭</i> what the answer measures</span>
</p>
<h2>Rows<small>${cards.length} of ${tasks.reduce((sum, { rows }) => sum + rows.train + rows.validation, 0)}, drawn by the seed</small></h2>
<div class="rows">${cards.join('\n')}</div>
</main>
</body>
</html>
`);
}

function taskRow(task: TaskFigures, at: number): string {
  const totals = task.tokens.map(({ total }) => total);
  const learnt = task.tokens.map((counts) => counts.learnt);
  const mean = learnt.length === 0 ? '–' : (learnt.reduce((sum, count) => sum + count, 0) / learnt.length).toFixed(1);
  return (
    `<tr><td class="name"><a href="#task${at}">${escapeHtml(heading(task.name))}</a></td>` +
    `<td class="number">${task.rows.train}</td><td class="number">${task.rows.validation}</td>` +
    `<td>${histogram(task.answers, task.answerUnit)}</td><td>${histogram(totals, 'tokens')}</td>` +
    `<td class="number" title="mean over ${countOf(totals.length, 'row')}">${mean}</td></tr>`
  );
}

/** `Colin27_BoxSize_Task01_Axial` with room to break. */
function heading(task: string): string {
  return task.replaceAll('_', ' · ');
}

async function card(platform: Pick<Platform, 'encodePng'>, row: ShownRow, task: string, anchor: string | undefined): Promise<string> {
  const { sample, conversation, images, tokens } = row;
  const sheet = images.length > MOST_PICTURES ? contactSheet(images, SHEET_SIDE) : undefined;
  const pictures: string[] = [];
  for (const image of sheet ? [sheet.sheet] : images) pictures.push(picture(row, image, await greyOrRgb(platform, image)));
  const { total, image, learnt } = tokens.counts;
  const tags = [
    row.set === 'train' ? 'training' : 'validation',
    ...(sample ? [`${PLANES[sample.sliceDim]} slice ${sample.sliceIdx}`] : []),
    ...sizeTags(images, sheet?.shown),
    countOf(total, 'token'),
    ...(image > 0 ? [`${image} of the image`] : []),
    `${learnt} learnt`,
    ...(sample === undefined && images[0] && images.length === 1 ? [answerBox(conversation, images[0])?.reading ?? []].flat() : []),
    ...(sample?.annotation.kind === 'ellipse' && sample.annotation.isSuspect ? ['suspect axes'] : []),
  ];
  const texts = sample
    ? `<div><div class="label">target</div><div class="answer">${escapeHtml(sample.target)}</div></div>` +
      `<details><summary>Prompt</summary><div class="prompt">${escapeHtml(sample.prompt)}</div></details>`
    : conversation.messages
        .map(({ role, content }) => {
          const text =
            typeof content === 'string' ? content : content.map((part) => (part.type === 'text' ? part.text : '[image]')).join(' ');
          const isAnswer = role === 'assistant';
          return isAnswer
            ? `<div><div class="label">${role}</div><div class="answer">${escapeHtml(text)}</div></div>`
            : `<details><summary>${role}</summary><div class="prompt">${escapeHtml(text)}</div></details>`;
        })
        .join('');
  const said = sample ? `${sample.caseId} · ${lastName(sample.imageFile)}` : conversation.measure ? measurePlace(conversation.measure) : '';
  const place = said === '' ? '' : `<div class="label">${escapeHtml(said)}</div>`;
  return (
    `<article class="card"${anchor === undefined ? '' : ` id="${anchor}"`}>` +
    (pictures.length > 0 ? `<div class="frame">${pictures.join('')}</div>` : '') +
    `<div class="said"><div><div class="label">${escapeHtml(heading(task))}</div><h3>${escapeHtml(subject(row))}</h3></div>` +
    `<div class="tags">${tags.map((tag) => `<span>${escapeHtml(tag)}</span>`).join('')}</div>${texts}` +
    '<div><div class="label">as the model reads it</div>' +
    `<div class="tokens">${tokens.pieces.map(piece).join('')}</div></div>${place}</div></article>`
  );
}

/** Of a row, each by itself: the slices of a volume would be a page of many megabytes, and are shown on one sheet. */
const MOST_PICTURES = 4;
/** Pixels. */
const SHEET_SIDE = 1024;

/** The sizes of few pictures, the number of many. @param shown how many are on the sheet, where there is one */
function sizeTags(images: ShownRow['images'], shown: number | undefined): string[] {
  const sizes = images.map(({ width, height }) => `${width}×${height}`);
  if (shown === undefined) return sizes;
  return [`${sizes.length} pictures${shown < sizes.length ? `, ${shown} of them shown` : ''}`, ...new Set(sizes)];
}

function subject({ annotation, conversation, index }: ShownRow): string {
  switch (annotation?.kind) {
    case 'box':
      return `Box: ${annotation.labelName}`;
    case 'ellipse':
      return `Axes: ${annotation.labelName}`;
    case 'distance':
    case 'angle':
      return (
        `${annotation.kind === 'angle' ? 'Angle' : 'Distance'}: ` +
        (annotation.name.trim() || annotation.landmarks.map((name) => name.trim()).join(', '))
      );
    case undefined:
      return conversation.id ?? `Row ${index + 1}`;
  }
}

function piece({ text, tokens, isLearnt, isImage }: TokenPiece): string {
  const shown = escapeHtml(text.replaceAll('\r', '␍').replaceAll('\n', '⏎\n'));
  if (isImage) return `<u>${shown}</u>`;
  const title = tokens > 1 ? ` title="${tokens} tokens"` : '';
  return isLearnt ? `<b${title}>${shown}</b>` : `<i${title}>${shown}</i>`;
}
