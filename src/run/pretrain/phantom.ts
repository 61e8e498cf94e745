/**
 * Questions about synthetic pictures, a few smooth blobs of different brightness in a textured field, as MedVision asks them: the tokenizer
 * of the tiny bases learns its words from their prompts, beside those of the sample. (The pictures that the bases are trained on come from
 * phantoms.py, which draws more kinds of them, faster.) Every number is a hash of (seed, index).
 */
import { metricPrompt, metricTarget } from '../../data/medvision/angleDistance.ts';
import { boxPrompt, boxTarget, boxValues } from '../../data/medvision/detection.ts';
import { ellipsePrompt, ellipseTarget } from '../../data/medvision/tumorLesion.ts';
import type { PlanTask } from '../../data/medvision/plan.ts';
import type { ImageFrame } from '../../data/medvision/prompt.ts';
import { counterHash, streamId } from '../../data/random.ts';
import type { DecodedImage } from '../../platform.ts';

export interface PhantomSample {
  image: DecodedImage;
  prompt: string;
  target: string;
}

type Size = (height: number, width: number) => { height: number; width: number };

/** Centre and semi-axes in mm; the outline is an ellipse with a wave on it. */
interface Blob {
  x: number;
  y: number;
  a: number;
  b: number;
  angle: number;
  wave: number;
  phase: number;
  grey: number;
}

/** Pixels, row and column, the last ones included. */
interface Outline {
  min: [number, number];
  max: [number, number];
  area: number;
}

/** Uniform numbers in [0, 1) drawn one after the other from the hash of (seed, index). */
class Draws {
  private count = 0;
  private readonly seed: number;
  private readonly index: number;

  constructor(seed: number, index: number) {
    this.seed = seed;
    this.index = index;
  }

  unit(): number {
    return counterHash(this.seed, PHANTOM, this.index, this.count++) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.unit();
  }

  whole(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.min(items.length - 1, Math.floor(this.unit() * items.length))];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}

const PHANTOM = streamId('phantom');

const DESCRIPTIONS = [
  'a T1-weighted magnetic resonance imaging (MRI) scan of a phantom',
  'a T2-weighted magnetic resonance imaging (MRI) scan of a phantom',
  'a computed tomography (CT) scan of a phantom',
];

export function phantomSample(seed: number, index: number, resizedSize: Size): PhantomSample {
  const draw = new Draws(seed, index);
  // Some pictures have no question of the kind drawn (two blobs as bright as each other, say): draw another.
  for (;;) {
    const sample = attempt(draw, resizedSize);
    if (sample) return sample;
  }
}

function attempt(draw: Draws, resizedSize: Size): PhantomSample | undefined {
  const kind = draw.unit();
  const height = draw.whole(40, 90);
  const width = Math.min(96, Math.max(28, Math.round(height * draw.between(0.35, 1.4))));
  const pixelHeight = draw.between(0.7, 2.6);
  const pixelWidth = draw.unit() < 0.6 ? pixelHeight : Math.min(2.6, Math.max(0.7, pixelHeight * draw.between(0.6, 1.6)));
  const isEllipse = kind >= 0.6 && kind < 0.75;
  const { blobs, field } = drawBlobs(draw, width * pixelWidth, height * pixelHeight, isEllipse ? 0 : 0.15);
  if (blobs.length === 0) return undefined;
  const picture = render(draw, blobs, field, height, width, pixelHeight, pixelWidth);
  const names = unambiguous(blobs, picture.outlines);
  const resized = resizedSize(height, width);
  const frame: ImageFrame = {
    height,
    width,
    resizedHeight: resized.height,
    resizedWidth: resized.width,
    pixelHeight,
    pixelWidth,
    isFloat32: false,
  };
  const task: PlanTask = {
    where: 'phantom',
    id: 1,
    imageModality: 'MRI',
    imageDescription: draw.pick(DESCRIPTIONS),
    labelsMap: new Map(),
    targetLabel: undefined,
    hasTransposedSpacing: false,
    raw: {},
  };
  const said =
    kind < 0.75
      ? oneBlob(draw, isEllipse, blobs, picture.outlines, names, task, frame)
      : betweenBlobs(draw, kind < 0.9 ? 2 : 3, blobs, names, task, frame);
  return said && { image: picture.image, ...said };
}

type Said = Pick<PhantomSample, 'prompt' | 'target'>;

