/**
 * The folder of an evaluation: `evaluation.json` says what is asked of whom, `samples.jsonl` grows by the answers, and the summaries come
 * last. A folder whose evaluation.json says the same is gone on with; one that says otherwise is left alone.
 */
import { readRow, rowText } from '../../data/medvision/answerRows.ts';
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import type { AnswerMode } from '../../data/medvision/answers.ts';
import type { SummaryFile } from '../../data/medvision/summaries.ts';
import { identityDifferences } from '../../data/prepared/identity.ts';
import type { Identity } from '../../data/prepared/identity.ts';
import { isIdentity } from '../../data/prepared/manifest.ts';
import { readJsonFile } from '../../data/jsonFile.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';
import { forgetReport } from '../report/forget.ts';

/** What is asked of whom. */
export const EVALUATION_FILE = 'evaluation.json';
export const SAMPLES = 'samples.jsonl';
/** Written when all rows are answered. */
export const SUMMARY_FILE = 'summary.json';
const SUMMARY = /^summary(_(metrics|values)_\w+_Task)?\.json$|^summary_\w+_task\.txt$/;

/** Where the answers of an evaluation are kept while it goes on, and what it found in the end. */
export interface Keeping {
  /** In words. */
  readonly dir: string;
  check(mayReplace: boolean): Promise<void>;
  begin(identity: Identity, mayReplace: boolean): Promise<Map<number, string>>;
  append(rows: readonly ScoredRow[], parser: AnswerMode): Promise<void>;
  writeSamples(rows: readonly ScoredRow[], parser: AnswerMode): Promise<void>;
  writeSummaries(files: readonly SummaryFile[]): Promise<void>;
}

/** For whoever takes what `runEvaluation` returns, and wants no files. */
export const KEPT_NOWHERE: Keeping = {
  dir: 'nowhere',
  check: () => Promise.resolve(),
  begin: () => Promise.resolve(new Map()),
  append: () => Promise.resolve(),
  writeSamples: () => Promise.resolve(),
  writeSummaries: () => Promise.resolve(),
};

export class EvaluationFolder implements Keeping {
  readonly dir: string;
  private readonly platform: Platform;

  constructor(platform: Platform, dir: string) {
    this.platform = platform;
    this.dir = dir;
  }

  /** Before anything that takes long: a folder that cannot be used is told at once. @throws UserError */
  async check(mayReplace: boolean): Promise<void> {
    const { platform, dir } = this;
    if (mayReplace || !(await platform.isDirectory(dir)) || (await this.ownManifest()) !== undefined) return;
    const foreign = (await platform.listDir(dir)).find((name) => name === EVALUATION_FILE || name === SAMPLES || SUMMARY.test(name));
    if (foreign === undefined) return;
    throw new UserError(`${dir} holds a ${foreign} of something else; give another --output_dir, or --overwrite true to replace it.`);
  }

  /**
   * Begins, or goes on with what is there. @returns the answers that are there, by row, as they were written
   * @throws UserError where another evaluation is there; it lists the differences
   */
  async begin(identity: Identity, mayReplace: boolean): Promise<Map<number, string>> {
    const { platform } = this;
    await platform.makeDir(this.dir);
    const there = (await this.ownManifest())?.identity;
    const differences = there === undefined ? [] : identityDifferences(there, identity);
    if (there !== undefined && differences.length === 0 && !mayReplace) return this.answered();
    if (there !== undefined && !mayReplace) {
      throw new UserError(
        `${this.dir} holds another evaluation:\n${differences.map((line) => `  ${line}`).join('\n')}\n` +
          'Give another --output_dir, or --overwrite true to replace it.',
      );
    }
    await this.clear();
    await platform.writeFile(this.at(EVALUATION_FILE), `${JSON.stringify({ format: 1, identity }, null, 2)}\n`);
    return new Map();
  }

  /** Whole lines are written at once, so that a killed run leaves at most the last one torn. */
  async append(rows: readonly ScoredRow[], parser: AnswerMode): Promise<void> {
    await this.platform.appendFile(this.at(SAMPLES), rows.map((row) => `${rowText(row, parser)}\n`).join(''), { isPrivate: true });
  }

  /** All rows in their order, in place of what was appended in the order of their answering. */
  async writeSamples(rows: readonly ScoredRow[], parser: AnswerMode): Promise<void> {
    const file = await this.platform.createFile(this.at(SAMPLES), { isPrivate: true });
    try {
      for (let start = 0; start < rows.length; start += 256) {
        await file.write(
          new TextEncoder().encode(
            rows
              .slice(start, start + 256)
              .map((row) => `${rowText(row, parser)}\n`)
              .join(''),
          ),
        );
      }
    } catch (error) {
      await file.abort();
      throw error;
    }
    await file.commit();
  }

  async writeSummaries(files: readonly SummaryFile[]): Promise<void> {
    for (const { name, text } of files) await this.platform.writeFile(this.at(name), text);
  }

  /** What evaluation.json says; nothing where there is none, or it is not ours. */
  private async ownManifest(): Promise<{ identity: Identity } | undefined> {
    const path = this.at(EVALUATION_FILE);
    if (!(await this.platform.exists(path)) || (await this.platform.isDirectory(path))) return undefined;
    const manifest = await readJsonFile(this.platform, path).catch(() => undefined); // not JSON, so not ours
    const identity = manifest?.['identity'];
    return manifest?.['format'] === 1 && isIdentity(identity) ? { identity } : undefined;
  }

  private async clear(): Promise<void> {
    await forgetReport(this.platform, this.dir);
    for (const name of await this.platform.listDir(this.dir))
      if (name === SAMPLES || SUMMARY.test(name)) await this.platform.remove(this.at(name));
  }

  /** A line cut short by a power cut is taken away: its row is answered again. */
  private async answered(): Promise<Map<number, string>> {
    const answers = new Map<number, string>();
    const path = this.at(SAMPLES);
    if (!(await this.platform.exists(path))) return answers;
    const text = new TextDecoder().decode(await this.platform.readFile(path));
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const lines = whole.split('\n').slice(0, -1);
    const readable = lines.filter((line) => isRow(line));
    if (readable.length < lines.length || whole.length < text.length)
      await this.platform.writeFile(path, readable.map((line) => `${line}\n`).join(''), { isPrivate: true });
    readable.forEach((line, i) => answers.set(readRow(line, i, `${path}:${i + 1}`).id, line));
    return answers;
  }

  private at(name: string): string {
    return joinPath(this.dir, name);
  }
}

function isRow(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}
