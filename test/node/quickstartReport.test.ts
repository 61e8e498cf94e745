import { describe, expect, it } from 'vitest';
import { nodePlatform as platform } from '../../node/platform.ts';
import { tokenizerTexts, writeInitialFolder } from '../../src/run/pretrain/baseFolder.ts';
import { baseSize } from '../../src/run/pretrain/qwenFiles.ts';
import { phantomSample } from '../../src/run/pretrain/phantom.ts';
import { compare } from '../../src/run/quickstart/answers.ts';
import type { Answer } from '../../src/run/quickstart/answers.ts';
import { heldOutQuestions, SampleData, subjectOf, trainingRows } from '../../src/run/quickstart/questions.ts';
import type { Question } from '../../src/run/quickstart/questions.ts';
import { figureText } from '../../src/run/report/figures.ts';
import { reportHtml } from '../../src/run/quickstart/report.ts';
import { parseAnswer } from '../../src/data/medvision/answers.ts';
import { scoreAnswer } from '../../src/data/medvision/metrics.ts';
import { ANSWER_LENGTH } from '../../src/data/medvision/sample.ts';
import { Qwen2_5VLProcessor } from '../../src/models/qwen2_5_vl/processor.ts';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModelFolder } from '../../src/io/modelFolder.ts';
import { namingOf } from '../../src/models/families.ts';

const SAMPLE = new URL('../../node/sample', import.meta.url).pathname;
const COUNTS = { box: 9, metric: 8, ellipse: 4 };

let opening: Promise<{ dir: string; processor: Qwen2_5VLProcessor }> | undefined;
function freshBase(): Promise<{ dir: string; processor: Qwen2_5VLProcessor }> {
  opening ??= (async () => {
    const dir = join(mkdtempSync(join(tmpdir(), 'vernier-base-')), 'base');
    await writeInitialFolder(platform, dir, await tokenizerTexts(platform, SAMPLE), 1);
    return { dir, processor: await Qwen2_5VLProcessor.load(platform, dir) };
  })();
  return opening;
}

const answered = (question: Question, text: string): Answer => ({
  text,
  numbers: parseAnswer(text, ANSWER_LENGTH[question.sample.taskType]),
  score: scoreAnswer(question.sample.taskType, text, question.sample.values),
});

describe('the tiny base before training', () => {
  it('is a Qwen2.5-VL folder below 8 MB with all special tokens in their roles', async () => {
    const { dir, processor } = await freshBase();
    const folder = await openModelFolder(platform, dir, namingOf);
    expect(folder.naming.modelType).toBe('qwen2_5_vl');
    await folder.close();
    expect((await platform.readFile(join(dir, 'model.safetensors'))).length).toBeLessThan(8e6);
    expect(processor.tokenizer.decode([processor.padId])).toBe('<|endoftext|>');
    expect(processor.tokenizer.decode(processor.endOfTurnIds)).toBe('<|im_end|><|endoftext|>');
  });

  it('has a tokenizer that writes back any text, digit by digit', async () => {
    const { processor } = await freshBase();
    for (const text of ['left thalamus 0.123, 45.60', 'Übergröße → 漢字 🙂\n\n  two  spaces', 'bounding box for the right putamen.\n']) {
      expect(processor.tokenizer.decode(processor.tokenizer.encode(text))).toBe(text);
    }
    expect(processor.tokenizer.encode('0.347')).toHaveLength(5);
    const prompt = phantomSample(3, 0, baseSize).prompt;
    expect(processor.tokenizer.encode(prompt).length).toBeLessThan(80);
  });

  it('is the same every time', async () => {
    const { dir } = await freshBase();
    const again = join(mkdtempSync(join(tmpdir(), 'vernier-base-')), 'base');
    await writeInitialFolder(platform, again, await tokenizerTexts(platform, SAMPLE), 1);
    for (const file of ['tokenizer.json', 'model.safetensors']) {
      expect(Buffer.compare(await platform.readFile(join(again, file)), await platform.readFile(join(dir, file)))).toBe(0);
    }
  });
});

