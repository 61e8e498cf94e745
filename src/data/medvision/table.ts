/**
 * Samples by the million: a row is some numbers in typed arrays (about 60 bytes), and the sample with its prompt and target is worded when
 * it is asked for. What many rows share (their config, their case, what is measured) is kept once. A sample in full takes more than a
 * kilobyte, so a detection set of 2.7 million would not fit into memory as objects.
 */
import type { IntensityMode } from './intensity.ts';
import type { AnswerTemplate } from './answerTemplate.ts';
import type { SampleRecord } from './record.ts';
import type { Annotation, Axes, BoxCorners, MedvisionSample, PromptStyle } from './sample.ts';
import { sampleOf } from './samples.ts';

/** Rows of a block: columns grow by whole blocks, so that nothing is ever copied. */
const BLOCK = 1 << 14;

/** What an annotation is without its numbers, which stand in the row. */
type Template = { annotation: Annotation };

interface Block {
  config: Uint32Array;
  scene: Uint32Array;
  volume: Uint32Array;
  slice: Uint32Array;
  loader: Uint32Array;
  template: Uint32Array;
  /** 4 a row. */
  numbers: Float64Array;
  /** 8 a row, NaN where there are fewer; with a template. */
  points?: Float64Array;
}

/** Everything a record says that does not change within one case of one config. */
type Scene = Omit<SampleRecord, 'sliceIdx' | 'loaderIndex' | 'annotation' | 'points'>;

export class SampleTable {
  /** Config names (without the split), by config number. */
  readonly configs: string[] = [];
  /** Image files, by volume number, in the order of their first row. */
  readonly volumes: string[] = [];
  private readonly style: PromptStyle;
  private readonly intensity: IntensityMode | undefined;
  private readonly template: AnswerTemplate | undefined;
  private readonly blocks: Block[] = [];
  private readonly scenes: Scene[] = [];
  private readonly templates: Template[] = [];
  private readonly templateNumbers = new Map<string, number>();
  private readonly configNumbers = new Map<string, number>();
  private readonly volumeNumbers = new Map<string, number>();
  /** Numbers of further boxes or ellipses, of the few rows that have them. */
  private readonly others = new Map<number, Float64Array>();
  private count = 0;

  /** @param style of the prompts and targets @param intensity of the pictures @param template all as `sampleOf` takes them */
  constructor(style: PromptStyle, intensity?: IntensityMode, template?: AnswerTemplate) {
    this.style = style;
    this.intensity = intensity;
    this.template = template;
  }

  get length(): number {
    return this.count;
  }

  /** Records of one case should come one after the other. */
  add(record: SampleRecord): void {
    const at = this.count % BLOCK;
    if (at === 0) this.blocks.push(newBlock(this.template !== undefined));
    const block = this.blocks[this.blocks.length - 1];
    if (block === undefined) return;
    const { sliceIdx, loaderIndex, annotation } = record;
    const last = this.scenes[this.scenes.length - 1];
    if (last?.item !== record.item || last.task !== record.task) this.scenes.push(sceneOf(record));
    const { template, numbers, others } = taken(annotation);
    block.config[at] = numberOf(record.task.name, this.configNumbers, this.configs);
    block.scene[at] = this.scenes.length - 1;
    block.volume[at] = numberOf(record.item.imageFile, this.volumeNumbers, this.volumes);
    block.slice[at] = sliceIdx;
    block.loader[at] = loaderIndex;
    const key = JSON.stringify(template);
    let known = this.templateNumbers.get(key);
    if (known === undefined) {
      known = this.templates.push({ annotation: template }) - 1;
      this.templateNumbers.set(key, known);
    }
    block.template[at] = known;
    block.numbers.set(numbers, at * 4);
    if (record.points !== undefined) block.points?.set(record.points, at * POINTS);
    if (others.length > 0) this.others.set(this.count, Float64Array.from(others));
    this.count++;
  }

  config(row: number): number {
    return this.block(row).config[row % BLOCK] ?? 0;
  }

