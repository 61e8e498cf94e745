/**
 * `--answer_cache`: answers by what was asked of whom, for other evaluations that ask the same. A key is the SHA-256 of the model, the
 * adapter, what decides how an answer is written, and the very tokens and pixels of the question, so that no answer can be stale. A line is
 * on disk when its batch is answered; one that a kill has cut short is no answer.
 */
import type { Example } from '../../data/example.ts';
import { joinPath, UserError } from '../../platform.ts';
import type { Platform } from '../../platform.ts';

export const CACHE_FILE = 'answers.jsonl';

export interface CachedAnswer {
  response: string;
  finish: string;
  answer_tokens: number;
}

export class AnswerCache {
  private readonly platform: Platform;
  private readonly path: string;
  private readonly about: Uint8Array;
  private readonly answers: Map<string, CachedAnswer>;

  private constructor(platform: Platform, path: string, about: string, answers: Map<string, CachedAnswer>) {
    this.platform = platform;
    this.path = path;
    this.about = new TextEncoder().encode(about);
    this.answers = answers;
  }

  /**
   * @param about model, adapter and options, as one text
   * @throws UserError where the folder cannot be one
   */
  static async open(platform: Platform, dir: string, about: string): Promise<AnswerCache> {
    if ((await platform.exists(dir)) && !(await platform.isDirectory(dir)))
      throw new UserError(`--answer_cache ${dir} is a file; a folder is expected, which may be new.`);
    await platform.makeDir(dir);
    const path = joinPath(dir, CACHE_FILE);
    const answers = new Map<string, CachedAnswer>();
    const text = (await platform.exists(path)) ? new TextDecoder().decode(await platform.readFile(path)) : '';
    for (const line of text.split('\n')) {
      const entry = readLine(line);
      if (entry !== undefined) answers.set(...entry);
    }
    // What is added begins on a line of its own.
    if (text !== '' && !text.endsWith('\n')) await platform.appendFile(path, '\n', { isPrivate: true });
    return new AnswerCache(platform, path, about, answers);
  }

  /** 64 hexadecimal digits. @param question ends where the answer begins */
  async keyOf({ inputIds, positionIds, pixelValues, imageGrids }: Example): Promise<string> {
    const grids = new TextEncoder().encode(JSON.stringify(imageGrids));
    const parts = [this.about, grids, inputIds, positionIds, pixelValues].map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    );
    const sizes = Uint8Array.from(new TextEncoder().encode(parts.map(({ length }) => length).join(' ')));
    return sha256([sizes, ...parts]);
  }

  get(key: string): CachedAnswer | undefined {
    return this.answers.get(key);
  }

  async add(entries: readonly (readonly [key: string, answer: CachedAnswer])[]): Promise<void> {
    const fresh = entries.filter(([key]) => !this.answers.has(key));
    for (const [key, answer] of fresh) this.answers.set(key, answer);
    const text = fresh.map(([key, answer]) => `${JSON.stringify({ key, ...answer })}\n`).join('');
    if (text !== '') await this.platform.appendFile(this.path, text, { isPrivate: true });
  }
}

function readLine(line: string): [string, CachedAnswer] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { key, response, finish, answer_tokens: tokens } = Object(parsed) as Record<string, unknown>;
  if (typeof key !== 'string' || typeof response !== 'string' || typeof finish !== 'string' || typeof tokens !== 'number') return undefined;
  return [key, { response, finish, answer_tokens: tokens }];
}

async function sha256(parts: readonly Uint8Array[]): Promise<string> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', whole));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
