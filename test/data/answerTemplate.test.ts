/** Answers with steps: what the template of ours and those of users make of the embedded sample, and what is learnt of them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../node/platform.ts';
import { AnswerTemplate } from '../../src/data/medvision/answerTemplate.ts';
import { readAnswerTemplate } from '../../src/data/medvision/namedTemplate.ts';
import { parseAnswer } from '../../src/data/medvision/answers.ts';
import { ANSWER_LENGTH, sampleMessages } from '../../src/data/medvision/sample.ts';
import type { MedvisionSample } from '../../src/data/medvision/sample.ts';
import { medvisionSamples } from '../../src/data/medvision/samples.ts';
import { parseTaskName } from '../../src/data/medvision/tasks.ts';
import { collectSamples } from '../../src/data/medvision/collect.ts';
import { trainProgram } from '../../src/options.ts';
import { parseFor } from '../../src/options/program.ts';
import { loadProcessor } from '../../src/models/processor.ts';
import { UserError } from '../../src/platform.ts';

const root = fileURLToPath(new URL('../../node/', import.meta.url));
const sample = `${root}sample`;
const TASKS = ['BoxSize_Task01_Axial', 'TumorLesionSize_Task01_Coronal', 'BiometricsFromLandmarks_Task02_Axial'];
/** Sides to multiples of 28, as Qwen does. */
const resizedSize = (height: number, width: number): { height: number; width: number } => ({
  height: Math.round(height / 28) * 28,
  width: Math.round(width / 28) * 28,
});

async function samples(template?: AnswerTemplate, names = TASKS, dir = sample): Promise<MedvisionSample[]> {
  const tasks = names.map((name) => parseTaskName(`Colin27Mini_${name}`, 'test'));
  const found: MedvisionSample[] = [];
  for await (const one of medvisionSamples(nodePlatform, dir, tasks, { resizedSize, ...(template && { template }) })) found.push(one);
  return found;
}