function oneBlob(
  draw: Draws,
  isEllipse: boolean,
  blobs: readonly Blob[],
  outlines: readonly Outline[],
  names: readonly Named[],
  task: PlanTask,
  frame: ImageFrame,
): Said | undefined {
  if (names.length === 0) return undefined;
  const { name, blob } = draw.pick(names);
  const labelName = `${name} structure`;
  const shape = blobs[blob];
  const outline = outlines[blob];
  if (!shape || !outline) return undefined;
  if (isEllipse) {
    const axes = [2 * Math.max(shape.a, shape.b), 2 * Math.min(shape.a, shape.b)] as const;
    const annotation = { kind: 'ellipse', label: 1, labelName, major: axes[0], minor: axes[1], unit: 'mm', isSuspect: false } as const;
    return { prompt: ellipsePrompt(task, annotation, frame, 'corrected'), target: ellipseTarget([...axes], 'corrected') };
  }
  const box = { kind: 'box', label: 1, labelName, min: outline.min, max: outline.max } as const;
  return {
    prompt: boxPrompt(task, box, frame, 'corrected'),
    target: boxTarget(boxValues(box, frame, 'corrected'), frame, 'corrected'),
  };
}

/** A distance between two centres, or the angle at the first of three. */
function betweenBlobs(
  draw: Draws,
  count: 2 | 3,
  blobs: readonly Blob[],
  names: readonly Named[],
  task: PlanTask,
  frame: ImageFrame,
): Said | undefined {
  const chosen: Named[] = [];
  for (let tries = 0; tries < 20 && chosen.length < count && names.length > 0; tries++) {
    const next = draw.pick(names);
    if (chosen.every(({ blob }) => blob !== next.blob)) chosen.push(next);
  }
  const [first, second, third] = chosen.map(({ blob }) => blobs[blob]);
  const landmarks = chosen.map(({ name }) => `centroid of the ${name} structure`);
  if (!first || !second || chosen.length < count) return undefined;
  const metric = (kind: 'distance' | 'angle', value: number, points: string[]): Said => {
    const annotation = { kind, key: '', name: '', value, unit: kind === 'angle' ? 'degree' : 'mm', landmarks: points };
    return { prompt: metricPrompt(task, annotation, frame, 'corrected'), target: metricTarget([value], 'corrected') };
  };
  if (!third) return metric('distance', Math.hypot(first.x - second.x, first.y - second.y), landmarks);
  const [p1 = '', p2 = '', p3 = ''] = landmarks;
  const [ux, uy, vx, vy] = [second.x - first.x, second.y - first.y, third.x - first.x, third.y - first.y];
  const cosine = Math.abs(ux * vx + uy * vy) / (Math.hypot(ux, uy) * Math.hypot(vx, vy));
  return metric('angle', (Math.acos(Math.min(1, cosine)) * 180) / Math.PI, [p1, p2, p1, p3]);
}

function drawBlobs(draw: Draws, widthMm: number, heightMm: number, waviness: number): { blobs: Blob[]; field: number } {
  // A third of the pictures hold one blob: finding that is the first step to finding the right one of several.
  const wanted = draw.unit() < 0.33 ? 1 : draw.whole(2, 5);
  const side = Math.min(widthMm, heightMm);
  // Brightness in distinct steps, so that the brightest and the darkest are never in doubt; one step is the field's.
  const greys = Array.from({ length: 7 }, (_, i) => 36 + i * 34 + draw.between(-5, 5));
  const field = greys.splice(draw.whole(0, 6), 1)[0] ?? 128;
  const blobs: Blob[] = [];
  for (let tries = 0; tries < 40 && blobs.length < wanted; tries++) {
    const a = side * draw.between(0.1, 0.28);
    const blob: Blob = {
      a,
      b: a * draw.between(0.55, 1.6),
      angle: draw.between(0, Math.PI),
      wave: draw.between(0, waviness),
      phase: draw.between(0, 2 * Math.PI),
      x: 0,
      y: 0,
      grey: greys.splice(draw.whole(0, greys.length - 1), 1)[0] ?? 128,
    };
    const reach = Math.max(blob.a, blob.b) * 1.1;
    if (2 * reach < side) {
      blob.x = draw.between(reach, widthMm - reach);
      blob.y = draw.between(reach, heightMm - reach);
      const isFree = blobs.every((other) => Math.hypot(other.x - blob.x, other.y - blob.y) > 0.8 * (reach + Math.max(other.a, other.b)));
      if (isFree) {
        blobs.push(blob);
        continue;
      }
    }
    greys.push(blob.grey);
  }
  return { blobs, field };
}

