/** Some of the questions as pictures for a report: spread over all of them, small enough for a page. */
import type { RowRequest } from '../../data/exampleMaker.ts';
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import { errorText } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { withoutFolders } from '../../track/localPaths.ts';
import type { RowView, ViewedScene } from '../inputs/scenes.ts';
import { spread } from './agreementPlots.ts';
import { KIND_WORDS, kindOf, unitOf, withUnit } from './measures.ts';
import type { Kind } from './measures.ts';
import { drawingOf, headingOf } from './pictures.ts';
import type { Card } from './pictures.ts';

/** A question that may be shown. */
export interface Asked {
  request: RowRequest;
  row: ScoredRow;
  /** The answer of an earlier evaluation. */
  before?: ScoredRow;
}

/** Pictures of each kind; of rows that are no MedVision task only where there are no others. */
const SHOWN: Readonly<Record<Kind, number>> = { box: 4, distance: 2, angle: 2, measure: 2, ellipse: 2 };
const PLAIN = 4;
/** Of a picture's longer side, and of its PNG: all of them together are two MB of the page at most, six where each is a sheet of slices. */
const ONE = { longest: 400, mostBytes: 120_000 };
const SHEET = { longest: 800, mostBytes: 360_000 };

export interface GatheredPictures {
  cards: Card[];
  /** Why there are fewer than there might be. */
  note?: string;
}

/** After these no further picture is begun: a slice of a large compressed volume takes several, and whoever has stopped a run waits. */
const SECONDS = { finished: 60, stopped: 3 } as const;

/** @param folders that no text may name */
export async function gatherPictures(
  platform: Platform,
  view: RowView,
  asked: readonly Asked[],
  folders: readonly string[],
  outcome: keyof typeof SECONDS,
): Promise<GatheredPictures> {
  const chosen = choose(asked);
  const endsAt = performance.now() + 1000 * SECONDS[outcome];
  const cards: Card[] = [];
  let failure: string | undefined;
  for (const one of chosen) {
    if (performance.now() > endsAt)
      return { cards, note: `${chosen.length - cards.length} more pictures would have taken too long to cut from their volumes.` };
    try {
      const scene = await view.scene(one.request);
      if (scene) cards.push(await cardOf(platform, scene, one, folders));
    } catch (error) {
      failure ??= errorText(error);
    }
  }
  return { cards, ...(failure !== undefined && { note: `A picture could not be read: ${withoutFolders(failure, folders)}` }) };
}

function choose(asked: readonly Asked[]): Asked[] {
  const kinds = Object.keys(SHOWN) as Kind[];
  const scored = kinds.flatMap((kind) => {
    const own = asked.filter(({ row }) => kindOf(row) === kind);
    return spread(own, SHOWN[kind]);
  });
  return scored.length > 0 ? scored : spread(asked, PLAIN);
}

async function cardOf(platform: Platform, scene: ViewedScene, { row, before }: Asked, folders: readonly string[]): Promise<Card> {
  const { annotation, place, image, lines, pixelWidth, pixelHeight, isSheet = false } = scene;
  const kind = kindOf(row);
  const given = [...(before ? [{ of: 'before', row: before } as const] : []), { of: 'after', row } as const];
  const drawing = await drawingOf(
    platform,
    {
      image,
      lines,
      pixelWidth,
      pixelHeight,
      truth: row.asked?.values ?? [],
      isBox: kind === 'box' && !isSheet,
      ...(annotation && { annotation }),
    },
    given.map(({ of, row: { score } }) => ({ of, values: score?.values ?? [] })),
    isSheet ? SHEET : ONE,
  );
  return {
    drawing,
    heading: annotation ? headingOf(annotation) : kind === undefined ? 'Question' : KIND_WORDS[kind],
    place: withoutFolders(place ?? scene.name, folders),
    prompt: row.prompt,
    target: row.target,
    answers: given.map(({ of, row: own }) => ({
      name: before ? of : 'answer',
      text: own.response,
      score: scoreText(own),
    })),
  };
}

/** How well an answer went, in words. */
export function scoreText(row: ScoredRow): string {
  const { score } = row;
  if (score === undefined) return '';
  if (score.box) return `IoU ${score.box.iou.toFixed(2)}`;
  return score.isAnswer ? `off by ${withUnit(score.mae, unitOf(row))}` : 'no answer';
}
