/** How well the base answers on phantoms it was not trained on: one line of figures, while it is being made. */
import { figuresOf, scoreAnswer } from '../../src/data/medvision/metrics.ts';
import type { AnswerScore } from '../../src/data/medvision/metrics.ts';
import type { TaskType } from '../../src/data/medvision/tasks.ts';
import type { Session } from '../../src/train/session.ts';
import { phantomSample } from './phantom.ts';

const QUESTIONS = 48;

export async function askPhantoms(session: Session, seed: number): Promise<string> {
  const { processor } = session;
  const scores: AnswerScore[] = [];
  let sample = '';
  for (let i = 0; i < QUESTIONS; i++) {
    const { image, prompt, target } = phantomSample(seed, i, (height, width) => processor.resizedSize(height, width));
    const messages = [{ role: 'user' as const, content: [{ type: 'image' as const }, { type: 'text' as const, text: prompt }] }];
    const example = processor.encode({ messages, images: ['phantom'] }, [image], { mask: 'completion', addGenerationPrompt: true });
    const text = await session.generate(example, { maxNewTokens: 32 });
    const values = target.split(', ').map(Number);
    const taskType: TaskType = values.length === 4 ? 'BoxSize' : values.length === 2 ? 'TumorLesionSize' : 'BiometricsFromLandmarks';
    scores.push(scoreAnswer(taskType, text, values));
    if (sample === '' && taskType === 'BoxSize') sample = `"${text}" for ${target}`;
  }
  const figure = (taskType: TaskType, name: string): number => figuresOf(taskType, scores.filter((score) => score.taskType === taskType))[name] ?? NaN;
  const share = scores.filter(({ isAnswer }) => isAnswer).length / scores.length;
  return (
    `held-out phantoms: readable ${(100 * share).toFixed(0)} %, boxes IoU ${figure('BoxSize', 'IoU').toFixed(3)}, ` +
    `axes off by ${(100 * figure('TumorLesionSize', 'avgMRE')).toFixed(0)} %, distances and angles by ` +
    `${(100 * figure('BiometricsFromLandmarks', 'avgMRE')).toFixed(0)} %; ${sample}`
  );
}