interface Picture {
  image: DecodedImage;
  outlines: Outline[];
}

function render(
  draw: Draws,
  blobs: readonly Blob[],
  field: number,
  height: number,
  width: number,
  pixelHeight: number,
  pixelWidth: number,
): Picture {
  const waves = Array.from({ length: 4 }, () => ({
    fx: draw.between(-0.25, 0.25),
    fy: draw.between(-0.25, 0.25),
    phase: draw.between(0, 2 * Math.PI),
    size: draw.between(2, 14),
  }));
  const noise = draw.between(1, 10);
  const noiseSeed = draw.whole(0, 2 ** 31);
  // Half of the pictures lie in a dark surround, as a head does.
  const surround = draw.unit() < 0.5 ? 0.5 : Infinity;
  const outlines = blobs.map((): Outline => ({ min: [height, width], max: [-1, -1], area: 0 }));
  const data = new Uint8Array(height * width * 3);
  for (let row = 0; row < height; row++) {
    for (let col = 0; col < width; col++) {
      const x = (col + 0.5) * pixelWidth;
      const y = (row + 0.5) * pixelHeight;
      const isInside = ((col + 0.5) / width - 0.5) ** 2 + ((row + 0.5) / height - 0.5) ** 2 < surround ** 2;
      let grey = isInside ? field : 4;
      if (isInside) for (const wave of waves) grey += wave.size * Math.sin(wave.fx * col + wave.fy * row + wave.phase);
      blobs.forEach((blob, i) => {
        const depth = depthIn(blob, x, y);
        if (depth <= -0.1) return;
        const share = Math.min(1, (depth + 0.1) / 0.2);
        grey += (blob.grey - grey) * share;
        const outline = outlines[i];
        if (depth < 0 || !outline) return;
        outline.min = [Math.min(outline.min[0], row), Math.min(outline.min[1], col)];
        outline.max = [Math.max(outline.max[0], row), Math.max(outline.max[1], col)];
        outline.area++;
      });
      const hash = counterHash(noiseSeed, PHANTOM, row, col);
      grey += noise * ((hash & 0xffff) / 65536 + (hash >>> 16) / 65536 - 1);
      data.fill(Math.max(0, Math.min(255, Math.round(grey))), (row * width + col) * 3, (row * width + col) * 3 + 3);
    }
  }
  return { image: { width, height, data }, outlines };
}

/** 1 at the centre, 0 on the outline, negative outside. */
function depthIn(blob: Blob, x: number, y: number): number {
  const dx = x - blob.x;
  const dy = y - blob.y;
  const u = (dx * Math.cos(blob.angle) + dy * Math.sin(blob.angle)) / blob.a;
  const v = (dy * Math.cos(blob.angle) - dx * Math.sin(blob.angle)) / blob.b;
  return 1 - Math.hypot(u, v) / (1 + blob.wave * Math.cos(3 * Math.atan2(v, u) + blob.phase));
}

interface Named {
  name: string;
  blob: number;
}

/** What can be said of a blob so that nobody doubts which one is meant. */
function unambiguous(blobs: readonly Blob[], outlines: readonly Outline[]): Named[] {
  const width = Math.max(...blobs.map(({ x }) => x));
  const height = Math.max(...blobs.map(({ y }) => y));
  const sayings: [string, (blob: Blob, outline: Outline) => number, number][] = [
    ['brightest', ({ grey }) => grey, 20],
    ['darkest', ({ grey }) => -grey, 20],
    ['leftmost', ({ x }) => -x, width * 0.12],
    ['rightmost', ({ x }) => x, width * 0.12],
    ['uppermost', ({ y }) => -y, height * 0.12],
    ['lowermost', ({ y }) => y, height * 0.12],
    ['largest', (_, { area }) => Math.log(area), 0.3],
    ['smallest', (_, { area }) => -Math.log(area), 0.3],
  ];
  return sayings.flatMap(([name, measure, margin]) => {
    const ranked = blobs
      .map((blob, i) => ({ blob: i, outline: outlines[i], value: outlines[i] ? measure(blob, outlines[i]) : NaN }))
      .sort((a, b) => b.value - a.value);
    const [first, second] = ranked;
    if (!second && name === 'brightest') return [{ name: 'only', blob: 0 }];
    if (!first?.outline || !second || !(first.value - second.value > margin)) return [];
    const { min, max } = first.outline;
    const isLarge = max[0] - min[0] >= 7 && max[1] - min[1] >= 7;
    return isLarge ? [{ name, blob: first.blob }] : [];
  });
}