describe('steps', async () => {
  const steps = (await readAnswerTemplate(nodePlatform, 'steps'))!;
  const [plain, stepped] = [await samples(), await samples(steps)];

  it('end with the answer that the plan gives, and ask for steps', () => {
    expect(stepped).toHaveLength(plain.length);
    expect(new Set(plain.map(({ annotation }) => annotation.kind))).toEqual(new Set(['box', 'ellipse', 'distance', 'angle']));
    for (const [at, one] of stepped.entries()) {
      expect(one.target).toMatch(/^<think>\n(?:.*\n)+<\/think>\n<answer>.*<\/answer>$/);
      expect(one.target.endsWith(`<answer>${plain[at]!.target}</answer>`)).toBe(true);
      expect(parseAnswer(one.target, ANSWER_LENGTH[one.taskType])).toEqual(parseAnswer(plain[at]!.target, ANSWER_LENGTH[one.taskType]));
      expect(one.prompt).toContain('Reason step by step between <think> and </think>');
      expect(one.prompt).toContain('The answer should be');
      expect(one.target).not.toMatch(/nan|undefined|\{/i);
    }
  });

  it('compute what they say, from what they said before', () => {
    const numbers = (text: string): number[] => (text.match(/-?\d+\.?\d*/g) ?? []).map(Number);
    let sums = 0;
    for (const { target, annotation } of stepped) {
      for (const [, a = '', b = '', product = ''] of target.matchAll(/: ([\d.]+) pixels x ([\d.]+) mm = ([\d.]+) mm/g)) {
        // The pixels are said to a hundredth, their size to a thousandth of a millimetre.
        expect(Math.abs(Number(a) * Number(b) - Number(product))).toBeLessThan(0.005 * Number(b) + 0.0005 * Number(a) + 0.0051);
        sums++;
      }
      for (const [, a = '', b = '', quotient = ''] of target.matchAll(/x\d = ([\d.]+) \/ (\d+) = (\d\.\d+)/g))
        expect(Math.abs(Number(a) / Number(b) - Number(quotient))).toBeLessThan(0.005 / Number(b) + 0.00051);
      for (const [line] of target.matchAll(/sqrt\(.*/g)) {
        const [across = NaN, , down = NaN, , length = NaN] = numbers(line);
        expect(Math.abs(Math.hypot(across, down) - length)).toBeLessThan(0.02);
      }
      if (annotation.kind === 'distance') expect(Math.abs(numbers(/sqrt.*/.exec(target)?.[0] ?? '')[4]! - annotation.value)).toBeLessThan(0.006);
      if (annotation.kind === 'angle') {
        const cosine = Number(/arccos\(([\d.]+)\)/.exec(target)?.[1]);
        expect(Math.abs(Math.cos((annotation.value * Math.PI) / 180) - cosine)).toBeLessThan(1e-4);
      }
    }
    expect(sums).toBeGreaterThan(30);
  });

  it('read as a person would write them', () => {
    const distance = stepped.find(({ annotation }) => annotation.kind === 'distance')!;
    expect(distance.target).toMatchInlineSnapshot(`
      "<think>
      The image is 84 pixels wide and 84 high; a pixel is 2.560 mm wide and 2.143 mm high. Coordinates are relative to the image, with the origin at the lower left.
      1. From the centroid of the left caudate nucleus at (0.657, 0.563) to the centroid of the right caudate nucleus at (0.657, 0.424):
         across: 0.00 pixels x 2.560 mm = 0.00 mm; down: 11.67 pixels x 2.143 mm = 25.00 mm.
         length: sqrt(0.00^2 + 25.00^2) = 25.00 mm.
      </think>
      <answer>25.00</answer>"
    `);
  });

  it('come out alike from the table that training keeps rows in', async () => {
    const flags = { data_dir: sample, tasks_list_json_path_AD: `${sample}/tasks_list/tasks_MedVision-AD__train_SFT.json`, tasks_list_json_path_detect: `${sample}/tasks_list/tasks_MedVision-detect__train_SFT.json`, val_sample_limit: '0', answer_template: 'steps', base_model_hf: `${root}base`, output_dir: 'x' };
    const { options } = parseFor(trainProgram, flags);
    const { train } = await collectSamples(nodePlatform, options, { resizedSize });
    const all = await samples(steps, ['BoxSize_Task01_Axial', 'BiometricsFromLandmarks_Task02_Axial']);
    const known = new Map([...train].map((one) => [`${one.task} ${one.caseId} ${one.loaderIndex}`, one]));
    expect(all.length).toBeGreaterThan(20);
    for (const one of all) {
      const same = known.get(`${one.task} ${one.caseId} ${one.loaderIndex}`);
      expect([same?.prompt, same?.target]).toEqual([one.prompt, one.target]);
    }
  });

  it('are read but not learnt with --mask answer', async () => {
    const processor = await loadProcessor(nodePlatform, `${root}base`);
    const one = stepped.find(({ annotation }) => annotation.kind === 'distance')!;
    const image = { width: 56, height: 56, data: new Uint8Array(3 * 56 * 56) };
    const conversation = { messages: sampleMessages(one), images: [one.imageFile] };
    const learnt = (mask: 'answer' | 'completion'): string => {
      const { inputIds, labels } = processor.encode(conversation, [image], { mask });
      return processor.decode(inputIds.filter((_, i) => labels[i] !== -100));
    };
    expect(learnt('answer').trim()).toMatch(/^<answer>\d+\.\d\d<\/answer>/);
    expect(learnt('completion')).toContain('<think>');
    const { labels, weights } = processor.encode(conversation, [image], { mask: { reasoningWeight: 0.25 } });
    const answer = processor.encode(conversation, [image], { mask: 'answer' }).labels;
    const whole = processor.encode(conversation, [image], { mask: 'completion' }).labels;
    expect(labels).toEqual(whole);
    for (const [at, label] of labels.entries()) if (label !== -100) expect(weights?.[at]).toBe(answer[at] === -100 ? 0.25 : 1);
    const plainOne = plain.find(({ annotation }) => annotation.kind === 'distance')!;
    const bare = { messages: sampleMessages(plainOne), images: [plainOne.imageFile] };
    expect(processor.encode(bare, [image], { mask: 'answer' }).labels).toEqual(processor.encode(bare, [image], { mask: 'completion' }).labels);
  });
});

it('the example file of users', async () => {
  const found = await samples(await readAnswerTemplate(nodePlatform, `${root}examples/answers.yaml`), ['BiometricsFromLandmarks_Task02_Axial']);
  const distance = found.find(({ annotation }) => annotation.kind === 'distance')!;
  expect(distance.target).toMatch(/^centroid of .*: \(0\.\d{3}, 0\.\d{3}\)\n.*\n\d+ pixels\n<answer>\d+\.\d\d<\/answer>$/);
  expect(distance.prompt).toMatch(/in mm as <answer>…<\/answer>\.$/);
  expect(found.find(({ annotation }) => annotation.kind === 'angle')!.target).toMatch(/^\d+\.\d\d$/);
});

it('the file of the README', () => {
  const page = readFileSync(new URL('../../src/data/medvision/README.md', import.meta.url), 'utf8');
  expect(new AnswerTemplate(/```yaml\n(.*?)```/s.exec(page)?.[1] ?? '', 'README').needsLines({ kind: 'ellipse' })).toBe(true);
});

it.each([
  ['boxes:\n  answer: x', /t\.yaml: "boxes" is no kind of answer; box, ellipse, distance, angle are\./],
  ['box:\n  reply: x', /t\.yaml: box has "reply"; prompt and answer are known\./],
  ['box:\n  answer: "{% if %}"', /t\.yaml: box\.answer, line 1: /],
  ['box: [1', /t\.yaml:\d+: not valid YAML/],
  ['{}', /t\.yaml: no templates/],
])('%j is no template', (text, words) => {
  expect(() => new AnswerTemplate(text, 't.yaml')).toThrow(words);
  expect(() => new AnswerTemplate(text, 't.yaml')).toThrow(UserError);
});

it.each([
  ['distance:\n  answer: about {{ lines[0].length_px }}', /the answer of Colin27Mini_\S+ must end with \d+\.\d\d \(in its <answer>/],
  ['distance:\n  answer: "{{ lines[4].from.x }} {{ target }}"', /t\.yaml: distance\.answer, line 1: .*Answers with steps/],
  ['distance:\n  answer: "{{ distnace }} {{ target }}"', /t\.yaml: distance\.answer, line 1: 'distnace' is undefined\. The fields that there are/],
  ['distance:\n  answer: "{{ lines[0].mm ~ target }}"', /'dict object' has no attribute 'mm'\. The fields/],
  ['distance:\n  answer: "{% for one in line %}{{ one }}{% endfor %}{{ target }}"', /'line' is undefined/],
  ['distance:\n  prompt: "{% if cosine is defined %}{{ cosine }}{% endif %}"', /t\.yaml: distance\.prompt: the prompt is empty\./],
  ['distance:\n  answer: "{{ target }} <answer>none</answer>"', /no numbers are found\. Write \{\{ target \}\} last\./],
])('%j cannot be used', async (text, words) => {
  await expect(samples(new AnswerTemplate(text, 't.yaml'), ['BiometricsFromLandmarks_Task02_Axial'])).rejects.toThrow(words);
});