  volume(row: number): number {
    return this.block(row).volume[row % BLOCK] ?? 0;
  }

  /** @param change makes another record of it before it is worded */
  sample(row: number, change?: (record: SampleRecord) => SampleRecord): MedvisionSample {
    const block = this.block(row);
    const at = row % BLOCK;
    const scene = this.scenes[block.scene[at] ?? 0];
    const template = this.templates[block.template[at] ?? 0];
    if (scene === undefined || template === undefined) throw new RangeError(`row ${row} of ${this.count}`);
    const annotation = given(template.annotation, block.numbers.subarray(at * 4, at * 4 + 4), this.others.get(row));
    const points = block.points?.slice(at * POINTS, (at + 1) * POINTS).filter((value) => !Number.isNaN(value));
    const place = { sliceIdx: block.slice[at] ?? 0, loaderIndex: block.loader[at] ?? 0 };
    const record = { ...scene, ...place, annotation, ...(points?.length && { points }) };
    return sampleOf(change?.(record) ?? record, this.style, this.intensity, this.template);
  }

  private block(row: number): Block {
    const block = this.blocks[Math.floor(row / BLOCK)];
    if (block === undefined || row >= this.count) throw new RangeError(`row ${row} of ${this.count}`);
    return block;
  }
}

/** Columns and rows of four points. */
const POINTS = 8;

function newBlock(hasPoints: boolean): Block {
  const column = (): Uint32Array => new Uint32Array(BLOCK);
  return {
    config: column(),
    scene: column(),
    volume: column(),
    slice: column(),
    loader: column(),
    template: column(),
    numbers: new Float64Array(BLOCK * 4),
    ...(hasPoints && { points: new Float64Array(BLOCK * POINTS).fill(NaN) }),
  };
}

function sceneOf({ info, task, split, item, frame }: SampleRecord): Scene {
  return { info, task, split, item, frame };
}

function numberOf(name: string, numbers: Map<string, number>, names: string[]): number {
  const known = numbers.get(name);
  if (known !== undefined) return known;
  numbers.set(name, names.length);
  return names.push(name) - 1;
}

function taken(annotation: Annotation): { template: Annotation; numbers: number[]; others: number[] } {
  switch (annotation.kind) {
    case 'box': {
      const { others = [], ...box } = annotation;
      return {
        template: { ...box, min: [0, 0], max: [0, 0] },
        numbers: [...box.min, ...box.max],
        others: others.flatMap(({ min, max }) => [...min, ...max]),
      };
    }
    case 'ellipse': {
      const { others = [], ...ellipse } = annotation;
      return {
        template: { ...ellipse, major: 0, minor: 0 },
        numbers: [ellipse.major, ellipse.minor],
        others: others.flatMap(({ major, minor }) => [major, minor]),
      };
    }
    case 'distance':
    case 'angle':
      return { template: { ...annotation, value: 0 }, numbers: [annotation.value], others: [] };
  }
}

/** @param more numbers of the boxes or ellipses after the first */
function given(template: Annotation, numbers: Float64Array, more: Float64Array = new Float64Array(0)): Annotation {
  const [a = 0, b = 0, c = 0, d = 0] = numbers;
  const parts = (size: number): Float64Array[] =>
    Array.from({ length: more.length / size }, (_, i) => more.subarray(i * size, (i + 1) * size));
  switch (template.kind) {
    case 'box': {
      const others = parts(4).map(([top = 0, left = 0, bottom = 0, right = 0]): BoxCorners => ({ min: [top, left], max: [bottom, right] }));
      return { ...template, min: [a, b], max: [c, d], ...(others.length > 0 && { others }) };
    }
    case 'ellipse': {
      const others = parts(2).map(([major = 0, minor = 0]): Axes => ({ major, minor }));
      return { ...template, major: a, minor: b, ...(others.length > 0 && { others }) };
    }
    case 'distance':
    case 'angle':
      return { ...template, value: a };
  }
}
