/**
 * Prompts and answers by a template that the user brings (`--answer_template FILE`): a YAML file with Jinja texts for each kind of answer.
 * The number that is scored stays the plan's: an answer is only taken if the last numbers of its <answer> block are those.
 */
import { parsedYaml } from '../../io/yamlText.ts';
import { UserError } from '../../platform.ts';
import { TemplateFailure } from '../jinja/failures.ts';
import { JinjaTemplate } from '../jinja/template.ts';
import { answerFields } from './answerFields.ts';
import type { PlainWords } from './answerFields.ts';
import { parseAnswer } from './answers.ts';
import { asObject, asString } from './json.ts';
import type { SampleRecord } from './record.ts';
import type { Annotation } from './sample.ts';

const KINDS = ['box', 'ellipse', 'distance', 'angle'] as const satisfies readonly Annotation['kind'][];
const PARTS = ['prompt', 'answer'] as const;
type Part = (typeof PARTS)[number];

interface PartTemplate {
  where: string;
  jinja: JinjaTemplate;
  /** It speaks of lines, which come from landmark files. */
  needsLines: boolean;
}

export class AnswerTemplate {
  /** As it was read. */
  readonly text: string;
  private readonly parts = new Map<string, PartTemplate>();

  /** @param where names the file @throws UserError with its place for what is no template */
  constructor(text: string, where: string) {
    this.text = text;
    const { document, value } = parsedYaml(text, where);
    const [problem] = document.errors;
    if (problem) throw new UserError(`${where}:${problem.linePos?.[0].line ?? 1}: not valid YAML: ${problem.message.split('\n')[0] ?? ''}`);
    for (const [kind, said] of Object.entries(asObject(value, where))) {
      if (!(KINDS as readonly string[]).includes(kind))
        throw new UserError(`${where}: "${kind.slice(0, 60)}" is no kind of answer; ${KINDS.join(', ')} are.`);
      for (const [part, jinja] of Object.entries(asObject(said, `${where}: ${kind}`))) {
        if (!(PARTS as readonly string[]).includes(part))
          throw new UserError(`${where}: ${kind} has "${part.slice(0, 60)}"; ${PARTS.join(' and ')} are known.`);
        this.parts.set(`${kind} ${part}`, partOf(asString(jinja, `${where}: ${kind}.${part}`), `${where}: ${kind}.${part}`));
      }
    }
    if (this.parts.size === 0) throw new UserError(`${where}: no templates; write one for ${KINDS.join(', ')}.`);
  }

  /** Whether the answers to these need to know where landmarks are. */
  needsLines({ kind }: Pick<Annotation, 'kind'>): boolean {
    return kind !== 'box' && PARTS.some((part) => this.part(kind, part)?.needsLines === true);
  }

  /** @throws UserError that names the template's line and what is missing */
  worded(record: SampleRecord, plain: PlainWords): { prompt: string; target: string } {
    const { kind } = record.annotation;
    const fields = answerFields(record, plain);
    const target = this.rendered(kind, 'answer', fields) ?? plain.target;
    const wanted = parseAnswer(plain.target, plain.values.length);
    const found = parseAnswer(target, plain.values.length);
    if (wanted?.some((value, at) => value !== found?.[at]) !== false) {
      throw new UserError(
        `${this.part(kind, 'answer')?.where ?? ''}: the answer of ${record.task.name} must end with ${plain.target} (in its <answer> … ` +
          `</answer> if it has one), ${found === undefined ? 'no numbers are' : `${found.join(', ')} is`} found. Write {{ target }} last.`,
      );
    }
    return { prompt: this.rendered(kind, 'prompt', fields) ?? plain.prompt, target };
  }

  private rendered(kind: string, name: Part, fields: Readonly<Record<string, unknown>>): string | undefined {
    const part = this.part(kind, name);
    if (part === undefined) return undefined;
    try {
      const text = part.jinja.render(fields, true).trim();
      if (text === '') throw new TemplateFailure(`the ${name} is empty`);
      return text;
    } catch (cause) {
      throw failure(cause, part.where);
    }
  }

  private part(kind: string, name: Part): PartTemplate | undefined {
    return this.parts.get(`${kind} ${name}`);
  }
}

function partOf(text: string, where: string): PartTemplate {
  try {
    return { where, jinja: new JinjaTemplate(text), needsLines: /\b(?:lines|cosine)\b/.test(text) };
  } catch (cause) {
    throw failure(cause, where);
  }
}

function failure(cause: unknown, where: string): unknown {
  if (!(cause instanceof TemplateFailure)) return cause;
  const line = cause.line === undefined ? '' : `, line ${cause.line}`;
  return new UserError(`${where}${line}: ${cause.message}. The fields that there are: src/data/medvision/README.md, Answers with steps.`);
}