describe('phantoms', () => {
  it('depend on seed and index alone and have answers of the tasks', () => {
    const kinds = new Set<number>();
    for (let i = 0; i < 60; i++) {
      const { image, prompt, target } = phantomSample(7, i, baseSize);
      const same = phantomSample(7, i, baseSize);
      expect(same.target).toBe(target);
      expect(same.image.data).toEqual(image.data);
      expect(image.data).toHaveLength(image.width * image.height * 3);
      const values = target.split(', ').map(Number);
      kinds.add(values.length);
      expect(values.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
      expect(prompt).not.toMatch(/brain|thalamus|putamen/);
      if (values.length === 4) {
        const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = values;
        expect(x1 < x2 && y1 < y2 && x2 <= 1 && y2 <= 1).toBe(true);
      }
    }
    expect([...kinds].sort()).toEqual([1, 2, 4]);
  });

  it('have what the prompt names in the middle of the box', () => {
    const greys = { brightest: [] as number[], darkest: [] as number[] };
    for (let i = 0; greys.brightest.length < 12 || greys.darkest.length < 12; i++) {
      const { image, prompt, target } = phantomSample(11, i, baseSize);
      const name = /bounding box for the (brightest|darkest)/.exec(prompt)?.[1];
      if (name !== 'brightest' && name !== 'darkest') continue;
      const [x1 = NaN, y1 = NaN, x2 = NaN, y2 = NaN] = target.split(', ').map(Number);
      const row = Math.floor((1 - (y1 + y2) / 2) * image.height);
      const column = Math.floor(((x1 + x2) / 2) * image.width);
      greys[name].push(image.data[(row * image.width + column) * 3] ?? NaN);
    }
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(greys.brightest) - mean(greys.darkest)).toBeGreaterThan(60);
  });
});

describe('questions and report', () => {
  it('asks about the held-out volume alone and learns from the others', async () => {
    const { processor } = await freshBase();
    const data = new SampleData(platform, SAMPLE, processor);
    const questions = await heldOutQuestions(data, COUNTS, 1);
    const rows = await trainingRows(data);
    expect(new Set(questions.map(({ sample }) => sample.caseId))).toEqual(new Set(['k01-bet-1mm-deep']));
    expect([...new Set(rows.map(({ caseId }) => caseId))].sort()).toEqual(['k02-bet-25mm', 'k03-bet-1x1x15mm-deep']);
    expect(questions).toHaveLength(9 + 8 + 4);
    expect(new Set(questions.map(({ sample }) => subjectOf(sample)))).toEqual(new Set(['box', 'distance', 'angle', 'ellipse']));
    // Distances drawn are distances asked for: landmarks lie on the slice, in mm as far apart as the answer says.
    for (const { sample, lines, pixelWidth, pixelHeight } of questions) {
      if (sample.annotation.kind === 'box') continue;
      expect(lines).toHaveLength(sample.annotation.kind === 'distance' ? 1 : 2);
      const lengths = lines.map(([a, b]) => Math.hypot((a.x - b.x) * pixelWidth, (a.y - b.y) * pixelHeight));
      if (sample.annotation.kind === 'distance') expect(lengths[0]).toBeCloseTo(sample.values[0] ?? NaN, 1);
    }
  });

  it('makes a page that stands alone, escapes text and shows every kind of picture', async () => {
    const { processor } = await freshBase();
    const questions = await heldOutQuestions(new SampleData(platform, SAMPLE, processor), COUNTS, 1);
    const before = questions.map((question) => answered(question, '<b>0.1, 0.1, 0.2, 0.2</b>'));
    const after = questions.map((question) => answered(question, question.sample.target));
    const comparison = compare(questions, before, after);
    const iou = comparison.find(({ figure }) => figure === 'mean IoU');
    expect(iou?.after).toBeGreaterThan(0.97);
    expect(iou?.before).toBeLessThan(0.2);
    const html = await reportHtml(platform, {
      architecture: 'Qwen2.5-VL', facts: [['GPU', 'a <fast> one']], losses: [{ step: 1, loss: 3 }, { step: 2, loss: 2 }, { step: 3, loss: 1.5 }], comparison, questions, before, after, isCutShort: false,
    });
    expect(html).not.toContain('<b>0.1');
    expect(html).toContain('a &lt;fast&gt; one');
    expect(html).not.toMatch(/(src|href)="(?!data:image\/png;base64,)/);
    expect(html.match(/data:image\/png;base64,/g)).toHaveLength(12);
    expect(html.match(/<rect class="truth"/g)).toHaveLength(6);
    expect(html.match(/<rect class="before"/g)).toHaveLength(6);
    expect(html.match(/<rect class="after"/g)).toHaveLength(6);
    expect(html.match(/<line class="truth"/g)?.length).toBeGreaterThanOrEqual(2 + 2 * 2 + 2 * 2);
  });

  it('shows missing figures as a dash', () => {
    expect(figureText(NaN, 'mm')).toBe('–');
    expect(figureText(2.345, 'mm')).toBe('2.3 mm');
    expect(figureText(0.51234, '')).toBe('0.512');
  });
});
