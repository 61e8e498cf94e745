/** The template of answers that `--answer_template` names. What reads it comes when one is named: most runs need no YAML. */
import { UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import type { AnswerTemplate } from './answerTemplate.ts';
import { STEPS_TEMPLATE } from './stepsTemplate.ts';

/** The name of the template that comes with Vernier. */
export const STEPS = 'steps';

/** @param named `--answer_template`: a file, or the name of ours */
export async function readAnswerTemplate(
  platform: Pick<Platform, 'exists' | 'readFile'>,
  named: string | null,
): Promise<AnswerTemplate | undefined> {
  if (named === null) return undefined;
  const { AnswerTemplate } = await import('./answerTemplate.ts');
  if (named === STEPS) return new AnswerTemplate(STEPS_TEMPLATE, `--answer_template ${STEPS}`);
  if (!(await platform.exists(named))) throw new UserError(`--answer_template ${named}: there is no such file. "${STEPS}" is ours.`);
  return new AnswerTemplate(new TextDecoder().decode(await platform.readFile(named)), named);
}
